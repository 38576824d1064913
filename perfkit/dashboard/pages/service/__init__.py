"""The pages that are about perfkit itself: what it can be told to do, and how it is set."""

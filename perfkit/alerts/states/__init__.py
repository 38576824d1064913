"""The pure part: when a rule's alert is pending, firing, over or flapping."""

"""What must not be kept, and how it is taken out where it would be."""

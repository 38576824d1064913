"""What a probe of the health paths costs."""

"""What a response out of the cache costs."""

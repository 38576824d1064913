"""What the cache backend stands on."""

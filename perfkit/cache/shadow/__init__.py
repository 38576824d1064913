"""The shadow: what the hit ratio would be with another size or strategy, from a sample of the keys."""

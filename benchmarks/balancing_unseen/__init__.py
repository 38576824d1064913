"""The default strategy in a world that it was never tuned in."""

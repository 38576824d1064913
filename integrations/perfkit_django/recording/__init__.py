"""The flight recorder in Django."""

"""A Django app that does nothing at all."""

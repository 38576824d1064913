"""Whole responses out of the cache."""

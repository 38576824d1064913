"""Loads under way: one for all who ask, and threads for those in the background while a stale value serves."""

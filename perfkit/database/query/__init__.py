"""Statements that perfkit sends itself: on the caller's behalf, and EXPLAIN."""

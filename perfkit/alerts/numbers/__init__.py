"""Numbers of the store as rules want them: now, and over a window."""

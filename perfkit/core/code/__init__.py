"""Code as people read it: files, lines, functions, and whose they are."""

"""The memory watch: does a worker grow without end, how fast, and what grows in it."""

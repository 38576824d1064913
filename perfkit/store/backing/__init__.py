"""Where the slots lie: in the memory of one process, or in one file a worker that all workers read."""

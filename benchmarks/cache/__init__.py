"""What the cache costs beside the caches that people use: hits, stores, read-through, memoized functions, threads."""

"""Choice by key: the same server for the same key, as far as it has room."""

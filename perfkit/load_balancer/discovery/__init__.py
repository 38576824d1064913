"""Where the servers come from: lists, functions, files, names."""

"""Where the servers come from (lists, functions, files, names), and what all workers are told of them."""

"""HTTP in no framework's words: what is recorded, which paths are ours, who may see them."""

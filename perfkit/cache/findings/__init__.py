"""What is wrong with how the cache is used, with evidence and advice."""

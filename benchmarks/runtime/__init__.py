"""What it costs to sample process, interpreter and container once a second."""

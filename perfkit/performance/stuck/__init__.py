"""The watch over threads: which request has held one for long, and where it stands."""

"""What the slots mean: rows, the table of series, updates, and the families made of them."""

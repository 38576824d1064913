"""TPC-H: what advice on indexes saves, beside published searches."""

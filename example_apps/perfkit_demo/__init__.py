"""The shop: a small web shop with ten seeded performance problems, and the visitors that make them show."""

"""What the shops in every framework share: the tables, the data, the seeded problems. Knows no framework."""

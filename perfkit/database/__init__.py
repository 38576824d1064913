"""The database optimizer: from the slow query to the line of code and the fix."""

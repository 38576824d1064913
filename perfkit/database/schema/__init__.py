"""What a database says about its tables, in one form for every dialect."""

"""The cards of the overview that tell what to do, how good it is, and how cache, database and servers are."""

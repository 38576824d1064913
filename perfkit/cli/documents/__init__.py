"""What commands print for programs: the head of all documents, and those of commands that have no folder."""

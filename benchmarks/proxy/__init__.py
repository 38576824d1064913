"""The reverse proxy beside asgiproxy and beside the server behind it."""

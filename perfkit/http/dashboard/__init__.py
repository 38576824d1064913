"""The dashboard over HTTP: pages and JSON that are computed once a second, and the actions of its buttons."""

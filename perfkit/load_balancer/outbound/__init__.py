"""Calls of the app to others, by whatever client: numbers by host, spans of the request, findings on what fails."""

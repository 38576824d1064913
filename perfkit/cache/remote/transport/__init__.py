"""The way to the server: connections, time limits, the breaker, and what could not be delivered."""

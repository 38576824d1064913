"""The event-loop watch: what it finds and what it costs."""

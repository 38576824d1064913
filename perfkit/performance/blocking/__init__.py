"""The event-loop watch: how late a loop is, which call blocked it, and which requests waited meanwhile."""

"""The `perfkit` command."""

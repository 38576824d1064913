"""What a framework's own command line passes on to the `perfkit` command."""

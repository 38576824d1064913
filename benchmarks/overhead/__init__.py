"""What a request costs more, by layer and framework."""

"""What statements ask of tables."""

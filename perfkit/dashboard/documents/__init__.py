"""What the JSON beside the pages holds, in types."""

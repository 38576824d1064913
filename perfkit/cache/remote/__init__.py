"""The second tier: a Redis or Valkey server that the workers of all hosts share."""

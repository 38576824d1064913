"""What instruments cost: bound series and look-ups by labels, beside prometheus_client."""

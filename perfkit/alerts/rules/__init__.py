"""What is watched: rules, objectives, and what both are made of."""

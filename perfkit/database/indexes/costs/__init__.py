"""What a statement would cost with an index that does not exist: by the planner, or by rules."""

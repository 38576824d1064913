"""What keeps one failure from becoming many: budgets, retries, hedges, deadlines, limits."""

"""What the store costs: updates, scrapes, the leader's second, deaths of workers."""

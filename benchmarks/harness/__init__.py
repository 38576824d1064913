"""The harness: turns, results, tables, fleets of processes."""

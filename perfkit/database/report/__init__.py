"""What becomes of captured statements, off the request: findings, statistics, log lines, told to all workers."""

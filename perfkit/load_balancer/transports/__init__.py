"""Where HTTP clients meet the balancer: transports for httpx, an adapter for requests."""

"""Ready-made checks of what an app depends on; each is made by a function and given to `register_health_check`."""

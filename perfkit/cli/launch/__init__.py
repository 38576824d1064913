"""`perfkit run`: an app found by name, perfkit around it, a server below it."""

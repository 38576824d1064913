"""The first tier: what this process holds, by key."""

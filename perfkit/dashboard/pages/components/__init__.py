"""The pages of single components: database, cache, upstreams, runtime, health, alerts."""

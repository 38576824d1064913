"""Pools of connections: how large they should be."""

"""The contestants that the budgets are about: with these alone a race has four times the rounds in the same time."""

from __future__ import annotations

__all__ = ["is_near"]

PEERS = ("prometheus-flask-exporter", "django-prometheus")
"""Peers that a budget names."""


def is_near(name: str) -> bool:
    """Return whether the contestant *name* is ours, a hand-written one, a bare one or in a budget."""
    return name.startswith(("bare", "layer", "perfkit", "hand-written")) or name in PEERS

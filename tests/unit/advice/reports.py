"""Findings as components report them, made up."""

from __future__ import annotations

from typing import Any

from perfkit.core.findings import Finding, Priority

__all__ = ["a_finding", "an_n_plus_one"]


def a_finding(fingerprint: str = "f", priority: Priority = Priority.MEDIUM, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "code": "PK301",
        "kind": "cache_stampede",
        "component": "cache",
        "message": f"This is {fingerprint}.",
        "action": "Do it.",
        "evidence": {"count": 2},
        **changes,
    }
    return Finding(priority=priority, fingerprint=fingerprint, **values)


def an_n_plus_one(fingerprint: str = "n1", *, requests: int, seconds: float = 0.01, **changes: Any) -> Finding:
    """An N+1 met in *requests* requests that would each save *seconds*."""
    values: dict[str, Any] = {
        "priority": Priority.HIGH,
        "code": "PK101",
        "kind": "n_plus_one",
        "component": "database",
        "message": "214 queries in one request load Review one by one.",
        "site": "shop/views.py:48",
        "evidence": {"count": 214, "requests": requests},
        "estimate": {"seconds_saved": seconds},
        **changes,
    }
    return a_finding(fingerprint, **values)

"""What the cache did for a request: told to the client in Cache-Status, counted in the store.

Source: RFC 9211. The value is one member of a list of structured fields (RFC 9651): ``perfkit; hit; ttl=12``.
"""

from __future__ import annotations

from perfkit.core.families import Definition, MetricType

__all__ = ["NAME", "RESPONSES", "forwarded", "hit"]

NAME = "perfkit"
"""How this cache calls itself."""

RESPONSES = Definition(
    name="perfkit_http_cache_requests_total",
    type=MetricType.COUNTER,
    description="Requests to routes with a response cache, by what the cache did: hit, stale, revalidated, collapsed, "
    "miss, or bypass.",
    labels=("http_route", "result"),
)


def hit(ttl: float) -> str:
    """Return the field of a response out of the cache that is fresh for *ttl* seconds more, negative if it is stale."""
    return f"{NAME}; hit; ttl={int(ttl) if ttl >= 0 else -int(-ttl + 0.999)}"


def forwarded(
    why: str,
    *,
    status: int = 0,
    stored: bool = False,
    collapsed: bool = False,
    detail: str = "",
    ttl: float | None = None,
) -> str:
    """Return the field of a response for which the app was asked.

    Args:
        why: A word of RFC 9211 section 2.2: ``bypass``, ``miss``, ``vary-miss``, ``stale``, ``request``.
        status: The app's own status code, where the client gets another.
        stored: The response is kept from now on.
        collapsed: One request to the app answered this one and others.
        detail: In a word, why it is not kept or why it passed by.
        ttl: Seconds that it is fresh.
    """
    parts = [NAME, f"fwd={why}"]
    if status:
        parts.append(f"fwd-status={status}")
    if ttl is not None:
        parts.append(f"ttl={int(ttl)}")
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    if detail:
        parts.append(f"detail={detail}")
    return "; ".join(parts)

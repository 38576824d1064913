"""What the workers tell each other of a shape: its text, the lines and the routes that it is sent from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["MOST_CALLERS", "Caller", "RouteUse", "ShapeText", "converted", "dearest", "joined"]

MOST_CALLERS = 5
"""Lines, and routes, told of one shape."""


class Caller(msgspec.Struct, frozen=True):
    """A line that sends a statement: ``path:line``, the function, how often it was seen there."""

    site: str
    function: str
    count: int


class RouteUse(msgspec.Struct, frozen=True):
    """A route that a statement is sent from.

    Attributes:
        route: Method and template, or the name of a task.
        requests: Exchanges that were looked at and sent it.
        statements: How often they sent it.
        seconds: What that took.
        share: Part of the time of all requests of the route, 0 to 1; None where it has none.
    """

    route: str
    requests: int
    statements: int
    seconds: float
    share: float | None = None


class ShapeText(msgspec.Struct, frozen=True):
    """What the workers tell of a shape: no number that the store has."""

    worker: str
    system: str
    id: str
    text: str
    summary: str
    callers: tuple[Caller, ...] = ()
    rows: float = -1.0
    longest: float = 0.0
    routes: tuple[RouteUse, ...] = ()


def dearest(routes: dict[str, list[float]]) -> list[tuple[str, list[float]]]:
    """Return the *routes* that spend most: of each [requests, statements, seconds]."""
    return sorted(routes.items(), key=lambda item: -item[1][2])[:MOST_CALLERS]


def converted(record: dict[str, Any]) -> ShapeText | None:
    """Return what a worker told; None where it is of another version of perfkit."""
    try:
        return msgspec.convert(record, ShapeText)
    except msgspec.ValidationError:
        return None


def joined(one: ShapeText, other: ShapeText) -> ShapeText:
    """Return what two workers tell of one shape as one."""
    counts: dict[tuple[str, str], int] = {}
    callers: Iterable[Caller] = (*one.callers, *other.callers)
    for caller in callers:
        key = (caller.site, caller.function)
        counts[key] = counts.get(key, 0) + caller.count
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:MOST_CALLERS]
    routes: dict[str, list[float]] = {}
    for use in (*one.routes, *other.routes):
        sums = routes.setdefault(use.route, [0.0, 0.0, 0.0])
        for at, figure in enumerate((use.requests, use.statements, use.seconds)):
            sums[at] += figure
    return msgspec.structs.replace(
        one,
        callers=tuple(Caller(site, function, count) for (site, function), count in ordered),
        rows=max(one.rows, other.rows),
        longest=max(one.longest, other.longest),
        routes=tuple(
            RouteUse(route, int(requests), int(statements), seconds)
            for route, (requests, statements, seconds) in dearest(routes)
        ),
    )

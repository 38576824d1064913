"""What is told about a request that does not come to an end, while it still holds its thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["KIND", "StuckRequest", "told"]

KIND = "stuck_request"
"""The kind of these texts in the store."""

MOST = 100
"""Requests told."""

GOOD_FOR = 3600.0
"""Seconds after which what was told is no news any more."""


class StuckRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The event ``stuck_request``: a request has held a thread for `performance.stuck.threshold` seconds or more.

    Attributes:
        at: Unix seconds of the look.
        seconds: For how long by then; it is told again after ten times as long.
        site: ``path:line`` of the innermost frame of the user's own code; of all code where there is none of theirs.
        function: Qualified name of the function at `site`.
        code: The source line at `site`.
        waits_in: ``path:line in function`` of the innermost Python frame.
        thread: Name of the thread.
        method, route: Of the request; the route is a template, empty where none had matched.
        stack: Innermost first, at most 30.
        pid: The worker.
        request: Tells it from others of that worker.
    """

    at: float
    seconds: float
    site: str
    function: str = ""
    code: str = ""
    waits_in: str = ""
    thread: str = ""
    method: str = ""
    route: str = ""
    stack: tuple[str, ...] = ()
    pid: int = 0
    request: int = 0


def told(records: Iterable[dict[str, Any]], now: float) -> tuple[StuckRequest, ...]:
    """Return the requests of *records*, newest first, each as it was told last, at *now* (Unix seconds)."""
    found: dict[tuple[int, int], StuckRequest] = {}
    for raw in records:
        try:
            stuck = msgspec.convert(raw, StuckRequest)
        except msgspec.ValidationError:  # of another version of perfkit
            continue
        if now - stuck.at < GOOD_FOR and len(found) < MOST:
            found.setdefault((stuck.pid, stuck.request), stuck)
    return tuple(found.values())

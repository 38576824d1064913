"""Who may have a request kept, and what its response tells of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfkit.core.message import Request
from perfkit.http.recording.keeping import ASK, NO_ROWS, Asked
from perfkit_django.answers import request_of
from perfkit_django.exchange import ASKED

if TYPE_CHECKING:
    from perfkit_django.lifecycle import Hot

__all__ = ["HOT", "aask", "ask", "tell"]

ASKING = f"HTTP_{ASK.upper().replace('-', '_')}"
"""The key of the request's `META` by which it asks to be kept."""

HOT = "perfkit.hot"
"""The key under which the hot path finds what it uses for an exchange that was looked at."""


def ask(hot: Hot, request: Any) -> Asked | None:
    """Leave for the hot path what it shall use for *request*; return what its response is to be told."""
    asking = _request(hot, request)
    return _left(hot, request, None if asking is None else hot[4].keeping.ask(asking))


async def aask(hot: Hot, request: Any) -> Asked | None:
    """Do what `ask` does, and await the app's access function where it is async."""
    asking = _request(hot, request)
    return _left(hot, request, None if asking is None else await hot[4].keeping.aask(asking))


def tell(hot: Hot, told: Asked, response: Any) -> Any:
    """Return *response* with where its record is, and what took its time until now; what it says itself stays."""
    with hot[4].errors.guarded("django", "a response could not be told of its record"):
        for name, value in told.headers():
            before = response.headers.get(name)
            response.headers[name] = f"{before}, {value}" if before and name == "server-timing" else value
    return response


def _request(hot: Hot, request: Any) -> Request | None:
    """Return *request* if it may be one that asks."""
    site, asking = hot[4], None
    with site.errors.guarded("django", "a request could not be read"):
        if site.keeping.looks_at_all or (site.keeping.listens and ASKING in request.META):
            asking = request_of(request)
    return asking


def _left(hot: Hot, request: Any, found: Asked | None) -> Asked | None:
    request.META[HOT] = hot
    if found is not None:
        request.META[ASKED] = found
        request.META[HOT] = (hot[0], hot[1], NO_ROWS, *hot[3:])
    return found

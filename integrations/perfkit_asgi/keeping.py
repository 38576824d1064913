"""Exchanges offered to the flight recorder, and what a response tells those who asked for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfkit.core.message import Request
from perfkit.core.spans import Exchange
from perfkit.http.recording.keeping import ASK, KEPT_HEADERS, NO_ROWS, Asked
from perfkit_asgi.answers import request_of
from perfkit_asgi.types import Message, Scope, Send

if TYPE_CHECKING:
    from perfkit.store import Row
    from perfkit_asgi.lifecycle import Hot, Lifecycle

__all__ = ["ASKED", "FIRST", "asked", "keep", "offer"]

ASKING = (ASK.encode(), b"1")
"""The header by which a request asks to be kept, as servers give it."""

ASKED = "perfkit.asked"
"""The key of the scope under which an exchange that may ask keeps what it is told."""

FIRST = "perfkit.first"
"""The key of the scope that keeps the `time.perf_counter` of a stream's first chunk."""

_KEPT = {name.encode(): name for name in KEPT_HEADERS}
_MOST_HEADERS = 200


async def asked(life: Lifecycle, scope: Scope, send: Send, hot: Hot) -> tuple[Hot, Send]:
    """Return what the hot path uses for this exchange: another `send` and no known series where it was asked for."""
    request = _request(life, scope)
    found = None if request is None else await life.keeping.aask(request)
    if found is None:
        return hot, send
    scope[ASKED] = found
    return (hot[0], hot[1], NO_ROWS, hot[3]), _telling(life, found, send)


def keep(
    life: Lifecycle,
    scope: Scope,
    row: Row,
    seconds: float,
    start: float,
    spans: Exchange | None,
    error: BaseException | None = None,
) -> None:
    """Offer an exchange that took as long as its series keeps from."""
    query, headers = "", {}
    with life.errors.guarded("asgi", "a request could not be read"):
        query = scope.get("query_string", b"")[:4096].decode("latin-1")
        headers = _headers(scope)
    life.keeping.keep(
        row,
        seconds,
        spans,
        start,
        first=scope.get(FIRST, 0.0),
        query=query,
        headers=headers,
        error=error,
        asked=scope.get(ASKED),
    )


def offer(
    life: Lifecycle, scope: Scope, start: float, spans: Exchange | None, error: BaseException | None = None
) -> Any:
    """Return what offers this exchange when it is recorded, if it is to be kept or was asked for."""

    def offered(row: Row, seconds: float) -> None:
        if seconds >= row.keep_from or ASKED in scope:
            keep(life, scope, row, seconds, start, spans, error)

    return offered


def _request(life: Lifecycle, scope: Scope) -> Request | None:
    """Return the request of *scope* if it may be one that asks."""
    request = None
    with life.errors.guarded("asgi", "a request could not be read"):
        if life.keeping.looks_at_all or (life.keeping.listens and ASKING in scope.get("headers", ())):
            request = request_of(scope, scope["path"])
    return request


def _headers(scope: Scope) -> dict[str, str]:
    found = {}
    for name, value in list(scope.get("headers", ()))[:_MOST_HEADERS]:
        known = _KEPT.get(name)
        if known is not None:
            found[known] = value[:1000].decode("latin-1")
    return found


def _telling(life: Lifecycle, told: Asked, send: Send) -> Send:
    """Return *send* such that the response tells where its record is, and what took its time until now."""

    def telling(message: Message) -> Any:
        with life.errors.guarded("asgi", "a response could not be told of its record"):
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in told.headers()]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
        return send(message)

    return telling

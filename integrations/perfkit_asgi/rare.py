"""What happens to few exchanges: the first of its kind, one without an end, a WebSocket."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from perfkit.core.spans import Span
from perfkit_asgi.lifecycle import Lifecycle
from perfkit_asgi.outcome import outcome
from perfkit_asgi.routes import matched, route_key
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MARK", "record_first", "record_incomplete", "serve_websocket"]

MARK = "perfkit"
"""The key of the scope that tells an inner perfkit that this exchange is recorded already."""


def record_first(
    life: Lifecycle, key: object, scope: Scope, status: int, error_type: str, start: float, spans: list[Span] | None
) -> None:
    """Record an exchange of a kind that was not seen before."""
    route, is_certain = life.routes.find(scope)
    key = life.instrumentation.learn(
        key,
        method=scope["method"],
        route=route,
        status=status,
        scheme=scope.get("scheme", "http"),
        error=error_type,
        hold=matched(scope),
        cache=is_certain,
    )
    life.instrumentation.record(key, start, spans)


def record_incomplete(
    life: Lifecycle,
    scope: Scope,
    receive: Receive,
    status: int,
    start: float,
    spans: list[Span] | None,
    error: BaseException | None,
) -> None:
    """Record an exchange whose last body chunk never came; *error* is what the app raised, None if it just returned."""
    try:
        status, error_type = outcome(status, error, receive)
        key = (scope["method"], route_key(scope), status, scope.get("scheme"), error_type)
        record_first(life, key, scope, status, error_type, start, spans)
    except Exception as failure:  # noqa: BLE001 - the app's own error must come through
        life.lose(failure, spans, is_begun=True)


async def serve_websocket(life: Lifecycle, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Count a connection from its acceptance to its end; one that the app refuses never was open."""
    start = 0.0
    with life.errors.guarded("asgi", "a WebSocket could not be given the system"):
        scope[MARK] = system = life.instrumentation.system
        scope.setdefault("state", {}).setdefault(MARK, system)

    def observed_send(message: Message) -> Any:
        """Pass *message* on; the connection is open from the app's first `accept`."""
        nonlocal start
        if not start and message["type"] == "websocket.accept":
            with life.errors.guarded("asgi", "a WebSocket could not be counted"):
                life.instrumentation.websocket_opened()
                start = perf_counter()
        return send(message)

    try:
        await app(scope, receive, observed_send)
    finally:
        if start:
            route = ""
            with life.errors.guarded("asgi", "the route of a WebSocket could not be found"):
                route = life.routes.find(scope)[0]
            with life.errors.guarded("asgi", "a WebSocket could not be recorded"):
                life.instrumentation.websocket_closed(route, perf_counter() - start)

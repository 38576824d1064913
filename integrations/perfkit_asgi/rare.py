"""What happens to few exchanges: the first of its kind, one without an end or a state, a WebSocket."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from perfkit.core.spans import Exchange
from perfkit_asgi.keeping import offer
from perfkit_asgi.lifecycle import Lifecycle
from perfkit_asgi.outcome import outcome
from perfkit_asgi.routes import matched, route_key
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["MARK", "give_system", "record_first", "record_incomplete", "serve_websocket"]

MARK = "perfkit"
"""The key of the scope that tells an inner perfkit that this exchange is recorded already."""


def give_system(life: Lifecycle, scope: Scope, system: PerformanceSystem) -> None:
    """Have user code find *system* in the state of *scope*, unless there is one already."""
    try:
        state = scope.get("state")
        if state is None:
            scope["state"] = {MARK: system}
        elif MARK not in state:
            state[MARK] = system
    except Exception as error:  # noqa: BLE001 - the state is the app's own; what it put there is its affair
        life.lose(error)


def record_first(
    life: Lifecycle,
    scope: Scope,
    status: int,
    start: float,
    spans: Exchange | None,
    error_type: str = "",
    error: BaseException | None = None,
) -> None:
    """Record an exchange of a kind that was not seen before, or whose scope has not all that the hot path looks for."""
    method, scheme, recorder = scope["method"], scope.get("scheme", "http"), life.instrumentation
    key: Any = (method, route_key(scope), status, scheme, error_type)[: 5 if error_type else 4]
    offered = offer(life, scope, start, spans, error)
    if not error_type and recorder.record(key, start, spans, offered):
        return
    route, is_certain = life.routes.find(scope)
    key = recorder.learn(
        key,
        method=method,
        route=route,
        status=status,
        scheme=scheme,
        error=error_type,
        hold=matched(scope),
        cache=is_certain,
    )
    recorder.record(key, start, spans, offered)


def record_incomplete(
    life: Lifecycle,
    scope: Scope,
    receive: Receive,
    status: int,
    start: float,
    spans: Exchange | None,
    error: BaseException | None,
) -> None:
    """Record an exchange whose last body chunk never came; *error* is what the app raised, None if it just returned."""
    try:
        status, error_type = outcome(status, error, receive)
        record_first(life, scope, status, start, spans, error_type, error)
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

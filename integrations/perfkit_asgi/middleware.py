"""The middleware: one line in any ASGI app.

    app.add_middleware(PerfkitMiddleware)          # Starlette, FastAPI; add it last, so that it lies outermost
    app = PerfkitMiddleware(app)                   # any ASGI app

An exchange is recorded when its last body chunk is handed to the server, just before it is sent: what a client got is
counted, background tasks are not. Nothing is buffered, no task is made, the app's messages are passed on as they are.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from perfkit.core.spans import Span
from perfkit_asgi.answers import below
from perfkit_asgi.lifecycle import Lifecycle, Record
from perfkit_asgi.outcome import outcome
from perfkit_asgi.routes import matched, route_key
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["PerfkitMiddleware"]

RECORDED = -1
"""Stands for the status of an exchange once it is recorded."""

MARK = "perfkit"
"""The key of the scope that tells an inner perfkit that this exchange is recorded already."""

FILES = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""Messages by which the server itself sends a file as the body, or its rest."""


class PerfkitMiddleware:
    """Measures an ASGI app and answers perfkit's own paths. User code reaches the system as ``request.state.perfkit``.

    Attributes:
        app: The app inside.
    """

    def __init__(self, app: ASGIApp, /, system: PerformanceSystem | None = None, **settings: Any) -> None:
        """Put perfkit around *app*.

        Args:
            app: Any ASGI 3 app.
            system: A system of yours, which you stop; by default the middleware makes one and stops it.
            settings: Sections and keys, such as ``service="shop"`` or ``store={"retention": 86400}``.

        Raises:
            ConfigurationError: Some settings cannot be used; the message lists all of them.
        """
        self.app = app
        self._life = Lifecycle(app, system, settings)

    @property
    def system(self) -> PerformanceSystem:
        """The system recorded into; made at lifespan startup, at the first exchange or when first asked for."""
        return self._life.system_now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to one of our own paths, or record what the app does with any other."""
        hot = self._life.hot
        if hot is None or scope["type"] != "http" or MARK in scope:
            await self._rare(scope, receive, send)
            return
        ours, begin, record, system = hot
        path, root = scope["path"], scope.get("root_path")
        if root and path.startswith(root):
            path = below(root, path)
        if path in ours and await self._life.answer(path, scope, send):
            return
        try:
            spans = begin()
            scope[MARK] = system
        except Exception as error:  # noqa: BLE001 - the app must be served whatever happens to us
            self._life.lose(error, None)
            await self.app(scope, receive, send)
            return
        try:
            state = scope.get("state")
            if state is None:
                scope["state"] = {MARK: system}
            elif MARK not in state:
                state[MARK] = system
        except Exception as error:  # noqa: BLE001 - the state is the app's own; what it put there is its affair
            self._life.lose(error, None)
        status, start = 0, perf_counter()

        def observed_send(
            message: Message,
            send: Send = send,
            scope: Scope = scope,
            start: float = start,
            spans: list[Span] = spans,
            record: Record = record,
            self: PerfkitMiddleware = self,
        ) -> Any:
            """Pass *message* on. No coroutine of its own, and values as defaults: a closure would cost a cell each."""
            nonlocal status
            try:
                kind = message["type"]
                if kind == "http.response.start":
                    status = message["status"]
                elif status >= 0 and not message.get("more_body") and (kind == "http.response.body" or kind in FILES):
                    sent, status = status, RECORDED
                    route = route_key(scope) if "fastapi" in scope else id(scope.get("route") or scope.get("endpoint"))
                    key = (scope["method"], route, sent, scope.get("scheme"))
                    if not record(key, start, spans):
                        self._learn(key, scope, sent, "", start, spans)
            except Exception as error:  # noqa: BLE001 - the message must reach the client whatever happens to us
                self._life.lose(error, spans if status == RECORDED else None)
            return send(message)

        try:
            await self.app(scope, receive, observed_send)
        except BaseException as error:
            if status != RECORDED:
                self._incomplete(scope, receive, status, start, spans, error)
            raise
        if status != RECORDED:
            self._incomplete(scope, receive, status, start, spans, None)

    async def _rare(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take what is not a plain request: the lifespan, the very first exchange, a WebSocket, an inner perfkit's."""
        life = self._life
        if (
            MARK in scope
            or scope["type"] not in ("http", "websocket", "lifespan")
            or (not life.is_attached and not life.attach_to(scope))
        ):
            await self.app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await life.run(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            life.first_exchange(scope)
            await self(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a connection from its acceptance to its end; one that the app refuses never was open."""
        life, start = self._life, 0.0
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
            await self.app(scope, receive, observed_send)
        finally:
            if start:
                route = ""
                with life.errors.guarded("asgi", "the route of a WebSocket could not be found"):
                    route = life.routes.find(scope)[0]
                with life.errors.guarded("asgi", "a WebSocket could not be recorded"):
                    life.instrumentation.websocket_closed(route, perf_counter() - start)

    def _incomplete(
        self,
        scope: Scope,
        receive: Receive,
        status: int,
        start: float,
        spans: list[Span],
        error: BaseException | None,
    ) -> None:
        """Record an exchange whose last body chunk never came."""
        try:
            status, error_type = outcome(status, error, receive)
            self._learn(
                (scope["method"], route_key(scope), status, scope.get("scheme"), error_type),
                scope,
                status,
                error_type,
                start,
                spans,
            )
        except Exception as failure:  # noqa: BLE001 - the app's own error must come through
            self._life.lose(failure, spans)

    def _learn(self, key: object, scope: Scope, status: int, error_type: str, start: float, spans: list[Span]) -> None:
        """Record an exchange of a kind that was not seen before."""
        life = self._life
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

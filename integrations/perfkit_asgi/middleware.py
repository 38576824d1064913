"""The middleware: one line in any ASGI app.

    app.add_middleware(PerfkitMiddleware)          # Starlette, FastAPI; add it last, so that it lies outermost
    app = PerfkitMiddleware(app)                   # any ASGI app

An exchange is recorded when its last body chunk is handed to the server, just before it is sent: what a client got is
counted, background tasks are not. Nothing is buffered, no task is made, the app's messages are passed on as they are.

This is the hot path, so it is written for cost: what `Instrumentation.begin` and `record` do stands here in full, as
calling them costs a tenth more (measured in Starlette with CPython 3.11). A request costs about as much as it has
bytecodes and look-ups in dictionaries, so there is none that could be spared: `observed_send` is no coroutine and takes
values as defaults, as a closure would cost a cell each; what is rare is found out by the exception that it causes and
dealt with elsewhere. Nothing in the right-hand side of an addition may be a call.
"""

from __future__ import annotations

from bisect import bisect_left
from inspect import iscoroutinefunction
from time import perf_counter
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import ConfigurationError
from perfkit.core.spans import OPEN, PRODUCERS, Exchange, set_exchange
from perfkit.store.exchanges import BOUNDS, IS_LOCKED, SUM, count_begun, count_ended
from perfkit.store.layout import FINISHED, STARTED
from perfkit_asgi.answers import own_path
from perfkit_asgi.keeping import FIRST, asked, keep
from perfkit_asgi.lifecycle import Hot, Lifecycle
from perfkit_asgi.rare import MARK, give_system, record_first, record_incomplete, serve_websocket
from perfkit_asgi.routes import route_key
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from collections.abc import Hashable

    from perfkit.store import Row, Store
    from perfkit.system import PerformanceSystem

__all__ = ["PerfkitMiddleware"]

RECORDED = -1
"""Stands for the status of an exchange once it is recorded."""

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
            ConfigurationError: Some settings cannot be used; the message lists all of them. Where a running server
                makes the middleware, as in Starlette, its startup fails with that message.
        """
        if hasattr(app, "wsgi_app") and not iscoroutinefunction(type(app).__call__):
            raise ConfigurationError(
                f"perfkit_asgi was given {type(app).__name__}, a WSGI app. It must be an ASGI app. "
                "Use perfkit_flask.Perfkit(app) for Flask, perfkit_wsgi.PerfkitMiddleware(app) for others."
            )
        self.app = app
        self._life = Lifecycle(app, system, settings)
        self._hot: Hot | None = None
        self._parts: Hot | None = None

    @property
    def system(self) -> PerformanceSystem:
        """The system recorded into; made at lifespan startup, at the first exchange or when first asked for."""
        return self._life.system_now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to one of our own paths, or record what the app does with any other."""
        hot: Any = self._hot
        try:
            if (
                scope["type"] != "http"
                or MARK in scope
                or scope["path"] in hot[0]
                or (scope["root_path"] and own_path(scope) in hot[0])
            ):
                hot = None
        except (KeyError, TypeError):
            hot = None
        if hot is None:
            if await self._is_served(scope, receive, send):
                return
            # The next exchange may have to be looked at by now, and `_hot` be None.
            hot, send = await asked(self._life, scope, send, self._parts)  # type: ignore[arg-type]  # set by now
        _, store, rows, system = hot
        try:
            if not store.is_open:
                self._life.instrumentation.ensure_started()
            spans: Exchange | None = None
            if PRODUCERS:
                spans = [OPEN]
                set_exchange(spans)
            scope[MARK] = system
            if IS_LOCKED:
                count_begun(store)
            else:
                store.values[STARTED] += 1.0
        except Exception as error:  # noqa: BLE001 - the app must be served whatever happens to us
            self._life.lose(error)
            await self.app(scope, receive, send)
            return
        try:
            scope["state"].setdefault(MARK, system)
        except Exception:  # noqa: BLE001 - there is none, or the app's own: what it put there is its affair
            give_system(self._life, scope, system)
        status, start = 0, perf_counter()

        def observed_send(
            message: Message,
            send: Send = send,
            scope: Scope = scope,
            start: float = start,
            spans: Exchange | None = spans,
            store: Store = store,
            rows: dict[Hashable, Row] = rows,
            self: PerfkitMiddleware = self,
        ) -> Any:
            """Pass *message* on; before the last one, record."""
            nonlocal status
            try:
                kind = message["type"]
                if kind == "http.response.start":
                    status = message["status"]
                elif status >= 0 and (kind == "http.response.body" or kind in FILES) and not (message.get("more_body")):
                    seconds = perf_counter() - start
                    try:
                        route = (
                            route_key(scope)
                            if "fastapi" in scope
                            else id(scope["route"] if "route" in scope else scope.get("endpoint"))
                        )
                        row = rows[scope["method"], route, status, scope["scheme"]]
                    except KeyError:
                        sent, status = status, RECORDED
                        record_first(self._life, scope, sent, start, spans)
                    else:
                        status = RECORDED
                        if IS_LOCKED:
                            count_ended(store, row, seconds)
                        else:
                            values = store.values
                            index = row.index
                            values[index + bisect_left(BOUNDS, seconds)] += 1.0
                            values[index + SUM] += seconds
                            values[FINISHED] += 1.0
                        if spans is not None:
                            spans[0] = row
                        if seconds >= row.keep_from:
                            keep(self._life, scope, row, seconds, start, spans)
                elif kind == "http.response.body" and FIRST not in scope:
                    scope[FIRST] = perf_counter()
            except Exception as error:  # noqa: BLE001 - the message must reach the client whatever happens to us
                self._life.lose(error, spans, is_begun=status == RECORDED)
            return send(message)

        try:
            await self.app(scope, receive, observed_send)
        except BaseException as error:
            if status != RECORDED:
                record_incomplete(self._life, scope, receive, status, start, spans, error)
            raise
        if status != RECORDED:
            record_incomplete(self._life, scope, receive, status, start, spans, None)

    async def _is_served(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Take what is no plain request: the lifespan, the very first exchange and one now and then that is looked at,
        a WebSocket, an inner perfkit's, one to our own paths. Return False if it is the app's, to be measured.
        """
        life = self._life
        if life.flaw is not None and scope["type"] == "lifespan":
            await life.refuse(receive, send)
        elif (
            MARK in scope
            or scope["type"] not in ("http", "websocket", "lifespan")
            or (not life.is_attached and not life.attach_to(scope))
        ):
            await self.app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await life.run(scope, receive, send)
        elif scope["type"] == "websocket":
            await serve_websocket(life, self.app, scope, receive, send)
        else:
            if self._hot is None:
                self._hot = self._parts = life.first_exchange(scope)
                self.app = life.surround(self.app)
                life.look(self, scope, _cool)
            path = own_path(scope)
            return path in life.paths and await life.answer(path, scope, receive, send)
        return True


def _cool(middleware: PerfkitMiddleware) -> None:
    """Have the next exchange of *middleware* be as the first: it is looked at."""
    middleware._hot = None

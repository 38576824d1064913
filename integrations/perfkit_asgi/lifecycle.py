"""The ASGI side of an app's life: which app it is, its lifespan, and our own paths.

What needs the running app (is it in debug mode, which routes has it) is only known at its first exchange. The system is
started with the server's lifespan or at that exchange, and stopped at lifespan shutdown, or when it is dropped.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from perfkit.core.errors import ConfigurationError
from perfkit.http.attachment import AppFacts, Attachment
from perfkit.http.queueing import header_of
from perfkit.http.recording.keeping import EVERY
from perfkit_asgi.answers import body_of, hide_token, request_of, send_response
from perfkit_asgi.routes import RouteTable, routed
from perfkit_asgi.sightings import describer
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from perfkit.store import Row, Store
    from perfkit.system import PerformanceSystem

__all__ = ["Hot", "Lifecycle"]

Hot: TypeAlias = "tuple[frozenset[str], Store, dict[Hashable, Row], PerformanceSystem]"
"""What the hot path looks up at once: our own paths, the store, the series of the kinds of exchanges, the system."""

T = TypeVar("T")

LAST_MESSAGES = ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed")
"""Messages after which the app serves nothing any more."""


class Lifecycle(Attachment):
    """Everything of a middleware that lives longer than one exchange.

    Attributes:
        routes: The templates of the app's routes.
        flaw: Why the settings cannot be used, where that was found out too late to raise it; else None.
    """

    def __init__(self, app: ASGIApp, system: PerformanceSystem | None, settings: dict[str, Any]) -> None:
        """Check *settings* now, make the system later.

        Raises:
            ConfigurationError: Some settings cannot be used. Inside a running loop it is kept for `refuse`: Starlette
                makes its middleware there, at the first message of the server, which takes an exception at the
                lifespan for an app without one, serves on and answers 500 to everything.
        """
        self.flaw: ConfigurationError | None = None
        try:
            super().__init__("asgi", system=system, settings=settings)
        except ConfigurationError as error:
            if asyncio._get_running_loop() is None:
                raise
            self.flaw = error
        self._app = app
        self._is_described = False
        self.routes = RouteTable()

    def system_now(self) -> PerformanceSystem:
        """Return the system, made now if it was not yet."""
        return self.system(lambda: _facts(self._app))

    def attach_to(self, scope: Scope) -> bool:
        """Make what serves the app that *scope* is for; return False if that failed: the app goes on without us."""

        def look() -> AppFacts:
            if self.flaw is not None:
                raise self.flaw
            self.routes.attach(self._app, scope)
            return _facts(scope.get("app", self._app))

        return self.attach(look)

    def first_exchange(self, scope: Scope) -> Hot:
        """Start, and tell the developer where the dashboard is, now that we know our address; return the hot parts."""
        self.begin_serving(_base(scope))
        if not self._is_described:
            self._is_described = True
            with self.errors.guarded("asgi", "cannot tell which requests a blocked loop keeps waiting"):
                system = self.instrumentation.system
                routes = RouteTable()  # for other threads than those that count
                routes.attach(self._app, scope)
                system.loops.describe_with(describer(system, routes))
                system.handlers.find_with(routes.endpoint)
        recorder = self.instrumentation
        paths = EVERY if self.keeping.listens else self.paths
        return (paths, recorder.system.store, recorder.rows, recorder.system)

    def surround(self, app: ASGIApp) -> ASGIApp:
        """Return *app* with what the settings want around it: the response cache, the header with the load. Once."""
        cache, header = self.take_http_cache(), self.take_load_header()
        if cache is not None:
            from perfkit_asgi.caching import CachedApp

            app = CachedApp(app, self, cache)
        if header is not None:
            from perfkit_asgi.reporting import ReportingApp

            app = ReportingApp(app, header)
        return app

    def look(self, middleware: T, scope: Scope, cool: Callable[[T], object]) -> None:
        """Look how long this request waited; *cool* makes *middleware* come here with another one later."""
        with self.errors.guarded("asgi", "could not look how long a request waited"):
            queue_time = self.instrumentation.queue_time
            queue_time.look(header_of(scope.get("headers", ())))
            queue_time.watch(middleware, cool)

    async def answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a request to our own *path*; return False if it is refused or not ours: the app shall answer."""
        response = None
        with self.errors.guarded("asgi", "could not read a request"):
            request = request_of(scope, path)
            response = await self.arespond(request, partial(body_of, receive))
            if response is not None or self.holds_secret(request):
                hide_token(scope)
        if response is None:
            return False
        await send_response(response, send)
        return True

    async def refuse(self, receive: Receive, send: Send) -> None:
        """Answer the server's startup with what is wrong with the settings, so that it ends and says so."""
        assert self.flaw is not None
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(self.flaw)})
        raise self.flaw

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on to the app; start before its startup, stop after its shutdown."""
        with self.errors.guarded("asgi", "could not start"):
            system = self.instrumentation.system
            scope["perfkit"] = system  # an inner perfkit leaves the lifespan to us, as it leaves the exchanges
            system.start()
            system.loops.enter()

        async def observed_send(message: Message) -> None:
            if message["type"] in LAST_MESSAGES:
                self.stop()
            await send(message)

        await self._app(scope, receive, observed_send)


def _facts(app: object) -> AppFacts:
    return AppFacts(debug=getattr(routed(app), "debug", False) is True, origin=_origin(app))


def _base(scope: Scope) -> str:
    """Return the URL that our paths lie below; of a server on a unix socket only the path."""
    root = (scope.get("root_path") or "").rstrip("/")
    host, port = scope.get("server") or ("", None)
    if port is None:
        return root
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"{scope.get('scheme', 'http')}://{host}:{port}{root}"


def _origin(app: object) -> str:
    """Return the file of the app's first endpoint: the same in every worker, another in another app."""
    for route in getattr(routed(app), "routes", None) or ():
        code = getattr(getattr(route, "endpoint", None), "__code__", None)
        if code is not None and "site-packages" not in code.co_filename:
            return str(code.co_filename)
    return str(getattr(getattr(app, "__code__", None), "co_filename", ""))

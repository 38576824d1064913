"""One app's system: made when it is first needed, started with the server's lifespan or at the first exchange.

What needs the running app (is it in debug mode, which routes has it) is only known then. A middleware stops the system
it made, at lifespan shutdown or when it is dropped; one that it was given is left to its owner.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from perfkit.config import get_performance_config
from perfkit.core.errors import ErrorLog
from perfkit.core.spans import SEALED, Span
from perfkit_asgi.answers import hide_token, request_of, send_response
from perfkit_asgi.routes import RouteTable, routed
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

# Importing the adapter is cheap: what makes and serves pages is imported when the app is first served.
if TYPE_CHECKING:
    from perfkit.http.instrumentation import Instrumentation
    from perfkit.system import PerformanceSystem

__all__ = ["Hot", "Lifecycle", "Record"]

RETRY_AFTER = 60.0
"""Seconds for which an app that we could not attach to is served without another attempt."""

Record = Callable[[Hashable, float, list[Span]], bool]

Hot: TypeAlias = "tuple[frozenset[str], Callable[[], list[Span]], Record, PerformanceSystem]"


class Lifecycle:
    """Everything of a middleware that lives longer than one exchange.

    Attributes:
        is_attached: True once the system is made and the fields below are set.
        hot: What the hot path needs, in one look-up: our own paths, `begin`, `record` and the system; None before the
            first exchange.
        errors: Where internal errors end.
    """

    is_attached = False
    hot: Hot | None = None
    instrumentation: Instrumentation
    errors: ErrorLog

    def __init__(self, app: ASGIApp, system: PerformanceSystem | None, settings: dict[str, Any]) -> None:
        """Check *settings* now, make the system later."""
        self._app = app
        self._settings = settings
        self._given = system
        self._system = system
        self.routes = RouteTable()
        self._own_errors = ErrorLog()
        self._retry_at = 0.0
        if system is None:
            get_performance_config(settings=settings)

    @property
    def system(self) -> PerformanceSystem:
        """The system; made now if it was not yet."""
        if self._system is None:
            self._system = self._make(self._app)
        return self._system

    def attach(self, scope: Scope) -> bool:
        """Make the system for the app that serves *scope*; return False if that failed: the app goes on without us."""
        if monotonic() < self._retry_at:
            return False
        try:
            from perfkit.http.front import Front
            from perfkit.http.instrumentation import Instrumentation
            from perfkit.http.routes import Routes

            if self._system is None:
                self._system = self._make(scope.get("app", self._app))
            system = self._system
            self.routes.attach(self._app, scope)
            self.errors = system.errors
            self.instrumentation = Instrumentation(system)
            self._front = Front(system)
            self._answers = Routes(self._front)
            self.is_attached = True
        except Exception as error:  # noqa: BLE001 - the app must be served whatever happens to us
            errors = self._system.errors if self._system is not None else self._own_errors
            errors.report("asgi", error, doing="could not attach to the app")
            self._retry_at = monotonic() + RETRY_AFTER
            return False
        return True

    def begin_serving(self, scope: Scope) -> None:
        """At the first exchange: start, and tell the developer where the dashboard is, now that we know our address."""
        with self.errors.guarded("asgi", "could not start"):
            self.instrumentation.ensure_started()
            self._front.announce(_base(scope))
        recorder = self.instrumentation
        self.hot = (self._answers.paths, recorder.begin, recorder.record, self.system)

    def _make(self, app: object) -> PerformanceSystem:
        from perfkit.system import PerformanceSystem

        is_debug = getattr(routed(app), "debug", False) is True
        config = get_performance_config(settings=self._settings, debug=is_debug)
        return PerformanceSystem(config, origin=_origin(app))

    def lose(self, error: Exception, spans: list[Span] | None) -> None:
        """Count and log the internal *error* that an exchange met; with its *spans*, if not sealed, it is ended."""
        self.errors.report("asgi", error, doing="an exchange could not be recorded")
        if spans is not None and SEALED not in spans[-1:]:
            with self.errors.guarded("asgi", "an exchange could not be ended"):
                self.instrumentation.abandon(spans)

    async def answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a request to our own *path*; return False if it is refused or not ours: the app shall answer."""
        with self.errors.guarded("asgi", "could not start"):
            if not self.system.is_running:
                self.instrumentation.ensure_started()
        response = None
        with self.errors.guarded("asgi", "could not answer"):
            response = await self._answers.arespond(request_of(scope, path))
        if response is None:
            if self._answers.holds_secret(scope.get("query_string", b"").decode("latin-1")):
                hide_token(scope)
            return False
        hide_token(scope)
        await send_response(response, send)
        return True

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on to the app; start before its startup, stop after its shutdown."""
        system = self.system
        with self.errors.guarded("asgi", "could not start"):
            scope["perfkit"] = system  # an inner perfkit leaves the lifespan to us, as it leaves the exchanges
            system.start()
            if "state" in scope:
                scope["state"]["perfkit"] = system

        async def observed_send(message: Message) -> None:
            if message["type"] in (
                "lifespan.shutdown.complete",
                "lifespan.shutdown.failed",
                "lifespan.startup.failed",
            ):
                self._stop()
            await send(message)

        await self._app(scope, receive, observed_send)

    def _stop(self) -> None:
        if self._given is None and self._system is not None:
            with self.errors.guarded("asgi", "could not stop"):
                self._system.stop()


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

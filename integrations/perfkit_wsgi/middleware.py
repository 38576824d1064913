"""The middleware: one line around any WSGI app.

    app = PerfkitMiddleware(app)

An exchange is recorded when the last chunk of its answer is handed to the server, just before it is sent: what a client
got is counted, what the app does in `close` afterwards is not in the duration. Nothing is buffered, and `wsgi.input` is
not touched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from perfkit.core.spans import Span
from perfkit.http.attachment import AppFacts, Attachment
from perfkit.http.queueing import variable_of
from perfkit_wsgi.answers import as_sent, base_url, hide_token, request_of, send_response
from perfkit_wsgi.bodies import followed
from perfkit_wsgi.exchange import Exchange
from perfkit_wsgi.sightings import describer
from perfkit_wsgi.types import Environ, StartResponse, WSGIApp

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["PerfkitMiddleware"]

MARK = "perfkit.system"
"""The key of the environ that holds the system; it tells an inner perfkit that this exchange is recorded already.

With a dot, as PEP 3333 has it: all other keys are CGI variables, whose values are texts.
"""

Hot: TypeAlias = "tuple[frozenset[str], Callable[[], list[Span] | None], PerformanceSystem]"

MAX_DEPTH = 20
"""Middlewares that are looked through for the app's own code."""


class PerfkitMiddleware:
    """Measures a WSGI app and answers perfkit's own paths. User code has the system in ``environ["perfkit.system"]``.

    An adapter for a framework with routes is a subclass that has `route_of`, and may know more than this of a result.

    Attributes:
        app: The app inside.
        record: Records an exchange of a kind that was learned.
    """

    adapter: ClassVar[str] = "wsgi"
    """The word under which internal errors are counted."""

    route_of: Callable[[Environ], str] | None = None
    """Called inside `start_response`; returns the full template of the route that answers, empty where none did."""

    record: Callable[[Hashable, float, list[Span] | None], bool]

    def __init__(self, app: WSGIApp, /, system: PerformanceSystem | None = None, **settings: Any) -> None:
        """Put perfkit around *app*.

        Args:
            app: Any WSGI app.
            system: A system of yours, which you stop; by default the middleware makes one and stops it.
            settings: Sections and keys, such as ``service="shop"`` or ``store={"retention": 86400}``.

        Raises:
            ConfigurationError: Some settings cannot be used; the message lists all of them.
        """
        self._surround(app, system, settings)

    def _surround(self, app: WSGIApp, system: PerformanceSystem | None, settings: Mapping[str, Any]) -> None:
        """Do what `__init__` does, for an adapter that has its own."""
        self.app = app
        self._attachment = Attachment(self.adapter, system=system, settings=settings)
        self._hot: Hot | None = None
        self._is_described = False

    @property
    def system(self) -> PerformanceSystem:
        """The system recorded into; made at the first exchange or when first asked for."""
        return self._attachment.system(self.look)

    def look(self) -> AppFacts:
        """Return what is known of the app; asked once, when the system is made."""
        return AppFacts(origin=_origin(self.app))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request to one of our own paths, or record what the app does with any other."""
        hot = self._hot
        if hot is None or MARK in environ:
            return self._rare(environ, start_response)
        ours, begin, system = hot
        if environ.get("PATH_INFO", "") in ours:
            answer = self._answer(environ, start_response)
            if answer is not None:
                return answer
        try:
            environ[MARK] = system
            spans = begin()
        except Exception as error:  # noqa: BLE001 - the app must be served whatever happens to us
            self.lose(error)
            return self.app(environ, start_response)
        exchange = Exchange(environ, start_response, self, spans, perf_counter())
        try:
            result = self.app(environ, exchange.start_response)
        except BaseException as error:
            exchange.fail(error)
            raise
        if (type(result) is list and len(result) == 1) or self.is_at_hand(result):
            exchange.finish()
            return result
        return followed(exchange, result)

    def is_at_hand(self, result: Any) -> bool:
        """Return True if *result* is known to hold a body of one piece, so that to hand it over is to hand over all."""
        return False

    def lose(self, error: Exception, spans: list[Span] | None = None, *, is_begun: bool = False) -> None:
        """Count and log the internal *error* that an exchange met, and end it if it *is_begun*."""
        self._attachment.lose(error, spans, is_begun=is_begun)

    def learn(self, key: tuple[str, str, str, str, str], start: float, spans: list[Span] | None) -> None:
        """Record an exchange of a kind that was not seen before: method, route, status line, scheme and error."""
        method, route, status, scheme, error = key
        instrumentation = self._attachment.instrumentation
        code = int(status[:3]) if status else 0
        known = instrumentation.learn(key, method=method, route=route, status=code, scheme=scheme, error=error)
        instrumentation.record(known, start, spans)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer a request to one of our own paths; None if it is refused or not ours: the app shall answer."""
        attachment, response = self._attachment, None
        with attachment.errors.guarded(self.adapter, "could not read a request"):
            response = attachment.respond(request_of(environ))
            if response is not None or attachment.holds_secret(environ.get("QUERY_STRING", "")):
                hide_token(environ)
        return None if response is None else send_response(response, start_response)

    def _rare(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Take the very first exchange, one now and then that is looked at, and those that an outer perfkit records."""
        attachment = self._attachment
        if MARK in environ or not attachment.attach(self.look):
            return self.app(environ, start_response)
        base = ""
        with attachment.errors.guarded(self.adapter, "could not tell the address"):
            base = base_url(environ)
        attachment.begin_serving(base)
        instrumentation = attachment.instrumentation
        self.record = instrumentation.record
        self._hot = (frozenset(map(as_sent, attachment.paths)), instrumentation.begin, instrumentation.system)
        if not self._is_described:
            self._is_described = True
            frames = (PerfkitMiddleware.__call__, Exchange.__iter__)
            instrumentation.system.loops.describe_with(describer(instrumentation.system, MARK, frames))
        with attachment.errors.guarded(self.adapter, "could not look how long a request waited"):
            instrumentation.queue_time.look(variable_of(environ))
            instrumentation.queue_time.watch(self, _cool)
        return self(environ, start_response)


def _cool(middleware: PerfkitMiddleware) -> None:
    """Have the next exchange of *middleware* be as the first: it is looked at."""
    middleware._hot = None


def _origin(app: object) -> str:
    """Return the file of the app's own code: the same in every worker, another in another app."""
    file = ""
    for _ in range(MAX_DEPTH):
        code = getattr(app, "__code__", None)
        file = code.co_filename if code else getattr(sys.modules.get(type(app).__module__), "__file__", None) or ""
        inner = getattr(app, "app", None) or getattr(app, "__wrapped__", None)
        if inner is None or (file and "site-packages" not in file):
            break
        app = inner
    return file

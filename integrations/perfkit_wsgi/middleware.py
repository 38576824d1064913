"""The middleware: one line around any WSGI app.

    app = PerfkitMiddleware(app)

An exchange is recorded when the last chunk of its answer is handed to the server, just before it is sent: what a client
got is counted, what the app does in `close` afterwards is not in the duration. Nothing is buffered, and `wsgi.input` is
not touched.

This is the hot path, so it is written for cost: what `Instrumentation.begin` and `record`, and `Exchange.finish`, do
stands here in full, which saves a sixth (CPython 3.11). Nothing in the right-hand side of an addition may be a call.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping
from inspect import iscoroutinefunction
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from perfkit.core.errors import ConfigurationError
from perfkit.core.spans import OPEN, PRODUCERS, set_exchange
from perfkit.core.spans import Exchange as Spans
from perfkit.http.attachment import AppFacts, Attachment
from perfkit.http.queueing import variable_of
from perfkit.http.recording.keeping import EVERY
from perfkit.store.exchanges import BOUNDS, IS_LOCKED, SUM, count_begun, count_ended
from perfkit.store.layout import FINISHED, STARTED
from perfkit_wsgi.answers import answered, as_sent, base_url
from perfkit_wsgi.bodies import followed
from perfkit_wsgi.exchange import Exchange
from perfkit_wsgi.keeping import asked, keep
from perfkit_wsgi.origin import origin
from perfkit_wsgi.reporting import surround
from perfkit_wsgi.sightings import describer
from perfkit_wsgi.types import Environ, StartResponse, WSGIApp

if TYPE_CHECKING:
    from perfkit.http.instrumentation import Offer, Record
    from perfkit.store import Row, Store
    from perfkit.system import PerformanceSystem

__all__ = ["PerfkitMiddleware"]

MARK = "perfkit.system"
"""The key of the environ that holds the system; it tells an inner perfkit that this exchange is recorded already.

With a dot, as PEP 3333 has it: all other keys are CGI variables, whose values are texts.
"""

Hot: TypeAlias = "tuple[frozenset[str], Store, dict[Hashable, Row], PerformanceSystem]"
"""What the hot path looks up at once: our own paths, the store, the series of the kinds of exchanges, the system."""

PROCEED: Any = object()
"""Stands for the answer to a request that is the app's to answer, and ours to measure."""


class PerfkitMiddleware:
    """Measures a WSGI app and answers perfkit's own paths. User code has the system in ``environ["perfkit.system"]``.

    An adapter for a framework with routes is a subclass that has `route_of`.

    Attributes:
        app: The app inside.
        record: Records an exchange of a kind that was learned; its key is method, route, status line and scheme, and
            the error where there is one.
    """

    adapter: ClassVar[str] = "wsgi"
    """The word under which internal errors are counted."""

    route_of: Callable[[Environ], str] | None = None
    """Called inside `start_response`; returns the full template of the route that answers, empty where none did."""

    record: Record

    def __init__(self, app: WSGIApp, /, system: PerformanceSystem | None = None, **settings: Any) -> None:
        """Put perfkit around *app*.

        Args:
            app: Any WSGI app.
            system: A system of yours, which you stop; by default the middleware makes one and stops it.
            settings: Sections and keys, such as ``service="shop"`` or ``store={"retention": 86400}``.

        Raises:
            ConfigurationError: Some settings cannot be used; the message lists all of them.
        """
        if iscoroutinefunction(app) or iscoroutinefunction(type(app).__call__):
            told = f"perfkit_wsgi was given {type(app).__name__}, an ASGI app. It must be a WSGI app. "
            raise ConfigurationError(told + "Use perfkit_asgi.PerfkitMiddleware.")
        self._surround(app, system, settings)

    def _surround(self, app: WSGIApp, system: PerformanceSystem | None, settings: Mapping[str, Any]) -> None:
        """Do what `__init__` does, for an adapter that has its own."""
        self.app = app
        self._attachment = Attachment(self.adapter, system=system, settings=settings)
        self._hot: Any = None  # a `Hot` while it serves; another thread may set or take it at any time
        self._parts: Any = None  # the same, never None once it was set: who looks now and then takes `_hot` away
        self._is_described = False

    @property
    def system(self) -> PerformanceSystem:
        """The system recorded into; made at the first exchange or when first asked for."""
        return self._attachment.system(self.look)

    def look(self) -> AppFacts:
        """Return what is known of the app; asked once, when the system is made."""
        return AppFacts(origin=origin(self.app))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request to one of our own paths, or record what the app does with any other."""
        hot: Any = self._hot
        try:
            if MARK in environ or environ["PATH_INFO"] in hot[0]:
                hot = None
        except (KeyError, TypeError):
            hot = None
        if hot is None:
            answer: Any = self.take_rare(environ, start_response)
            if answer is not PROCEED:
                return answer  # type: ignore[no-any-return]  # the app's own, or ours
            hot, start_response = asked(self._attachment, environ, start_response, self._parts)
        _, store, rows, system = hot
        try:
            if not store.is_open:
                self._attachment.instrumentation.ensure_started()
            spans: Spans | None = None
            if PRODUCERS:
                spans = [OPEN]
                set_exchange(spans)
            environ[MARK] = system
            if IS_LOCKED:
                count_begun(store)
            else:
                store.values[STARTED] += 1.0
        except Exception as error:  # noqa: BLE001 - the app must be served whatever happens to us
            self.lose(error)
            return self.app(environ, start_response)
        exchange = Exchange()
        exchange.environ, exchange.respond, exchange.middleware = environ, start_response, self
        exchange.spans, exchange.start = spans, perf_counter()
        try:
            result = self.app(environ, exchange.start_response)
        except BaseException as error:
            exchange.fail(error)
            raise
        if type(result) is not list or len(result) != 1:
            return followed(exchange, result)
        seconds = perf_counter() - exchange.start
        try:
            row = rows[environ["REQUEST_METHOD"], exchange.route, exchange.status, environ["wsgi.url_scheme"]]
        except (KeyError, TypeError):
            exchange.finish()
            return result
        exchange.is_recorded = True
        try:
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
                keep(self._attachment, environ, row, seconds, exchange.start, spans)
        except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            self.lose(error, spans, is_begun=True)
        return result

    def lose(self, error: Exception, spans: Spans | None = None, *, is_begun: bool = False) -> None:
        """Count and log the internal *error* that an exchange met, and end it if it *is_begun*."""
        self._attachment.lose(error, spans, is_begun=is_begun)

    def learn(self, key: tuple[str, ...], start: float, spans: Spans | None, offer: Offer) -> None:
        """Record an exchange of a kind that was not seen before: method, route, status line, scheme, error if any."""
        method, route, status, scheme, error = (*key, "")[:5]
        instrumentation = self._attachment.instrumentation
        code = int(status[:3]) if status else 0
        known = instrumentation.learn(key, method=method, route=route, status=code, scheme=scheme, error=error)
        instrumentation.record(known, start, spans, offer)

    def take_rare(self, environ: Environ, start_response: StartResponse) -> Any:
        """Take what is no plain request: the very first exchange and one now and then that is looked at, those that an
        outer perfkit records, those to our own paths. Return `PROCEED` if it is the app's, to be measured.
        """
        attachment = self._attachment
        if MARK in environ or not attachment.attach(self.look):
            return self.app(environ, start_response)
        if not self._hot:
            with attachment.first:  # who comes meanwhile must not get at the app that is not surrounded yet
                self._hot = self._hot or self._begin_serving(environ)
        is_ours = environ.get("PATH_INFO", "") in self._parts[0]
        answer = answered(attachment, environ, start_response) if is_ours else None
        return PROCEED if answer is None else answer

    def _begin_serving(self, environ: Environ) -> Hot:
        attachment, base = self._attachment, ""
        with attachment.errors.guarded(self.adapter, "could not tell the address"):
            base = base_url(environ)
        attachment.begin_serving(base)
        surround(self, attachment)
        recorder, self.record = attachment.instrumentation, attachment.instrumentation.record
        paths, rest = frozenset(map(as_sent, attachment.paths)), (recorder.system.store, recorder.rows, recorder.system)
        self._parts = (paths, *rest)
        if not self._is_described:
            self._is_described = True
            frames = (type(self).__call__, Exchange.__iter__)
            recorder.system.loops.describe_with(describer(recorder.system, MARK, frames))
        with attachment.errors.guarded(self.adapter, "could not look how long a request waited"):
            recorder.queue_time.look(variable_of(environ))
            recorder.queue_time.watch(self, _cool)
        return (EVERY if attachment.keeping.listens else paths, *rest)


def _cool(middleware: PerfkitMiddleware) -> None:
    """Have the next exchange of *middleware* be as the first: it is looked at."""
    middleware._hot = None

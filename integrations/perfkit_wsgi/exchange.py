"""One exchange: what the app's `start_response` is, and the iterable that the server gets in place of the app's.

It is recorded once: when the answer is whole by its Content-Length, else when the app has no more to give, else when
the server closes it. All of that is before the client can know that it has the whole answer, so what a client got is
counted. Nothing is buffered, every chunk is handed on as it comes.

It is made for each request, so it is an object without `__init__`: the hot path fills in what it knows, all else
stands in the class until it changes. Measured with CPython 3.11 within Flask, a struct of msgspec, a library of its own
that the processor has forgotten meanwhile, makes a request dearer by about 0.3 µs.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.core.spans import Exchange as Spans
from perfkit.http.attachment import error_name
from perfkit_wsgi.keeping import keep
from perfkit_wsgi.types import Environ, Headers, StartResponse, Write

if TYPE_CHECKING:
    from perfkit.store import Row
    from perfkit_wsgi.middleware import PerfkitMiddleware

__all__ = ["ERROR", "EXCEPTION", "ROUTE", "Exchange"]

ROUTE = "perfkit.route"
"""The key of the environ under which an adapter leaves the template of an exchange that will have no answer."""

ERROR = "perfkit.error"
"""The key of the environ under which an adapter leaves the name of the exception that made the answer a 5xx."""

EXCEPTION = "perfkit.exception"
"""The key of the environ under which an adapter leaves that exception itself, until it is recorded."""

REQUIRED = frozenset({"REQUEST_METHOD", "wsgi.url_scheme"})
"""What PEP 3333 has every server give. A test of an app may leave it out, and apps answer all the same."""


class Exchange:
    """One exchange of one middleware. Not thread-safe: one thread at a time serves it.

    Attributes:
        environ, respond, middleware, spans, start: Set by who makes it; `respond` is the server's `start_response`.
        status: The status line, empty before the app has given it.
        result: What the app returned.
        first: `time.perf_counter` of the first chunk of a stream.
        error: The exception that ended it, for as long as it takes to record that.
        is_sent: True once the server has sent the headers; an exception then cannot change the status any more.
    """

    environ: Environ
    respond: StartResponse
    middleware: PerfkitMiddleware
    spans: Spans | None
    start: float
    status: str = ""
    headers: Headers | None = None
    route: str = ""
    result: Any = None
    server_write: Write | None = None
    written: int = 0
    is_sent: bool = False
    is_gone: bool = False
    is_recorded: bool = False
    first: float = 0.0
    error: BaseException | None = None

    def start_response(self, status: str, headers: Headers, exc_info: Any = None, /) -> Write:
        """Pass the start of the answer on; given again after an error the later status counts, if it is accepted."""
        respond = self.respond
        self.server_write = respond(status, headers) if exc_info is None else respond(status, headers, exc_info)
        self.status, self.headers = status, headers
        route_of = self.middleware.route_of
        if route_of is not None:
            try:
                self.route = route_of(self.environ)
            except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
                self.middleware.lose(error)
        return self.write

    def write(self, data: bytes) -> object:
        """Pass *data* on to the server's `write`; an error of the socket means that the client is gone."""
        if data:
            self.is_sent, self.written = True, self.written + len(data)
        try:
            return self.server_write(data)  # type: ignore[misc]  # a server that gives no `write` fails as without us
        except OSError:
            self.is_gone = True
            raise

    def __iter__(self) -> Iterator[bytes]:
        """Give the app's chunks, once."""
        left: float | None = None
        try:
            for chunk in self.result:
                if not self.is_recorded:
                    try:
                        left = (self._length() if left is None else left) - len(chunk)
                        if left <= 0:
                            self.finish()
                        elif chunk:
                            self.is_sent = True
                            self.first = self.first or perf_counter()
                    except Exception as error:  # noqa: BLE001 - what is no bytes is for the server to refuse
                        self.middleware.lose(error)
                yield chunk
        except GeneratorExit:
            self.leave()
            raise
        except BaseException as error:
            self.fail(error)
            raise
        if not self.is_recorded:
            self.end(left)

    def close(self) -> None:
        """Record what the server did not take to its end, then pass the call on to the app's iterable."""
        if not self.is_recorded:
            self.leave()
        close = getattr(self.result, "close", None)
        if close is not None:
            close()

    def finish(self) -> None:
        """Record a whole answer; the exchange must not be recorded yet."""
        status, environ, middleware = self.status, self.environ, self.middleware
        if not status:
            self._break_off("500", "no_response")
            return
        self.is_recorded = True
        try:
            key: tuple[str, ...] = (environ["REQUEST_METHOD"], self.route, status, environ["wsgi.url_scheme"])
            if status >= "5" and ERROR in environ:
                key, self.error = (*key, environ[ERROR]), environ.pop(EXCEPTION, None)
            if not middleware.record(key, self.start, self.spans, self.offer):
                middleware.learn(key, self.start, self.spans, self.offer)
            self.error = None
        except Exception as failure:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            if environ.keys() >= REQUIRED:
                middleware.lose(failure, self.spans, is_begun=True)
            else:
                self._break_off(status, "")

    def end(self, left: float | None) -> None:
        """Record a body that ended *left* bytes before the announced length, if any. It must not be recorded yet."""
        if left is None:
            left = self._length()
        if 0 < left < inf and not self._is_bodiless():
            self._break_off(self.status, "incomplete_response")
        else:
            self.finish()

    def leave(self) -> None:
        """Record that the server takes no more: the client is gone, unless the answer has no body anyway."""
        if self.is_recorded:
            return
        if self.status and self._is_bodiless():
            self.finish()
        else:
            self._break_off(self.status, CLIENT_DISCONNECTED)

    def fail(self, error: BaseException) -> None:
        """Record that the app raised *error*; as long as nothing is sent the server makes a 500 of it."""
        if self.is_recorded:
            return
        if self.is_gone:
            self._break_off(self.status, CLIENT_DISCONNECTED)
        else:
            self._break_off(self.status if self.is_sent else "500", error)

    def _break_off(self, status: str, error: str | BaseException) -> None:
        """Record an answer that is not whole; *status* is empty where none was sent."""
        self.is_recorded = True
        environ = self.environ
        try:
            name, noted = error if isinstance(error, str) else error_name(error), environ.pop(EXCEPTION, None)
            route = self.route or environ.get(ROUTE, "")
            key = (environ.get("REQUEST_METHOD", ""), route, status, environ.get("wsgi.url_scheme", ""), name)
            self.error = noted if isinstance(error, str) else error
            self.middleware.learn(key, self.start, self.spans, self.offer)
            self.error = None
        except Exception as failure:  # noqa: BLE001 - the app's own error must come through
            self.middleware.lose(failure, self.spans, is_begun=True)

    def offer(self, row: Row, seconds: float) -> None:
        """Offer what was recorded to be kept."""
        keep(
            self.middleware._attachment,
            self.environ,
            row,
            seconds,
            self.start,
            self.spans,
            first=self.first,
            error=self.error,
        )

    def _length(self) -> float:
        """Return how many bytes that the app has announced are still to come; infinity if it did not say."""
        try:
            for name, value in self.headers or ():
                if name == "Content-Length" or (len(name) == 14 and name.lower() == "content-length"):
                    return int(value) - self.written
        except (TypeError, ValueError):
            pass  # what is no list of headers, or no number, is between the app and the server
        return inf

    def _is_bodiless(self) -> bool:
        return self.environ["REQUEST_METHOD"] == "HEAD" or self.status[:3] in ("204", "304") or self.status[:1] == "1"

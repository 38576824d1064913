"""What comes back from a server, byte by byte: one strict parser for each answer.

Once the head is there, a body of known length needs no parser: its pieces are passed on as they were read, which spares
the copy that costs most of a large answer.

httptools (llhttp, in its strict mode) refuses bare line feeds, folded lines, lengths said twice or beside a coding and
control characters. What it lets through and we do not is refused here: a coding other than ``chunked``, a coding in
HTTP/1.0, heads without bound, an endless row of interim answers, an upgrade that nobody asked for. Source: RFC 9112,
section 6.3, for where a body ends.
"""

from __future__ import annotations

from typing import Any

from perfkit.core.errors import MissingDependencyError
from perfkit.load_balancer.proxy.faults import UpstreamBroken
from perfkit.load_balancer.proxy.inspection import Headers, is_field_value, is_length, is_token
from perfkit.load_balancer.proxy.options import ProxyOptions

__all__ = ["Answer", "parser_type"]

MOST_INTERIM = 16
NO_BODY_STATUSES = frozenset({204, 205, 304})


def parser_type() -> Any:
    """Return the parser's class.

    Raises:
        MissingDependencyError: httptools is not installed.
    """
    try:
        import httptools
    except ImportError:
        raise MissingDependencyError("httptools", extra="proxy", wanted_by="The proxy") from None
    return httptools.HttpResponseParser


class Answer:
    """One answer as far as it has come. Made for one request, fed by its connection.

    Attributes:
        status: Of the final answer; 0 while there is none.
        headers: As they came, lower-case names.
        trailers: Of a chunked body.
        left: Bytes of a body of known length that are still to come, once its head is there.
        interim: Interim answers that wait to be passed on: status and headers.
        is_continued: The server said that it wants the body.
        has_head, is_complete: What has come.
        until_close: The body ends with the connection.
        may_keep: Whether the connection can take another request afterwards.
        has_begun: Whether any byte has come.
    """

    __slots__ = (
        "_body_size",
        "_interim_left",
        "_is_head_request",
        "_length",
        "_options",
        "_parser",
        "_size",
        "chunks",
        "has_begun",
        "has_head",
        "has_length",
        "headers",
        "interim",
        "is_complete",
        "is_continued",
        "left",
        "may_keep",
        "size",
        "status",
        "trailers",
        "until_close",
    )

    def __init__(self, parser: Any, options: ProxyOptions, *, is_head_request: bool) -> None:
        """Wait for an answer; the answer to HEAD has no body whatever its headers say."""
        self._parser = parser(self)
        self._options, self._is_head_request = options, is_head_request
        self.status = 0
        self.headers: Headers = []
        self.trailers: Headers = []
        self.interim: list[tuple[int, Headers]] = []
        self.is_continued = self.has_head = self.is_complete = self.until_close = self.has_begun = False
        self.has_length = False
        self.may_keep = True
        self.chunks: list[bytes] = []
        self.size = 0
        self._size, self._interim_left = 0, MOST_INTERIM
        self._length: int | None = None
        self._body_size = self.left = 0

    def feed(self, data: bytes) -> None:
        """Take *data*.

        Raises:
            UpstreamBroken: It is no answer.
        """
        self.has_begun = True
        if self.is_complete:
            self.may_keep = False
            return
        if self.left:
            self._take_plain(data)
            return
        try:
            self._parser.feed_data(data)
        except UpstreamBroken:
            raise
        except Exception as error:
            cause = error.__context__
            if isinstance(cause, UpstreamBroken):
                raise cause from None
            raise UpstreamBroken(f"what came is no answer: {error}") from error

        if self._length is not None and self.has_head and not self.is_complete:
            self.left = self._length - self._body_size

    def _take_plain(self, data: bytes) -> None:
        """Take a piece of a body of known length; what comes after that end was never asked for."""
        left = self.left
        if len(data) > left:
            self.may_keep = False
            data = data[:left]
        self.chunks.append(data)
        self.size += len(data)
        self.left = left - len(data)
        self.is_complete = not self.left

    def end(self) -> bool:
        """Take the end of the connection; return whether the answer is whole."""
        if self.has_head and self.until_close:
            self.is_complete = True
        return self.is_complete

    def let_go(self) -> None:
        """Be done: it and its parser hold each other, and would wait for the garbage collector."""
        self._parser = None

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        chunks = self.chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.size = 0
        return body

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or one of the trailer section."""
        self._size += len(name) + len(value) + 4
        target = self.trailers if self.has_head else self.headers
        if self._size > self._options.max_header_bytes or len(target) >= self._options.max_headers:
            raise UpstreamBroken("the head of the answer is too large")
        if not is_token(name) or not is_field_value(value):
            raise UpstreamBroken("a header of the answer cannot be")
        if not self.is_complete:
            target.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Take the end of a head."""
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._take_interim(status)
            return
        self.status = status
        self._frame(self._parser.get_http_version())
        self.has_head = True
        if self._is_head_request or status in NO_BODY_STATUSES:
            self.is_complete = True

    def _frame(self, version: str) -> None:
        codings, lengths = [], []
        for name, value in self.headers:
            if name == b"content-length":
                lengths.append(value)
            elif name == b"transfer-encoding":
                codings.append(value.strip(b" \t").lower())
        if codings and (version != "1.1" or codings != [b"chunked"] or lengths):
            raise UpstreamBroken("the transfer coding of the answer is not known")
        if len(lengths) > 1 or not all(is_length(value.strip(b" \t")) for value in lengths):
            raise UpstreamBroken("the length of the answer is not clear")
        self._length = int(lengths[0]) if lengths else None
        self.has_length = bool(lengths)
        self.until_close = not codings and not lengths
        self.may_keep = self._parser.should_keep_alive() and not self.until_close
        if self._is_head_request or self.status in NO_BODY_STATUSES:
            tokens = [value.lower() for name, value in self.headers if name == b"connection"]
            self.may_keep = version == "1.1" and not any(b"close" in each for each in tokens)
            self.until_close = False

    def _take_interim(self, status: int) -> None:
        self._interim_left -= 1
        if status == 101 or self._interim_left <= 0:
            raise UpstreamBroken("the server changed the protocol, or never came to its answer")
        if status == 100:
            self.is_continued = True
        else:
            self.interim.append((status, self.headers))
        self.headers = []

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.is_complete:
            self.may_keep = False
            return
        self.chunks.append(data)
        self.size += len(data)
        self._body_size += len(data)

    def on_message_complete(self) -> None:
        """Take the end of an answer."""
        if self.has_head:
            self.is_complete = True

    def on_message_begin(self) -> None:
        """Take the beginning of an answer: a second one was never asked for."""
        if self.is_complete:
            self.may_keep = False

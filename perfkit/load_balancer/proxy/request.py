"""One request as it goes to a server: checked, cleaned, and written by us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from perfkit.load_balancer.proxy.faults import ClientGone, Refused
from perfkit.load_balancer.proxy.headers import DEADLINE_HEADER, Trust, outbound_headers
from perfkit.load_balancer.proxy.inspection import framing_of, host_of, method_of, target_of
from perfkit.load_balancer.proxy.options import ProxyOptions
from perfkit.load_balancer.proxy.patience import Patience
from perfkit.load_balancer.resilience.deadline import read_headers
from perfkit.load_balancer.servers import Server

__all__ = ["Outbound", "Receive", "Send"]

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"QUERY"})
"""RFC 9110, section 9.2.2; TRACE is not passed on at all."""

MOST_PIECES = 16
"""Pieces of a body that are written as they came; more are joined."""


class Outbound:
    """A request that may go out, perhaps more than once.

    Attributes:
        method: As it came.
        framing: How its body ended where it came from.
        pieces: The body where it was read before; the first piece where the rest is streamed.
        is_streamed: More of the body is to come from the client.
        timeout: Seconds that the whole exchange has; None is no bound.
    """

    __slots__ = (
        "_headers",
        "_host",
        "_line",
        "_options",
        "_received",
        "framing",
        "is_streamed",
        "method",
        "pieces",
        "timeout",
    )

    def __init__(self, scope: Any, trust: Trust, options: ProxyOptions) -> None:
        """Check the request of *scope*.

        Raises:
            Refused: It is not passed on.
        """
        version = str(scope.get("http_version", "1.1"))
        headers = scope["headers"]
        self._options = options
        self.framing = framing_of(headers, version, options)
        self.method = method_of(scope)
        target = target_of(scope, options)
        client_host = host_of(headers, version, options)
        cleaned = outbound_headers(scope, client_host, trust, options)
        self._headers = b"".join([b"%b: %b\r\n" % pair for pair in cleaned])
        self._line = b"%b %b HTTP/1.1\r\n" % (self.method, target)
        self._host = client_host if options.preserve_host else b""
        self.pieces: list[bytes] = []
        self.is_streamed = self.framing.has_body
        self._received = 0
        self.timeout = _timeout(scope, trust, options)

    @property
    def is_replayable(self) -> bool:
        """Whether it may be done twice, and can be sent twice."""
        return not self.is_streamed and self.method in IDEMPOTENT

    def beginning_for(self, server: Server, left: float | None) -> list[bytes]:
        """Return what is written first to *server*: the head, and the body as far as it was read before."""
        host = self._host or server.address.encode("ascii")
        if self.is_streamed:
            framing = (
                b"transfer-encoding: chunked\r\n"
                if self.framing.length is None
                else b"content-length: %d\r\n" % self.framing.length
            )
            if self.framing.expects_continue:
                framing += b"expect: 100-continue\r\n"
        elif self.framing.has_body or self.method in (b"POST", b"PUT", b"PATCH"):
            framing = b"content-length: %d\r\n" % self._received
        else:
            framing = b""
        if left is not None:
            framing += b"%b: %d\r\n" % (DEADLINE_HEADER, int(left * 1000.0))
        head = b"%bhost: %b\r\n%b%b\r\n" % (self._line, host, self._headers, framing)
        if self.is_streamed and self.framing.length is None:
            return [head, *map(self.framed, self.pieces)]
        return [head, *self.pieces]

    async def read_ahead(self, receive: Receive, patience: Patience) -> None:
        """Read the body where it is small, or almost here at once: it can be sent again then, and at once.

        All of it may take as long as *patience* has.

        Raises:
            ClientGone: The client left.
            Refused: The body is not what its headers say, or takes too long.
        """
        framing = self.framing
        if not framing.has_body or framing.expects_continue:
            return
        length, pieces = framing.length, self.pieces
        try:
            with patience.wait():
                while True:
                    piece, more = await self.receive_piece(receive)
                    if piece:
                        pieces.append(piece)
                    if not more or length is None or length - self._received > self._options.replay_bytes:
                        break
        except TimeoutError:
            raise Refused(408, "the body did not come in time") from None
        if len(pieces) > MOST_PIECES:
            self.pieces = [b"".join(pieces)]
        self.is_streamed = more

    async def receive_piece(self, receive: Receive) -> tuple[bytes, bool]:
        """Return the next piece of the body, and whether there are more."""
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone("the client left before its request was whole")
        piece: bytes = message.get("body", b"")
        more = bool(message.get("more_body", False))
        self._received += len(piece)
        length = self.framing.length
        if self._received > self._options.max_body_bytes:
            raise Refused(413, "the body is too large")
        if length is not None and (self._received > length or (not more and self._received != length)):
            raise Refused(400, "the body is not as long as it says")
        return piece, more

    def framed(self, piece: bytes) -> bytes:
        """Return *piece* of a streamed body as it is written."""
        if self.framing.length is not None or not piece:
            return piece
        return b"%x\r\n%b\r\n" % (len(piece), piece)

    @property
    def end(self) -> bytes:
        """What is written after a streamed body."""
        return b"" if self.framing.length is not None else b"0\r\n\r\n"


def _timeout(scope: Any, trust: Trust, options: ProxyOptions) -> float | None:
    bound = options.total_timeout or None
    client = scope.get("client")
    if client and trust(str(client[0])):
        for name, value in scope["headers"]:
            if name == DEADLINE_HEADER:
                given = read_headers({DEADLINE_HEADER.decode(): value.decode("latin-1")})
                if given is not None:
                    return given if bound is None else min(bound, given)
    return bound

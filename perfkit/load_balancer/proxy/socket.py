"""The WebSocket to a server: bytes by asyncio, frames by the package websockets, without its network.

Its client would follow redirects and proxies of the environment, and so ask others than the balancer's servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from perfkit.core.errors import MissingDependencyError
from perfkit.load_balancer.proxy.faults import ConnectFailed, TooSlow, UpstreamBroken, UpstreamFault
from perfkit.load_balancer.proxy.inspection import Headers
from perfkit.load_balancer.proxy.options import ProxyOptions
from perfkit.load_balancer.servers import Server

__all__ = ["HandshakeRefused", "Socket"]

LARGEST_MESSAGE = 16 * 1024 * 1024
NOT_SENT = frozenset({1005, 1006, 1015})
"""Codes that stand for a close without a code; they are never on the wire (RFC 6455, section 7.4.1)."""


class HandshakeRefused(UpstreamFault):
    """The server answered the handshake with an ordinary answer."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        """Keep the answer, which goes to the client."""
        super().__init__(f"the server refused the WebSocket with {status}")
        self.status, self.headers, self.body = status, headers, body


class Socket:
    """A WebSocket to a server, open. Iterate over its messages.

    Attributes:
        headers: Of the server's answer to the handshake.
        subprotocol: What the server chose; None for none.
        was_closed: The server closed it as one should.
    """

    def __init__(self, protocol: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._protocol, self._reader, self._writer = protocol, reader, writer
        self.headers: Headers = []
        self.was_closed = False
        self._early: list[Any] = []

    @classmethod
    async def connect(
        cls,
        server: Server,
        target: bytes,
        host: bytes,
        headers: Headers,
        options: ProxyOptions,
        *,
        subprotocols: tuple[str, ...],
    ) -> Socket:
        """Open one to *server*.

        Raises:
            ConnectFailed: The server cannot be reached.
            HandshakeRefused: It answered with something else.
            UpstreamFault: It took too long, or what it sent is no handshake.
        """
        protocol = _protocol(server, target, subprotocols)
        tls = options.tls
        try:
            async with asyncio.timeout(options.connect_timeout):
                reader, writer = await asyncio.open_connection(
                    server.host,
                    server.port or (443 if tls else 80),
                    ssl=tls,
                    server_hostname=server.host if tls else None,
                )
        except (OSError, TimeoutError) as error:
            raise ConnectFailed(f"no connection: {type(error).__name__}") from error
        socket = cls(protocol, reader, writer)
        try:
            async with asyncio.timeout(options.response_timeout):
                await socket._shake_hands(host, headers)
        except TimeoutError:
            socket.abort()
            raise TooSlow("the handshake took too long") from None
        except BaseException:
            socket.abort()
            raise
        return socket

    @property
    def subprotocol(self) -> str | None:
        """What the server chose; None for none."""
        chosen: str | None = self._protocol.subprotocol
        return chosen

    @property
    def close_code(self) -> int:
        """With what it was closed: 1000 where the server gave none, 1011 where it just left."""
        closed = self._protocol.close_rcvd
        if closed is None:
            return 1011
        return 1000 if closed.code in NOT_SENT else int(closed.code)

    @property
    def close_reason(self) -> str:
        """The server's reason."""
        closed = self._protocol.close_rcvd
        return "" if closed is None else str(closed.reason)

    async def _shake_hands(self, host: bytes, headers: Headers) -> None:
        request = self._protocol.connect()
        if host:
            del request.headers["Host"]
            request.headers["Host"] = host.decode("ascii")
        for name, value in headers:
            request.headers[name.decode("ascii")] = value.decode("latin-1")
        self._protocol.send_request(request)
        await self._flush()
        while not (events := await self._more()):
            if self._protocol.handshake_exc is not None:
                raise UpstreamBroken("the answer to the handshake is none")
        response = events[0]
        found = [
            (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.headers.raw_items()
        ]
        if response.status_code != 101:
            raise HandshakeRefused(response.status_code, found, bytes(response.body or b""))
        if self._protocol.handshake_exc is not None:
            raise UpstreamBroken("the answer to the handshake is none")
        self.headers = found
        self._early = events[1:]

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield whole messages until it is closed."""
        from websockets.frames import Opcode

        frames, parts, is_text = self._early, [], False
        while True:
            for frame in frames:
                if frame.opcode is Opcode.CLOSE:
                    self.was_closed = True
                    return
                if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                    parts, is_text = [bytes(frame.data)], frame.opcode is Opcode.TEXT
                elif frame.opcode is Opcode.CONT:
                    parts.append(bytes(frame.data))
                else:
                    continue
                if frame.fin:
                    whole = b"".join(parts)
                    yield _text_of(whole) if is_text else whole
            if self._reader.at_eof():
                return
            frames = await self._more()

    async def send(self, message: str | bytes) -> None:
        """Send one message; wait while the server takes nothing."""
        try:
            if isinstance(message, str):
                self._protocol.send_text(message.encode())
            else:
                self._protocol.send_binary(message)
        except Exception as error:
            raise UpstreamBroken("the server has closed the WebSocket") from error
        await self._flush()

    async def close(self, code: int, reason: str) -> None:
        """Close it with *code* and *reason*; one that is closed already stays so."""
        from websockets.protocol import State

        if self._protocol.state is not State.OPEN:
            return
        if code == 1006:
            code = 1001
        if code in NOT_SENT:
            self._protocol.send_close()
        else:
            self._protocol.send_close(code, reason[:100])
        await self._flush()
        self._writer.close()

    def abort(self) -> None:
        """End the connection."""
        self._writer.close()

    async def _more(self) -> list[Any]:
        """Read once; return what came of it."""
        try:
            data = await self._reader.read(65_536)
        except OSError as error:
            raise UpstreamBroken("the connection to the server broke") from error
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        await self._flush()
        events: list[Any] = self._protocol.events_received()
        if not data and not events and not self._protocol.close_rcvd:
            raise UpstreamBroken("the server closed the connection without a word")
        return events

    async def _flush(self) -> None:
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise UpstreamBroken("the connection to the server broke") from error


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UpstreamBroken("a text of the server is none") from error


def _protocol(server: Server, target: bytes, subprotocols: tuple[str, ...]) -> Any:
    try:
        from websockets.client import ClientProtocol
        from websockets.typing import Subprotocol
        from websockets.uri import parse_uri
    except ImportError:
        raise MissingDependencyError("websockets", extra="proxy", wanted_by="A WebSocket through the proxy") from None
    uri = parse_uri(f"ws://{server.address}/")
    path, _, query = target.decode("ascii").partition("?")
    uri.path, uri.query = path, query
    return ClientProtocol(
        uri, subprotocols=[Subprotocol(each) for each in subprotocols] or None, max_size=LARGEST_MESSAGE
    )

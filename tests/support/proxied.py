"""A proxy between two ends that say what a test wants: raw bytes to it, and raw bytes from the server behind."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from perfkit.load_balancer import LoadBalancer
from perfkit.load_balancer.proxy import Proxy

__all__ = ["OK", "Behind", "behind", "exchange", "fronted", "proxy_to", "settled"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[["Behind", bytes, asyncio.StreamWriter], Awaitable[None]]


class Behind:
    """A server behind the proxy.

    Attributes:
        requests: Each request as it came, head and body.
        connections: How many were opened.
    """

    def __init__(self, answer: bytes | Script) -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                place = len(self.requests)
                self.requests.append(head)
                if b"expect: 100-continue" not in head:
                    self.requests[place] += await _body(head, reader)
                await self._reply(self.requests[place], writer)
                if b"expect: 100-continue" in head:
                    self.requests[place] += await _body(head, reader)
                    writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the proxy or the test closed it, which tests see by `ended`
        finally:
            self.ended.set()
            writer.close()

    async def _reply(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._answer, bytes):
            writer.write(self._answer)
            await writer.drain()
        else:
            await self._answer(self, request, writer)


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    if length:
        return await reader.readexactly(int(length[1]))
    if b"\r\ntransfer-encoding: chunked" not in head:
        return b""
    whole = b""
    while True:
        size = await reader.readuntil(b"\r\n")
        rest = await reader.readexactly(int(size, 16) + 2)
        whole += size + rest
        if size == b"0\r\n":
            return whole


@contextlib.asynccontextmanager
async def behind(answer: bytes | Script = OK) -> AsyncIterator[Behind]:
    """Run a server that answers each request with *answer*, or as it does."""
    end = Behind(answer)
    server = await asyncio.start_server(end.serve, "127.0.0.1", 0, limit=1 << 20)
    end.port = server.sockets[0].getsockname()[1]
    try:
        yield end
    finally:
        server.close()


def proxy_to(*ends: Behind | int, balancer: LoadBalancer | None = None, **options: Any) -> Proxy:
    """Return a proxy to *ends*, or to ports."""
    balancer = balancer or LoadBalancer("round_robin", slow_start=0)
    for place, end in enumerate(ends):
        balancer.add_server(f"s{place}", host="127.0.0.1", port=end if isinstance(end, int) else end.port)
    return Proxy(balancer, **options)


@contextlib.asynccontextmanager
async def fronted(app: Any, *, http: str = "httptools", ws: str = "websockets-sansio") -> AsyncIterator[int]:
    """Run *app* under uvicorn in this loop, yield its port."""
    import uvicorn

    class Quiet(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=http, ws=ws, lifespan="off", log_config=None, log_level="critical", proxy_headers=False,
        server_header=False, date_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = Quiet(config)
    task = asyncio.create_task(server.serve([holder]))
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        yield int(holder.getsockname()[1])
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
        holder.close()
        close = getattr(app, "close", None)
        if close is not None:
            close()


async def exchange(port: int, request: bytes, *, patience: float = 30.0) -> bytes:
    """Send *request*, say that no more comes, and return all that comes back until the other end closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    received = b""
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
            async with asyncio.timeout(patience):
                while piece := await reader.read(65536):
                    received += piece
    finally:
        writer.close()
    return received


async def settled(ask: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until *ask* returns something true."""
    async with asyncio.timeout(seconds):
        while not ask():  # noqa: ASYNC110 - whatever is asked has none
            await asyncio.sleep(0.005)

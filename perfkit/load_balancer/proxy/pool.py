"""The connections to the servers: kept for a while, bounded, the last one used first."""

from __future__ import annotations

import asyncio
from collections import deque

from perfkit.load_balancer.proxy.connection import Connection
from perfkit.load_balancer.proxy.faults import ConnectFailed, Refused
from perfkit.load_balancer.proxy.options import ProxyOptions
from perfkit.load_balancer.proxy.patience import Patience
from perfkit.load_balancer.proxy.response import parser_type
from perfkit.load_balancer.servers import Server

__all__ = ["Pool"]


SPARED_BYTES = 8 * 1024 * 1024
"""What is allocated and freed once, see `_spare_memory`."""


class Upstream:
    """The connections to one address.

    Attributes:
        idle: Connections that wait for a request, the longest idle first.
        count: Connections open or being opened.
        waiters: Exchanges that wait for one.
    """

    __slots__ = ("count", "idle", "waiters")

    def __init__(self) -> None:
        """Begin without any."""
        self.idle: deque[Connection] = deque()
        self.count = 0
        self.waiters: deque[asyncio.Future[None]] = deque()


class Pool:
    """All connections of a proxy in one loop.

    Attributes:
        patience: Bounds how long a client may take for one piece of a body, either way.
    """

    def __init__(self, options: ProxyOptions) -> None:
        """Begin without any.

        Raises:
            MissingDependencyError: httptools is not installed.
        """
        self._options, self._parser = options, parser_type()
        self._loop = asyncio.get_running_loop()
        self.patience = Patience(self._loop, options.idle_timeout)
        self._upstreams: dict[tuple[str, int], Upstream] = {}
        self._sweep: asyncio.TimerHandle | None = None
        _spare_memory()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which it lives."""
        return self._loop

    @property
    def open_connections(self) -> int:
        """Connections that are open or being opened, to all servers."""
        return sum(upstream.count for upstream in self._upstreams.values())

    async def take(self, server: Server, *, fresh: bool = False) -> Connection:
        """Return a connection to *server*; with *fresh* one that no request has used.

        Raises:
            ConnectFailed: There is none to be had in time.
        """
        address = (server.host, server.port or (443 if self._options.tls is not None else 80))
        upstream = self._upstreams.get(address)
        if upstream is None:
            upstream = self._upstreams[address] = Upstream()
        oldest = self._loop.time() - self._options.keep_alive
        idle = upstream.idle
        while idle and not fresh:
            connection = idle.pop()
            if connection.is_usable and connection.idle_since > oldest:
                return connection
            self._drop(upstream, connection)
        if upstream.count >= self._options.max_connections:
            if idle:
                self._drop(upstream, idle.popleft())
            else:
                await self._queue(upstream)
                return await self.take(server, fresh=fresh)
        return await self._connect(upstream, address)

    async def _connect(self, upstream: Upstream, address: tuple[str, int]) -> Connection:
        upstream.count += 1
        connection = Connection(self._loop, self._parser, self._options)
        tls = self._options.tls
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                await self._loop.create_connection(
                    lambda: connection, *address, ssl=tls, server_hostname=address[0] if tls is not None else None
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            self._left(upstream)
            raise ConnectFailed(f"no connection: {type(error).__name__}") from error
        except BaseException:
            self._left(upstream)
            raise
        return connection

    async def _queue(self, upstream: Upstream) -> None:
        waiters = upstream.waiters
        if len(waiters) >= 10 * self._options.max_connections:
            raise Refused(503, "too many requests wait for this server")
        waiter = self._loop.create_future()
        waiters.append(waiter)
        is_woken = False
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                await waiter
            is_woken = True
        except TimeoutError:
            raise ConnectFailed("no connection became free") from None
        finally:
            if waiter in waiters:
                waiters.remove(waiter)
            elif not is_woken and not waiter.cancelled():
                # It was its turn at the very moment in which it gave up: it is the next one's.
                _wake_one(upstream)

    def give_back(self, server: Server, connection: Connection) -> None:
        """Keep *connection* for the next request, if it can take one."""
        address = (server.host, server.port or (443 if self._options.tls is not None else 80))
        upstream = self._upstreams[address]
        if connection.release(self._loop.time()) and self._options.keep_alive > 0:
            upstream.idle.append(connection)
            if self._sweep is None:
                self._sweep = self._loop.call_later(self._options.keep_alive, self._close_idle)
            _wake_one(upstream)
        else:
            self._drop(upstream, connection)

    def close(self) -> None:
        """Close what is idle; what works closes when it ends."""
        self.patience.stop()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for upstream in self._upstreams.values():
            while upstream.idle:
                self._drop(upstream, upstream.idle.popleft())

    def _close_idle(self) -> None:
        self._sweep = None
        oldest = self._loop.time() - self._options.keep_alive
        waits = False
        for address, upstream in list(self._upstreams.items()):
            idle = upstream.idle
            while idle and (idle[0].idle_since <= oldest or not idle[0].is_usable):
                self._drop(upstream, idle.popleft())
            waits = waits or bool(idle)
            if not upstream.count and not upstream.waiters:
                del self._upstreams[address]
        if waits:
            self._sweep = self._loop.call_later(max(0.05, self._options.keep_alive / 2), self._close_idle)

    def _drop(self, upstream: Upstream, connection: Connection) -> None:
        connection.abort()
        self._left(upstream)

    def _left(self, upstream: Upstream) -> None:
        upstream.count -= 1
        _wake_one(upstream)


def _spare_memory() -> None:
    """Have the C library keep memory that is freed, so that it need not be got again for each piece of a body.

    glibc gives free memory above 128 KiB back to the system at once, until something larger was freed: then it keeps
    up to twice as much (mallopt(3), "dynamic mmap threshold"). The pages are never touched, so this takes nothing;
    answers of 256 KiB cost 40 % less afterwards. Other C libraries are as they were.
    """
    bytes(SPARED_BYTES)


def _wake_one(upstream: Upstream) -> None:
    waiters = upstream.waiters
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            return

"""Connections to the server by redis-py: one pool for all threads, one for each event loop.

redis-py parses the URL, connects, signs in and speaks the protocol. The pools are ours, as a call may wait only as long
as its time allows, whatever it waits for. A connection that failed, or whose reader left in the middle, is never used
again. Each says on which run of the server it ended up.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from perfkit.core.errors import ConfigurationError, MissingDependencyError

__all__ = ["AsyncPool", "BusyError", "Connections", "SyncPool", "server_of"]

INFO = ("INFO", "server")

SHORTEST = 0.001
"""Seconds that one step may take at least; a time-out of 0 would be none."""


class BusyError(Exception):
    """All connections are in use; says nothing about the server."""


class Connections:
    """Makes connections to *url*.

    Attributes:
        shown: The server's address without its secrets.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        """Read *url*; nothing connects yet.

        Raises:
            MissingDependencyError: redis-py is not installed.
            ConfigurationError: The URL cannot be used; the message does not show it.
        """
        try:
            import redis
            import redis.asyncio
        except ImportError as error:
            raise MissingDependencyError("redis", extra="redis", wanted_by="cache.redis_url") from error
        url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        try:
            self._threads = redis.ConnectionPool.from_url(url, **_options(timeout / 2.0, redis.retry.Retry))
            # In a loop the whole call has its time, whatever it is spent on.
            self._loops = redis.asyncio.ConnectionPool.from_url(url, **_options(None, redis.asyncio.retry.Retry))
        except (ValueError, TypeError, redis.RedisError) as error:
            raise ConfigurationError(
                "cache.redis_url cannot be used. It must be a URL that redis-py understands, such as "
                "redis://localhost:6379/0. Correct it."
            ) from error
        errors = redis.exceptions
        self._refusal = errors.ResponseError
        # Who says so is not the server to ask: a replica, one that is still loading, one that does not know us.
        self._fatal = (
            errors.ReadOnlyError,
            errors.BusyLoadingError,
            errors.AuthenticationError,
            errors.NoPermissionError,
        )
        self._expected = (errors.RedisError, OSError)
        kwargs = self._threads.connection_kwargs
        self.shown = str(kwargs.get("path") or f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}")

    def reply(self, read: Callable[[], Any]) -> Any:
        """Return what *read* returns, or the error with which the server refused."""
        try:
            return read()
        except self._refusal as error:
            return error

    async def areply(self, read: Callable[[], Awaitable[Any]]) -> Any:
        """Do the same for an event loop."""
        try:
            return await read()
        except self._refusal as error:
            return error

    def is_expected(self, error: Exception) -> bool:
        """Return whether *error* says something about the server or the way to it."""
        return isinstance(error, self._expected)

    def check(self, replies: Iterable[Any]) -> None:
        """Look whether this is a server to ask.

        Raises:
            RedisError: It is not; it says why.
        """
        for reply in replies:
            if isinstance(reply, self._fatal):
                raise reply

    def make(self, seconds: float) -> Any:
        """Return a connected blocking connection.

        To connect and to be known there may take half of *seconds* each; only a server that answers each step at the
        last moment needs longer.
        """
        connection: Any = self._threads.make_connection()
        connection.socket_connect_timeout = connection.socket_timeout = max(SHORTEST, seconds / 2.0)
        try:
            connection.connect()
            connection.send_command(*INFO, check_health=False)
            connection.perfkit_server = server_of(connection.read_response())
        except BaseException:
            connection.disconnect()
            raise
        return connection

    async def amake(self) -> Any:
        """Return a connected connection of the running loop."""
        connection: Any = self._loops.connection_class(**self._loops.connection_kwargs)
        try:
            await connection.connect()
            await connection.send_command(*INFO, check_health=False)
            connection.perfkit_server = server_of(await connection.read_response())
        except BaseException:
            drop(connection)
            raise
        return connection


def _options(seconds: float | None, retry: Any) -> dict[str, Any]:
    from redis.backoff import NoBackoff

    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "protocol": 2,
    }


def server_of(info: bytes) -> str:
    """Return the run of the server that says *info*; empty where it does not tell."""
    for line in info.splitlines():
        if line.startswith(b"run_id:"):
            return line[7:23].decode("ascii", "replace").strip()
    return ""


def drop(connection: Any) -> None:
    """Close a connection of an event loop at once, without a wait."""
    writer = getattr(connection, "_writer", None)
    connection._writer = connection._reader = None
    if writer is None:
        return
    transport = writer.transport
    try:
        transport.abort()
    except RuntimeError:
        # Its loop is closed: it can do no more for its sockets.
        held = getattr(transport, "_sock", None)
        if held is not None:
            held.close()
            transport._sock = None


class SyncPool:
    """Connections of all threads. Thread-safe."""

    def __init__(self, connections: Connections, most: int) -> None:
        """Hold up to *most* at once."""
        self._connections = connections
        self._places = threading.BoundedSemaphore(most)
        self._free: list[Any] = []
        self._is_closed = False

    def take(self, seconds: float) -> Any:
        """Return a connection for this thread alone, made if need be.

        Raises:
            BusyError: None became free in time.
        """
        give_up_at = time.monotonic() + seconds
        if not self._places.acquire(timeout=max(0.0, seconds)):
            raise BusyError("all connections are in use")
        try:
            while True:
                try:
                    connection = self._free.pop()
                except IndexError:
                    return self._connections.make(give_up_at - time.monotonic())
                if _is_quiet(connection):
                    return connection
                connection.disconnect()
        except BaseException:
            self._places.release()
            raise

    def give(self, connection: Any, *, is_good: bool) -> None:
        """Take *connection* back; close it if something went wrong."""
        try:
            if is_good:
                self._free.append(connection)
            else:
                connection.disconnect()
        finally:
            self._places.release()
        if self._is_closed:
            self._drop_all()

    def close(self) -> None:
        """Close those that are free, and the others when they come back."""
        self._is_closed = True
        self._drop_all()

    def _drop_all(self) -> None:
        # Others may take them out meanwhile.
        with contextlib.suppress(IndexError):
            while True:
                self._free.pop().disconnect()


def _is_quiet(connection: Any) -> bool:
    """Return whether the server has neither closed it nor said anything unasked."""
    try:
        return not connection.can_read(timeout=0)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, another one is made
        return False


class AsyncPool:
    """Connections of one event loop."""

    def __init__(self, connections: Connections, most: int) -> None:
        """Hold up to *most* at once."""
        self._connections = connections
        self._places = asyncio.Semaphore(most)
        self._free: list[Any] = []
        self._is_closed = False

    async def enter(self, seconds: float) -> None:
        """Wait for a place, which `give` or `leave` ends.

        Raises:
            BusyError: There was none in time.
        """
        if not self._places.locked():
            # Costs no task, as nobody has to wait.
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._places.acquire()
        except TimeoutError as error:
            raise BusyError("all connections are in use") from error

    def leave(self) -> None:
        """Give up the place."""
        self._places.release()

    async def take(self) -> Any:
        """Return a connection for this task alone, which has a place, made if need be. The caller limits the time."""
        while self._free:
            connection = self._free.pop()
            if connection.is_connected and not connection._reader.at_eof():
                return connection
            drop(connection)
        return await self._connections.amake()

    def give(self, connection: Any, *, is_good: bool) -> None:
        """Take *connection* back; close it if something went wrong."""
        if is_good and not self._is_closed:
            self._free.append(connection)
        else:
            drop(connection)

    def close(self) -> None:
        """Close those that are free, and the others when they come back. In the loop's thread, or after its end."""
        self._is_closed = True
        while self._free:
            drop(self._free.pop())

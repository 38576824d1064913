"""One connection to a server: a request is written, an answer read, with back-pressure both ways.

A plain `asyncio.Protocol`: a stream reader and writer cost a fifth of what the whole proxy takes for a small request.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio import SelectorEventLoop
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from perfkit.load_balancer.proxy.faults import TooSlow, UpstreamBroken
from perfkit.load_balancer.proxy.options import ProxyOptions
from perfkit.load_balancer.proxy.response import Answer

__all__ = ["Connection"]

HIGH_WATER = 262_144
"""Bytes of an answer that wait for the client before the server is read no further, once one piece does."""

PIECE, LARGE_PIECE = 278_528, 1_048_576
"""Bytes that are read at once: a head with a body of 256 KiB, which asyncio would read in two; of larger bodies more.

Each piece costs two calls of the kernel and 20 µs of Python, so larger pieces are cheaper until the cache is
too small for them: answers of 8 MiB took 3.1, 2.6, 2.1 and 2.2 ms in pieces of 272 KiB, 512 KiB, 1 MiB and 2 MiB.
"""

WORTH_GATHERING = 65_536
"""Bytes from which on to copy them together costs more than a call of the kernel."""

WATCH_AFTER = 0.05
"""Seconds after which somebody looks whether the client is still there; most answers have come by then."""


class Connection(asyncio.Protocol):
    """A connection of a pool. Belongs to one loop, and to one exchange at a time.

    Attributes:
        uses: Requests it has taken.
        idle_since: Loop time since which it has been idle.
        error: Why it cannot be used any more; None while it can.
    """

    __slots__ = (
        "_answer",
        "_deadline",
        "_drained",
        "_is_plain",
        "_loop",
        "_options",
        "_parser",
        "_paused",
        "_piece",
        "_timer",
        "_transport",
        "_waiter",
        "_watch",
        "_watch_at",
        "error",
        "idle_since",
        "is_closed",
        "uses",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, parser: Any, options: ProxyOptions) -> None:
        """Wait to be connected."""
        self._loop, self._parser, self._options = loop, parser, options
        self._transport: Any = None
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self._piece, self._is_plain = 0, False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._watch_at = 0.0
        self._watch: Callable[[], None] | None = None
        self.error: Exception | None = None
        self.idle_since, self.uses, self.is_closed = 0.0, 0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be connected."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._read_at_once(PIECE)
        is_tls = transport.get_extra_info("sslcontext") is not None
        self._is_plain = sys.version_info < (3, 12) and not is_tls and isinstance(self._loop, SelectorEventLoop)

    def _read_at_once(self, size: int) -> None:
        """Read *size* bytes at once, where the transport lets itself be told: asyncio's own do, for plain sockets."""
        if size != self._piece and hasattr(self._transport, "max_size"):
            self._transport.max_size = self._piece = size

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end: that of the answer where it ends so, else of the exchange."""
        self.is_closed = True
        if self._timer is not None and self._waiter is None:
            self._timer.cancel()
        answer = self._answer
        if answer is not None and (exc is not None or not answer.end()) and self.error is None:
            stale = self.uses > 1 and not answer.has_begun
            self.error = UpstreamBroken("the server closed the connection before its answer was whole", is_stale=stale)
        self._wake()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the answer; those that nobody asked for end the connection."""
        answer = self._answer
        if answer is None:
            self.close()
            return
        waits = answer.size
        try:
            answer.feed(data)
        except UpstreamBroken as error:
            self.fail(error)
            return
        if answer.left > PIECE:
            self._read_at_once(LARGE_PIECE)
        # The client gets the first piece before the next one is read, unless it takes nothing just now.
        if waits and answer.size > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        """The server takes no more just now."""
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """It does again."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def begin(self, parts: list[bytes], *, is_head_request: bool) -> Answer:
        """Write the first *parts* of a request and return the answer that will come."""
        self.uses += 1
        self._answer = Answer(self._parser, self._options, is_head_request=is_head_request)
        if len(parts) == 1:
            self._transport.write(parts[0])
        elif self._is_plain and sum(map(len, parts)) > WORTH_GATHERING:
            self._gather(parts)
        else:
            self._transport.writelines(parts)
        return self._answer

    def _gather(self, parts: list[bytes]) -> None:
        """Write *parts* by one call of the kernel and without a copy, as asyncio itself does from Python 3.12 on."""
        transport, sent = self._transport, 0
        if not transport.get_write_buffer_size():
            with suppress(OSError):  # it takes nothing just now, or has gone: the transport will find out
                sent = os.writev(transport.get_extra_info("socket").fileno(), parts)
        for part in parts:
            if sent < len(part):
                transport.write(memoryview(part)[sent:])
            sent = max(0, sent - len(part))

    async def write(self, data: bytes) -> None:
        """Write more of the request; wait while the server takes nothing.

        Raises:
            UpstreamFault: It has gone, or takes nothing for too long.
        """
        if self.is_closed:
            raise self.error or UpstreamBroken("the server has closed the connection")
        self._transport.write(data)
        await self.drain()

    async def drain(self) -> None:
        """Wait while the server takes nothing.

        Raises:
            UpstreamFault: It takes nothing for too long.
        """
        drained = self._drained
        if drained is not None:
            done, _ = await asyncio.wait([drained], timeout=self._options.idle_timeout)
            if not done:
                raise TooSlow("the server takes no more of the request")

    async def wait(self, seconds: float) -> None:
        """Wait until something came of the answer, or it failed.

        Raises:
            Exception: The error with which the exchange failed.
            TooSlow: Nothing came within *seconds*.
        """
        if self.error is not None:
            raise self.error
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        waiter = self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + seconds
        self._arm(self._deadline)
        try:
            await waiter
        finally:
            self._waiter = None
        if self.error is not None:
            raise self.error

    def watch(self, callback: Callable[[], None]) -> None:
        """Call *callback* if the exchange lasts longer than `WATCH_AFTER`."""
        self._watch, self._watch_at = callback, self._loop.time() + WATCH_AFTER
        self._arm(self._watch_at)

    def _arm(self, when: float) -> None:
        """Have `_check` called at *when* at the latest.

        A timer that is due earlier stays as it is, and none is cancelled when an exchange ends: a busy connection makes
        20 timers a second instead of two for each request.
        """
        timer = self._timer
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timer = self._loop.call_at(when, self._check)

    def _check(self) -> None:
        self._timer = None
        now = self._loop.time()
        watch, waiter = self._watch, self._waiter
        if watch is not None and now >= self._watch_at:
            self._watch = None
            watch()
            watch = None
        if waiter is not None and not waiter.done():
            if now >= self._deadline:
                waiter.set_exception(TooSlow("nothing came in time"))
            else:
                self._arm(self._deadline)
        if watch is not None:
            self._arm(self._watch_at)

    def fail(self, error: Exception) -> None:
        """End the exchange with *error*, and the connection with it."""
        if self.error is None:
            self.error = error
        self.abort()
        self._wake()

    def release(self, now: float) -> bool:
        """End the exchange; return whether the connection can take another one."""
        answer, self._answer, self._watch = self._answer, None, None
        fit = (
            answer is not None
            and answer.is_complete
            and answer.may_keep
            and not self.is_closed
            and not self._transport.is_closing()
            and self.error is None
            and self._drained is None
        )
        if answer is not None:
            answer.let_go()
        if not fit:
            self.abort()
            return False
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._read_at_once(PIECE)
        self.idle_since = now
        return True

    @property
    def is_usable(self) -> bool:
        """Whether it is open and idle."""
        return not self.is_closed and not self._transport.is_closing() and self.error is None

    def close(self) -> None:
        """Close it, politely."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

"""One connection to a server: a request is written, an answer read, with back-pressure both ways.

A plain `asyncio.Protocol`: a stream reader and writer cost a fifth of what the whole proxy takes for a small request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from perfkit.load_balancer.proxy.faults import TooSlow, UpstreamBroken
from perfkit.load_balancer.proxy.options import ProxyOptions
from perfkit.load_balancer.proxy.response import Answer

__all__ = ["Connection"]

HIGH_WATER = 262_144
"""Bytes of an answer that wait for the client before the server is read no further: what asyncio reads at once."""

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
        "_loop",
        "_options",
        "_parser",
        "_paused",
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
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._watch_at = 0.0
        self._watch: Callable[[], None] | None = None
        self.error: Exception | None = None
        self.idle_since, self.uses, self.is_closed = 0.0, 0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be connected."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=HIGH_WATER)

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
        try:
            answer.feed(data)
        except UpstreamBroken as error:
            self.fail(error)
            return
        if answer.size > HIGH_WATER and not self._paused:
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

    def begin(self, head: bytes, *, is_head_request: bool) -> Answer:
        """Write the first bytes of a request and return the answer that will come."""
        self.uses += 1
        self._answer = Answer(self._parser, self._options, is_head_request=is_head_request)
        self._transport.write(head)
        return self._answer

    async def write(self, data: bytes) -> None:
        """Write more of the request; wait while the server takes nothing.

        Raises:
            UpstreamFault: It has gone, or takes nothing for too long.
        """
        if self.is_closed:
            raise self.error or UpstreamBroken("the server has closed the connection")
        self._transport.write(data)
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

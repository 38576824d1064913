"""The way to the server: each call has its time, and a server that is down costs nothing.

What is asked and what follows from the answers stands in generators, once for both worlds (sans I/O): they yield a
`Batch` of commands and are sent the `Replies`, or `UnreachableError` is raised in them; they yield a `Pause` to wait.
`run` and `arun` are the two thin shells. All commands of a batch go out at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

from perfkit.cache.numbers import REMOTE_CALLS, REMOTE_SECONDS
from perfkit.cache.remote.transport.breaker import Breaker
from perfkit.cache.remote.transport.connections import AsyncPool, BusyError, Connections, SyncPool
from perfkit.cache.remote.transport.journal import Journal
from perfkit.core.errors import ErrorLog
from perfkit.store import Store

__all__ = ["Batch", "Command", "Link", "Operation", "Pause", "Replies", "UnreachableError"]

T = TypeVar("T")
Command: TypeAlias = tuple[Any, ...]


MOST_OF_A_LOOP = 16
"""One loop cannot keep more connections busy than these, and each costs it time at the start."""

LOOP_LATE = 0.05
"""Seconds after its deadline at which a call of an event loop notices it, and from which on the loop is to blame."""


class UnreachableError(Exception):
    """The server did not answer in time, or is not asked for the moment.

    Attributes:
        was_asked: It was, so it may have done what it was asked for.
    """

    was_asked = False


class Batch(list[Command]):
    """Commands to be sent together.

    Attributes:
        renews: It has the whole time of a call for itself: for work that no request waits for in one go.
    """

    def __init__(self, *commands: Command, renews: bool = False) -> None:
        """Send *commands* in this order."""
        super().__init__(commands)
        self.renews = renews


class Pause:
    """Wait *seconds*; the next batch has the whole time of a call again."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        """Wait *seconds*."""
        self.seconds = seconds


class Replies(list[Any]):
    """What the server answered, an error where it refused a command.

    Attributes:
        server: The run of the server that answered.
    """

    server = ""


Operation: TypeAlias = Generator["Batch | Pause", Any, T]


class Link:
    """Asks the server. Thread-safe; each event loop has connections of its own.

    Attributes:
        breaker: Whether it is asked at all.
        journal: Invalidations to be made up for before anything else is asked.
        replay: Returns the operation that makes up for them.
        on_back: Called when the server answers again after it was given up.
    """

    def __init__(self, connections: Connections, *, timeout: float, most: int, store: Store, errors: ErrorLog) -> None:
        """Ask over *connections*, up to *most* at once for threads and for each loop, for *timeout* seconds a call."""
        self.connections, self.timeout, self._most = connections, timeout, most
        self._store, self._errors = store, errors
        self.breaker = Breaker()
        self.journal = Journal()
        self.replay: Callable[[], Operation[bool]]
        self.on_back: Callable[[], object]
        self._begin()

    def _begin(self) -> None:
        self._replaying, self._pooling = threading.Lock(), threading.Lock()
        self._connect()

    def _connect(self) -> None:
        self._threads = SyncPool(self.connections, self._most)
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncPool] = weakref.WeakKeyDictionary()

    def after_fork(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._begin()
        self.journal.after_fork()
        self.breaker.is_watched = False

    def run(self, operation: Operation[T]) -> T:
        """Carry out *operation* in this thread."""
        return self._drive(operation)

    async def arun(self, operation: Operation[T]) -> T:
        """Carry out *operation* in this task."""
        return await self._adrive(operation)

    def recover(self) -> bool:
        """Find out whether the server is back, make up for what it missed, and let everybody ask. Blocks."""
        with self._replaying:
            is_back = self._drive(self.replay(), is_replay=True, is_forced=True) and self.journal.is_empty
        if is_back and self.breaker.is_open:
            self._back()
        return is_back

    def close(self) -> None:
        """Close connections that are free; the next call makes new ones."""
        with self._pooling:
            threads, loops = self._threads, list(self._loops.items())
            self._connect()
        threads.close()
        for loop, pool in loops:
            if loop.is_running():
                # It may end at this very moment.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(pool.close)
            else:
                pool.close()

    def _drive(self, operation: Operation[T], *, is_replay: bool = False, is_forced: bool = False) -> T:
        try:
            step = next(operation)
            # What cannot be believed is known only now that it watches over its keys; and who is given up here has
            # begun, so he lets go of what he holds.
            is_trusted = is_replay or self._is_made_up()
            deadline = time.monotonic() + self.timeout
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    deadline = time.monotonic() + self.timeout
                    step = operation.send(None)
                    continue
                if step.renews:
                    deadline = time.monotonic() + self.timeout
                try:
                    self._admit(is_trusted=is_trusted, is_forced=is_forced)
                    replies = self._ask(step, deadline)
                except UnreachableError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(replies)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            operation.close()

    async def _adrive(self, operation: Operation[T], *, is_replay: bool = False) -> T:
        try:
            step = next(operation)
            is_trusted = is_replay or await self._ais_made_up()
            deadline = time.monotonic() + self.timeout
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    deadline = time.monotonic() + self.timeout
                    step = operation.send(None)
                    continue
                if step.renews:
                    deadline = time.monotonic() + self.timeout
                try:
                    self._admit(is_trusted=is_trusted, is_forced=False)
                    replies = await self._aask(step, deadline)
                except UnreachableError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(replies)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            operation.close()

    def _is_made_up(self) -> bool:
        """Deliver what could not be delivered, before anything else is asked. One does; others see no server.

        Locks that nobody let go of are no reason to see none.
        """
        if self._may_make_up():
            try:
                self._drive(self.replay(), is_replay=True)
            finally:
                self._replaying.release()
        return self.journal.is_settled

    async def _ais_made_up(self) -> bool:
        if self._may_make_up():
            try:
                await self._adrive(self.replay(), is_replay=True)
            finally:
                self._replaying.release()
        return self.journal.is_settled

    def _may_make_up(self) -> bool:
        if self.journal.is_empty or self.breaker.is_shut(time.monotonic()):
            return False
        return self._replaying.acquire(blocking=False)

    def _admit(self, *, is_trusted: bool, is_forced: bool) -> None:
        if is_forced or (is_trusted and self.breaker.allows(time.monotonic())):
            return
        self._count("skipped")
        raise UnreachableError

    def _ask(self, batch: Batch, deadline: float) -> Replies:
        began, threads = time.monotonic(), self._threads
        connection, is_good = None, False
        try:
            connection = threads.take(deadline - began)
            replies = Replies()
            _limit(connection, deadline)
            connection.send_packed_command(connection.pack_commands(batch), check_health=False)
            for _ in batch:
                _limit(connection, deadline)
                replies.append(self.connections.reply(connection.read_response))
            replies.server = connection.perfkit_server
            self.connections.check(replies)
            is_good = True
        except Exception as error:
            raise self._failed(error) from error
        finally:
            if connection is not None:
                threads.give(connection, is_good=is_good)
        self._answered(began)
        return replies

    async def _aask(self, batch: Batch, deadline: float) -> Replies:
        began = time.monotonic()
        pool = self._pool()
        connection, is_in, is_good = None, False, False
        try:
            await pool.enter(deadline - began)
            is_in = True
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                connection = await pool.take()
                replies = Replies()
                await connection.send_packed_command(connection.pack_commands(batch), check_health=False)
                for _ in batch:
                    replies.append(await self.connections.areply(connection.read_response))
            replies.server = connection.perfkit_server
            self.connections.check(replies)
            is_good = True
        except Exception as error:
            raise self._failed(error, is_us=time.monotonic() - deadline > LOOP_LATE) from error
        finally:
            if connection is not None:
                pool.give(connection, is_good=is_good)
            if is_in:
                pool.leave()
        self._answered(began)
        return replies

    def _pool(self) -> AsyncPool:
        loop = asyncio.get_running_loop()
        pool = self._loops.get(loop)
        if pool is None:
            with self._pooling:
                for other, left in list(self._loops.items()):
                    if other.is_closed():
                        left.close()
                        del self._loops[other]
                pool = self._loops[loop] = AsyncPool(self.connections, min(self._most, MOST_OF_A_LOOP))
        return pool

    def _answered(self, began: float) -> None:
        store = self._store
        store.observe(store.row(REMOTE_SECONDS), time.monotonic() - began)
        self._count("ok")
        if self.breaker.is_open and not self.breaker.is_watched:
            self._back()
        else:
            self.breaker.succeed()

    def _back(self) -> None:
        self.breaker.close()
        self.on_back()

    def _failed(self, error: Exception, *, is_us: bool = False) -> UnreachableError:
        """Count a failure and report it.

        Args:
            is_us: The event loop was held up for so long that a prompt answer would have been late too.
        """
        unreachable = UnreachableError()
        if isinstance(error, BusyError):
            self._count("busy")
            return unreachable
        unreachable.was_asked = True
        is_late = isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError"
        self._count("timeout" if is_late else "error")
        if not (is_late and is_us):
            self.breaker.fail(time.monotonic())
        if self.connections.is_expected(error):
            said = str(error) or type(error).__name__
            self._errors.warn("cache", "server_unreachable", f"the cache server did not answer: {said}")
        else:
            self._errors.report("cache", error, doing="the cache server could not be asked")
        return unreachable

    def _count(self, outcome: str) -> None:
        self._store.add(self._store.row(REMOTE_CALLS, (outcome,)), 1.0)


def _limit(connection: Any, deadline: float) -> None:
    """Let the next step on *connection* last until *deadline*.

    Raises:
        TimeoutError: That is over.
    """
    left = deadline - time.monotonic()
    if left <= 0.0:
        raise TimeoutError("the server took too long")
    connection._sock.settimeout(left)

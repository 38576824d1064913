"""Single flight: of all who want a missing value at one moment, one loads it and the others wait for that load.

One `Flight` serves threads and event loops alike: its outcome lies in a `concurrent.futures.Future`, in which threads
wait directly and coroutines through `asyncio.wrap_future`. The rules:

- Who comes first leads. In a thread the leader loads by itself; in a loop a task loads that belongs to the flight, so
  a leader that is cancelled takes nobody along. When the last who waited has left, the task is cancelled.
- A flight leaves the table before those who wait are woken. An error is an outcome for all of them; what ends the
  leader itself (KeyboardInterrupt, a cancelled load, a closed loop) is none: they begin again, one of them leading.
- A flight that began before its key, a tag or its namespace was made invalid is joined by nobody who comes later, and
  stores nothing.
- Nobody waits for itself: a load that wants its own key, or a blocking call in the very loop that loads, is told so or
  loads alone. All waiting is bounded.
"""

from __future__ import annotations

import asyncio
import copy
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from contextvars import ContextVar
from time import monotonic
from typing import Any

from perfkit.cache.entry import MISSING
from perfkit.cache.loads.watch import Watch
from perfkit.cache.memory.glob import Glob
from perfkit.cache.memory.space import Space
from perfkit.cache.memory.tags import Stamps, is_valid
from perfkit.cache.memory.tier import Tier
from perfkit.core.errors import LifecycleError

__all__ = ["UNDER_WAY", "Flight", "Flights", "Outcome", "running_loop"]

LOOK_AGAIN = 0.5
"""Seconds after which one who waits looks whether anybody still loads."""

UNDER_WAY: ContextVar[tuple[Flight, ...]] = ContextVar("perfkit_cache_loads", default=())
"""The loads inside of which this code runs."""


class Outcome:
    """How a load ended: with a value, with an error, or with neither because it was given up.

    Attributes:
        was_loaded: False if the second tier had the value.
    """

    __slots__ = ("error", "value", "was_loaded")

    def __init__(self, value: Any = MISSING, error: Exception | None = None, *, was_loaded: bool = True) -> None:
        """Hold a value or an error; without both it was given up."""
        self.value, self.error, self.was_loaded = value, error, was_loaded

    @property
    def is_lost(self) -> bool:
        """Nobody knows: load again."""
        return self.error is None and self.value is MISSING

    def for_another(self) -> Exception | None:
        """Return the error for one who only waited: a copy, as each raise adds to an error's traceback."""
        error = self.error
        if error is None:
            return None
        try:
            twin = copy.copy(error)
        except Exception:  # noqa: BLE001 - an error's own class may refuse; then all share the one
            return error
        if type(twin) is not type(error) or twin.args != error.args:
            return error
        twin.__cause__, twin.__suppress_context__ = error.__cause__, error.__suppress_context__
        return twin.with_traceback(error.__traceback__)


LOST = Outcome()


class Flight:
    """One load under way.

    Attributes:
        changes: Times that any tag had been invalidated when it began.
        future: Ends with an `Outcome`, never with an error.
        is_fenced: What it loads is out of date already.
        is_refresh: A value serves meanwhile; nobody waits.
        loop: The loop that loads, None if a thread does.
        waiting: Callers that still want it.
    """

    __slots__ = (
        "changes",
        "future",
        "generation",
        "is_fenced",
        "is_refresh",
        "key",
        "loop",
        "space",
        "stamps",
        "task",
        "waiting",
    )

    def __init__(
        self, space: Space, key: Any, stamps: Stamps, changes: int, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        """Begin; the caller holds the tier's lock, so that *stamps* and *changes* are of this very moment."""
        self.space, self.key, self.stamps, self.changes, self.loop = space, key, stamps, changes, loop
        self.generation = space.generation
        self.is_refresh = False
        self.future: Future[Outcome] = Future()
        # Running futures cannot be cancelled, so nobody who stops waiting ends it for the others.
        self.future.set_running_or_notify_cancel()
        self.task: asyncio.Task[None] | None = None
        self.is_fenced = False
        self.waiting = 1

    @property
    def is_valid(self) -> bool:
        """Nothing has happened since it began that makes its value out of date."""
        return not self.is_fenced and self.generation == self.space.generation and is_valid(self.stamps)

    @property
    def is_dead(self) -> bool:
        """Its loop has been closed: it will never end."""
        return self.loop is not None and self.loop.is_closed() and not self.future.done()

    def blocks_itself(self) -> bool:
        """Return whether waiting for it here would stop the loop that loads."""
        return self.loop is not None and self.loop is running_loop()


class Flights:
    """All loads under way in this process. The tier's lock guards the table.

    Attributes:
        table: Flights by namespace and key.
    """

    def __init__(self, tier: Tier) -> None:
        """Begin without any."""
        self._tier = tier
        self.table: dict[tuple[str, Any], Flight] = {}
        self._watches: dict[tuple[str, Any], list[Watch]] = {}

    def __len__(self) -> int:
        """Return how many there are, and how many watches besides."""
        return len(self.table) + len(self._watches)

    def watch(self, space: Space, key: Any) -> Watch:
        """Return a watch over *key*; the caller ends it with `unwatch`."""
        self._tier.settle()
        with self._tier.lock:
            watch = Watch(space, key, self._tier.tags, self._tier.now())
            self._watches.setdefault((space.name, key), []).append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """End *watch*."""
        place = (watch.space.name, watch.key)
        with self._tier.lock:
            watches = self._watches.get(place, [])
            if watch in watches:
                watches.remove(watch)
            if not watches:
                self._watches.pop(place, None)

    def join(
        self, space: Space, key: Any, tags: tuple[str, ...], *, in_loop: bool, waits: bool = True
    ) -> tuple[Flight, bool]:
        """Return the flight for *key*, and whether the caller leads it.

        Raises:
            LifecycleError: The caller is part of that very load.
        """
        self._tier.settle()
        loop = running_loop() if in_loop else None
        with self._tier.lock:
            flight = self.table.get((space.name, key))
            if flight is not None and self._may_be_joined(flight):
                if flight in UNDER_WAY.get():
                    raise _for_itself(key)
                if waits:
                    flight.waiting += 1
                return flight, False
            if flight is not None:
                # Out of the table no change finds it any more.
                flight.is_fenced = True
            flight = Flight(space, key, self._tier.tags.stamp(tags), self._tier.tags.changes, loop)
            self.table[space.name, key] = flight
            return flight, True

    def _may_be_joined(self, flight: Flight) -> bool:
        if not flight.is_valid or flight.is_dead:
            return False
        # What the second tier has may carry tags of which this load knows nothing.
        return not self._tier.hears_elsewhere or flight.changes == self._tier.tags.changes

    def is_under_way(self, space: Space, key: Any) -> bool:
        """Return whether somebody loads *key* now."""
        flight = self.table.get((space.name, key))
        return flight is not None and not flight.is_dead and flight.is_valid

    def land(self, flight: Flight, outcome: Outcome) -> None:
        """End *flight*: first out of the table, then wake those who wait."""
        with self._tier.lock:
            self.forget(flight)
        if not flight.future.done():
            flight.future.set_result(outcome)

    def forget(self, flight: Flight) -> None:
        """Let nobody join *flight* any more. The caller holds the tier's lock."""
        place = (flight.space.name, flight.key)
        if self.table.get(place) is flight:
            del self.table[place]

    def fence(self, space: Space, key: Any, *, but: Watch | None = None) -> None:
        """Let no load of *key* that began before now be stored, *but* that one. The caller holds the tier's lock."""
        flight = self.table.get((space.name, key))
        if flight is not None:
            flight.is_fenced = True
        for watch in self._watches.get((space.name, key), ()):
            if watch is not but:
                watch.is_fenced = True

    def fence_matching(self, space: Space, glob: Glob) -> None:
        """The same for all keys that *glob* matches. The caller holds the tier's lock."""
        for flight in self.table.values():
            if flight.space is space and glob.matches(flight.key):
                flight.is_fenced = True
        for (name, key), watches in self._watches.items():
            if name == space.name and glob.matches(key):
                for watch in watches:
                    watch.is_fenced = True

    def leave(self, flight: Flight) -> None:
        """Stop waiting for *flight*; the last one out ends its task."""
        with self._tier.lock:
            flight.waiting -= 1
            is_left = flight.waiting <= 0 and flight.task is not None
            if is_left:
                # It may end before it hears of its end, and out of the table no change finds it.
                flight.is_fenced = True
                self.forget(flight)
        loop, task = flight.loop, flight.task
        if is_left and loop is not None and task is not None and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    def wait(self, flight: Flight, seconds: float) -> Outcome | None:
        """Wait in this thread for the outcome; None after *seconds*."""
        give_up_at = monotonic() + seconds
        while True:
            left = give_up_at - monotonic()
            try:
                return flight.future.result(max(0.0, min(left, LOOK_AGAIN)))
            except WaitedTooLong:
                if flight.is_dead:
                    return LOST
                if left <= LOOK_AGAIN:
                    self.leave(flight)
                    return None
            except BaseException:
                self.leave(flight)
                raise

    async def await_(self, flight: Flight, seconds: float | None) -> Outcome | None:
        """Wait in this task for the outcome; None after *seconds*."""
        give_up_at = None if seconds is None else monotonic() + seconds
        waiting: asyncio.Future[Outcome] | None = None
        try:
            while True:
                left = LOOK_AGAIN if give_up_at is None else min(LOOK_AGAIN, give_up_at - monotonic())
                waiting = asyncio.wrap_future(flight.future)
                done, _ = await asyncio.wait((waiting,), timeout=max(0.0, left))
                if done:
                    return waiting.result()
                waiting.cancel()
                if flight.is_dead:
                    return LOST
                if give_up_at is not None and monotonic() >= give_up_at:
                    self.leave(flight)
                    return None
        except asyncio.CancelledError:
            self.leave(flight)
            if waiting is not None:
                waiting.cancel()
            raise

    def after_fork(self) -> None:
        """In a forked child: nobody here loads anything."""
        self.table = {}
        self._watches = {}


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the asyncio loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _for_itself(key: Any) -> LifecycleError:
    return LifecycleError(
        f"The load of the key {key!r} asked the cache for that same key. It would wait for itself for ever. "
        "Let the loader ask its source, not the cache."
    )

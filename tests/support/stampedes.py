"""Two hundred who want one value at once, in threads, in an event loop or half and half, and what may befall them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from patience import until

from perfkit.cache import CacheManager

__all__ = ["CALLERS", "WORLDS", "Stampede"]

CALLERS = 200
LONG = 60.0
WORLDS = {"sync": (CALLERS, 0), "async": (0, CALLERS), "mixed": (CALLERS // 2, CALLERS // 2)}
"""How many ask in threads and how many in a loop."""


class Stampede:
    """One load and all who ask for it.

    Attributes:
        loads: Times that the load began.
        outcomes: What each caller got: a value or an error.
    """

    def __init__(self, caches: list[CacheManager], world: str, *, work: Callable[[CacheManager], Any]) -> None:
        """Ask *caches* in turn; *work* is what the load does once it may go on."""
        self.caches, self.work = caches, work
        self.threads, self.tasks = WORLDS[world]
        self.loads = 0
        self.outcomes: list[Any] = []
        self.began, self.may_end = threading.Event(), threading.Event()
        self.leader: asyncio.Task[Any] | None = None
        self._counting = threading.Lock()

    def load(self, cache: CacheManager) -> Any:
        with self._counting:
            self.loads += 1
        self.began.set()
        assert self.may_end.wait(LONG)
        return self.work(cache)

    async def aload(self, cache: CacheManager) -> Any:
        with self._counting:
            self.loads += 1
        self.began.set()
        while not self.may_end.is_set():  # noqa: ASYNC110 - threads set it
            await asyncio.sleep(0.001)
        found = self.work(cache)
        return await found if isinstance(found, Awaitable) else found

    def _ask(self, number: int) -> Any:
        cache = self.caches[number % len(self.caches)]
        return cache.memoize("key", lambda: self.load(cache), ttl=300)

    async def _aask(self, number: int) -> Any:
        cache = self.caches[number % len(self.caches)]
        return await cache.amemoize("key", lambda: self.aload(cache), ttl=300)

    def all_wait(self) -> bool:
        flights = (cache._engine.flights.table.get(("default", "key")) for cache in self.caches)
        return sum(flight.waiting for flight in flights if flight is not None) >= self.threads + self.tasks

    async def _in_the_loop(self, cancels: bool) -> list[Any]:
        tasks = [asyncio.create_task(self._aask(number)) for number in range(self.tasks)]
        self.leader = tasks[0] if tasks else None
        if cancels:
            while not self.all_wait():  # noqa: ASYNC110 - threads bring it about
                await asyncio.sleep(0.001)
            tasks[0].cancel()
            await asyncio.sleep(0.01)
            self.may_end.set()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    def run(self, *, cancels: bool = False) -> Stampede:
        """Let all ask; the load ends when all wait, or, if *cancels*, after the task that came first was cancelled."""
        with ThreadPoolExecutor(self.threads + 1) as pool:
            looped: Future[list[Any]] | None = None
            if self.tasks:
                looped = pool.submit(asyncio.run, self._in_the_loop(cancels))
                # A task comes first, so that there is one to cancel.
                assert self.began.wait(LONG)
            asked = [pool.submit(self._ask, number) for number in range(self.threads)]
            if not cancels and not self.may_end.is_set():
                until(self.all_wait)
                self.may_end.set()
            for each in asked:
                error = each.exception(LONG)
                self.outcomes.append(each.result() if error is None else error)
            self.outcomes += looped.result(LONG) if looped is not None else []
        return self

    def count(self, kind: type[BaseException]) -> int:
        """Return how many got an error of *kind*."""
        return sum(isinstance(outcome, kind) for outcome in self.outcomes)

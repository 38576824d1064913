"""An app in virtual time: real tasks of asyncio, but a sleep takes no time, only the clock moves on."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

from perfkit.core.context import Context
from perfkit.core.names import REQUEST_DURATION
from perfkit.core.spans import SEALED, begin_exchange, record_span
from perfkit.recorder import FlightRecorder, RecorderSettings
from perfkit.store import Store
from perfkit.store.layout import FINISHED
from perfkit.testing import FakeClock

Handler = Callable[["App"], Awaitable[None]]


class _Selector(selectors.SelectSelector):
    """Waits for nobody: where a loop would sleep, its time moves on instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "a task waits for ever"
        self.loop.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time is its own."""

    def __init__(self) -> None:
        selector = _Selector()
        self.now = 0.0
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now


class App:
    """A service with one route, its recorder and its numbers.

    Attributes:
        chance: Where its durations come from.
        durations: Of all its requests, seconds.
    """

    def __init__(self, handler: Handler, seed: int = 7) -> None:
        self.handler, self.chance = handler, random.Random(seed)
        self.loop = VirtualLoop()
        self.clock = FakeClock()
        self.store = Store(clock=self.clock)
        context = Context(store=self.store, clock=self.clock, thresholds={"response_time": 1.0})
        self.recorder = FlightRecorder(settings=RecorderSettings(), context=context)
        self.recorder.start()
        self.row = self.store.row(REQUEST_DURATION, ("GET", "/orders", "200", "http", ""))
        self.recorder.watch(self.row)
        self.durations: list[float] = []
        self.pool = asyncio.Semaphore(2)

    def serve(self, count: int, rate: float = 4.0) -> App:
        """Serve *count* requests, one after another, *rate* a second."""
        for _ in range(count):
            spans = begin_exchange()
            began = self.loop.now
            self.loop.run_until_complete(self.handler(self))
            spans[0] = SEALED
            seconds = self.loop.now - began
            self.durations.append(seconds)
            self.store.observe(self.row, seconds)
            self.store.values[FINISHED] += 1.0
            if seconds >= self.row.keep_from:
                self.recorder.keep(self.row, seconds, spans, began=began)
            before = int(self.clock.now)
            self.clock.advance(1.0 / rate)
            if int(self.clock.now) != before:
                self.recorder.tick(self.clock.now)
        return self

    def close(self) -> None:
        self.loop.close()

    def quantile(self, q: float) -> float:
        """Return the percentile of what really happened."""
        return sorted(self.durations)[int(q * len(self.durations))]

    async def work(self, seconds: float) -> None:
        """Do something that no span tells of."""
        await asyncio.sleep(self._about(seconds))

    async def span(self, kind: str, name: str, seconds: float, *, site: str = "", fixed: bool = False) -> None:
        """Ask something that takes about *seconds*."""
        start = self.loop.now
        await asyncio.sleep(seconds if fixed else self._about(seconds))
        record_span(kind, name, start, self.loop.now - start, site)

    async def query(self, name: str, seconds: float, *, site: str = "", fixed: bool = False) -> None:
        await self.span("sql", name, seconds, site=site, fixed=fixed)

    async def in_thread(self, name: str, seconds: float) -> None:
        """Ask in one of the two threads of a pool."""
        async with self.pool:
            await self.query(name, seconds)

    def _about(self, seconds: float) -> float:
        return seconds * self.chance.lognormvariate(0.0, 0.25)

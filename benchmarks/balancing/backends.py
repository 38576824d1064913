"""Simulated servers: processor sharing or a queue, with a speed that changes, crashes and failures."""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

__all__ = ["Backend"]

REFUSED = 0.001
"""Seconds until a connection is refused, and until a server that fails at once has answered."""


class Backend:
    """One server. Jobs are tuples ``(size, done)``; *done* is called with the time and whether it succeeded.

    Under processor sharing *slots* jobs run at full speed and more share it, kept in virtual time: one heap, whatever
    the number of jobs. A queue runs *slots* jobs and lets the others wait in order.

    Attributes:
        in_flight: Jobs inside, those of clients that have given up included.
        received: Jobs that came, refused ones included.
    """

    def __init__(
        self, name: str, schedule: Callable[[float, Callable[[float], None]], None], rng: random.Random, *, slots: int
    ) -> None:
        self.name, self.slots = name, slots
        self._schedule, self._rng = schedule, rng
        self.speed = 1.0
        self.is_queue = False
        self.is_up = True
        self.failing = 0.0
        self.weight = 1.0
        self.in_flight = self.received = 0
        self.cache: OrderedDict[int, None] | None = None
        self.cache_size = 0
        self._jobs: list[tuple[float, int, Any]] = []
        self._waiting: deque[Any] = deque()
        self._number = self._version = 0
        self._virtual = self._at = 0.0
        self.busy_since = 0.0

    def submit(self, now: float, size: float, key: int | None, done: Callable[[float, bool], None]) -> None:
        """Take a job at *now* seconds."""
        self.received += 1
        if not self.is_up or (self.failing and self._rng.random() < self.failing):
            self._schedule(now + REFUSED, lambda at: done(at, False))
            return
        if self.cache is not None and key is not None:
            size = self._cached(size, key)
        self.in_flight += 1
        if self.is_queue and len(self._jobs) >= self.slots:
            self._waiting.append((size, done))
            return
        self._advance(now)
        self._push(size, done)
        self._plan(now)

    def set_speed(self, now: float, speed: float) -> None:
        """Work at *speed* times the normal from *now* on; 0 hangs."""
        self._advance(now)
        self.speed = speed
        self._plan(now)

    def crash(self, now: float) -> None:
        """Lose all jobs, which fail at once, and refuse new ones."""
        self.is_up = False
        jobs = [job for _, _, job in self._jobs] + [job[1] for job in self._waiting]
        self._jobs.clear()
        self._waiting.clear()
        self._version += 1
        self.in_flight = 0
        for done in jobs:
            self._schedule(now + REFUSED, lambda at, done=done: done(at, False))  # type: ignore[misc]

    def restart(self, now: float, *, cold: float = 1.0) -> None:
        """Accept jobs again, at *cold* times the normal speed."""
        self.is_up, self.failing = True, 0.0
        self._at = now
        self.speed = cold

    def _cached(self, size: float, key: int) -> float:
        cache = self.cache
        assert cache is not None
        if key in cache:
            cache.move_to_end(key)
            return size * 0.1
        cache[key] = None
        if len(cache) > self.cache_size:
            cache.popitem(last=False)
        return size

    def _rate(self) -> float:
        count = len(self._jobs)
        return self.speed * (1.0 if self.is_queue or count <= self.slots else self.slots / count)

    def _advance(self, now: float) -> None:
        if self._jobs:
            self._virtual += (now - self._at) * self._rate()
        self._at = now

    def _push(self, size: float, done: Any) -> None:
        self._number += 1
        heapq.heappush(self._jobs, (self._virtual + size, self._number, done))

    def _plan(self, now: float) -> None:
        self._version += 1
        if not self._jobs or self.speed <= 0.0:
            return
        version = self._version
        at = now + max(0.0, self._jobs[0][0] - self._virtual) / self._rate()
        self._schedule(at, lambda now: self._finish(now, version))

    def _finish(self, now: float, version: int) -> None:
        if version != self._version:
            return
        self._advance(now)
        _, _, done = heapq.heappop(self._jobs)
        self.in_flight -= 1
        if self._waiting:
            self._push(*self._waiting.popleft())
        self._plan(now)
        done(now, True)

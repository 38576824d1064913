"""The leader's second: what the history costs the worker that keeps it, and how long other threads wait for it.

64 workers with 200 histograms, all of them updated before each tick. Time is passed in, one second a tick, so that
the back-off (a costly tick postpones the next) shows without waiting for it. One of the other workers ticks too: its
figure is what every worker pays.

Two threads in the leader's process tell how long they wait while it ticks: one spins and notes how long each
interruption was; one sleeps for half a millisecond, as a request waits for its database, and notes how late it wakes.
Both also notice other processes of the machine; what they see while nothing ticks stands beside it.
"""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.harness.fleet import Fleet
from benchmarks.store.scene import fill, new_folder, open_store
from perfkit.store import Store
from perfkit.testing import FakeClock

__all__ = ["measure"]

INTERRUPTION = 50e-6
"""Shorter gaps of the spinning thread are its own loop."""
NAP = 0.0005


class _Watch:
    """A thread that notes its waits while `is_on`."""

    def __init__(self, once: Callable[[], float]) -> None:
        self.waits: list[float] = []
        self.is_on = False
        self._once = once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-watch")
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            is_on = self.is_on
            wait = self._once()
            if wait and (is_on or self.is_on):
                self.waits.append(wait)

    def end(self) -> dict[str, float]:
        self._stop.set()
        self._thread.join()
        return _figures(self.waits)


def _interruption() -> float:
    """Spin for a while; return how long the longest interruption was, 0 if there was none."""
    longest, clock = 0.0, time.perf_counter
    before = clock()
    for _ in range(50):
        now = clock()
        longest = max(longest, now - before)
        before = now
    return longest if longest > INTERRUPTION else 0.0


def _lateness() -> float:
    """Nap; return how late one woke."""
    start = time.perf_counter()
    time.sleep(NAP)
    return time.perf_counter() - start - NAP


WATCHES: dict[str, Callable[[], float]] = {
    "a spinning thread, interrupted for": _interruption,
    "a waking thread, late by": _lateness,
}


def _figures(waits: Sequence[float]) -> dict[str, float]:
    ordered = sorted(waits) or [0.0]
    quantiles = {f"p{percent}": ordered[len(ordered) * percent // 100] for percent in (50, 95, 99)}
    return {"count": len(waits), **quantiles, "max": ordered[-1]}


def measure(*, workers: int, histograms: int, seconds: int) -> dict[str, Any]:
    """Return the leader's figures over that many passed seconds, and as many more for each watch."""
    directory = new_folder()
    clock = FakeClock()

    def work_of(store: Store, number: int) -> Callable[[], None]:
        _, durations = fill(store, counters=0, histograms=histograms)

        def work() -> None:
            for row in durations:
                store.observe(row, 0.01 + number / 1000)

        return work

    fleet = Fleet(workers - 2, lambda number: work_of(open_store(directory, clock=clock), number))
    leader, follower = open_store(directory, clock=clock), open_store(directory, clock=clock)
    leader_work, follower_work = work_of(leader, workers), work_of(follower, workers + 1)
    costs: dict[str, list[float]] = {"leader": [], "follower": []}

    def second(watch: _Watch | None = None) -> None:
        fleet.work()
        leader_work()
        follower_work()
        clock.advance(1.0)
        for name, store in (("leader", leader), ("follower", follower)):
            if watch is not None:
                watch.is_on = name == "leader"
            before = time.thread_time()
            store.tick(clock.monotonic())
            costs[name].append(time.thread_time() - before)

    try:
        for _ in range(seconds):
            second()
        if not leader.is_leader or follower.is_leader:
            raise RuntimeError("The worker that ticked first does not lead.")
        found = {name: list(values) for name, values in costs.items()}
        quiet, busy = {}, {}
        for name, once in WATCHES.items():
            watch = _Watch(once)
            watch.is_on = True
            time.sleep(0.5)
            quiet[name] = watch.end()
            watch = _Watch(once)
            for _ in range(seconds):
                second(watch)
            busy[name] = watch.end()
        recorded = len(leader.history.read(seconds, clock.time()))
        leader.close()
        follower.close()
    finally:
        fleet.close()
        shutil.rmtree(directory)
    return {
        "workers": workers,
        "histograms": histograms,
        "seconds": seconds,
        "share": sum(found["leader"]) / seconds,
        "tick_median": statistics.median(found["leader"]),
        "tick_max": max(found["leader"]),
        "follower_median": statistics.median(found["follower"]),
        "recorded": recorded,
        "quiet": quiet,
        "busy": busy,
    }

"""The leader's second: what the history costs the worker that keeps it, and how long other threads wait for it.

64 workers with 200 histograms, all of them updated before each tick. Time is passed in, one second a tick, so that
the back-off (a costly tick postpones the next) shows without waiting for it. Two threads in the leader's process
tell how long they wait: one spins and notes how long each interruption was; one sleeps for half a millisecond, as a
request waits for its database, and notes how late it wakes.
"""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.harness.fleet import Fleet
from benchmarks.store.scene import fill, new_folder, open_store
from perfkit.testing import FakeClock

__all__ = ["measure"]

INTERRUPTION = 50e-6
"""Shorter gaps of the spinning thread are its own loop."""
NAP = 0.0005
START_UNIX = 1_700_000_000.0


def measure(*, workers: int, histograms: int, seconds: int) -> dict[str, Any]:
    """Return the leader's figures over that many passed seconds."""
    directory = new_folder()
    clock = FakeClock(unix=START_UNIX)

    def build(number: int) -> Callable[[], None]:
        store = open_store(directory, clock=clock)
        _, durations = fill(store, counters=0, histograms=histograms)

        def work() -> None:
            for row in durations:
                store.observe(row, 0.01 + number / 1000)

        return work

    fleet = Fleet(workers - 1, build)
    try:
        store = open_store(directory, clock=clock)
        _, durations = fill(store, counters=0, histograms=histograms)
        costs: list[float] = []

        def second() -> None:
            fleet.work()
            for row in durations:
                store.observe(row, 0.02)
            clock.advance(1.0)
            before = time.thread_time()
            store.tick(clock.monotonic())
            costs.append(time.thread_time() - before)

        for _ in range(seconds):
            second()
        if not store.is_leader:
            raise RuntimeError("The only worker that ticks does not lead.")
        quiet = {name: watch(lambda: time.sleep(0.5)) for name, watch in _WATCHES.items()}
        busy = {}
        for name, watch in _WATCHES.items():
            busy[name] = watch(partial(_repeat, second, max(5, seconds // 4)))
        recorded = len(store.history.read(seconds, clock.time()))
        store.close()
    finally:
        fleet.close()
        shutil.rmtree(directory)
    first = costs[:seconds]
    return {
        "workers": workers,
        "histograms": histograms,
        "seconds": seconds,
        "share": sum(first) / seconds,
        "tick_median": statistics.median(first),
        "tick_max": max(first),
        "recorded": recorded,
        "quiet": quiet,
        "busy": busy,
    }


def _repeat(function: Callable[[], None], times: int) -> None:
    for _ in range(times):
        function()


def _spin(run: Callable[[], Any]) -> dict[str, float]:
    """Run *run* beside a thread that never waits; return the lengths of its interruptions."""
    gaps: list[float] = []
    stop = threading.Event()

    def spin() -> None:
        last = time.perf_counter()
        while not stop.is_set():
            now = time.perf_counter()
            if now - last > INTERRUPTION:
                gaps.append(now - last)
            last = time.perf_counter()

    return _beside(spin, run, stop, gaps)


def _nap(run: Callable[[], Any]) -> dict[str, float]:
    """Run *run* beside a thread that naps; return how late it wakes."""
    late: list[float] = []
    stop = threading.Event()

    def nap() -> None:
        while not stop.is_set():
            start = time.perf_counter()
            time.sleep(NAP)
            late.append(time.perf_counter() - start - NAP)

    return _beside(nap, run, stop, late)


def _beside(
    target: Callable[[], None], run: Callable[[], Any], stop: threading.Event, waits: Sequence[float]
) -> dict[str, float]:
    thread = threading.Thread(target=target, name="bench-waiter")
    thread.start()
    try:
        run()
    finally:
        stop.set()
        thread.join()
    ordered = sorted(waits) or [0.0]
    return {
        "count": len(waits),
        "p50": ordered[len(ordered) // 2],
        "p95": ordered[int(len(ordered) * 0.95)],
        "p99": ordered[int(len(ordered) * 0.99)],
        "max": ordered[-1],
    }


_WATCHES: dict[str, Callable[[Callable[[], Any]], dict[str, float]]] = {
    "a spinning thread, interrupted for": _spin,
    "a waking thread, late by": _nap,
}

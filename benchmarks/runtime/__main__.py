"""What sampling costs: process, garbage collector, container and loops, beside prometheus_client's collectors.

All work is done once a second in each worker, so CPU microseconds of a sample are millionths of a core. The budget is
0.5 % of a core for everything. prometheus_client's collectors run at each scrape instead, and for one process only.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from benchmarks.harness.table import options, print_json, print_rows
from perfkit.core.context import Context
from perfkit.performance import PerformanceMonitor
from perfkit.performance.runtime.container import DISK_PERIOD
from perfkit.performance.runtime.garbage import pauses
from perfkit.store import Store

BUDGET = 0.005
"""Cores that sampling everything may cost."""

COLLECTIONS = 2_000


def main() -> None:
    arguments = options(__doc__ or "", rounds=30).parse_args()
    rounds, samples = (min(arguments.rounds, 2), 20) if arguments.quick else (arguments.rounds, 60)
    found = measure(rounds, samples)
    found["one collection, pauses measured"] = _pause_cost(rounds)
    if arguments.json:
        print_json(found)
        return
    reference = found["prometheus_client: process, platform, gc"]
    rows = [["what", "CPU µs", "% of a core each second", "× prometheus_client", ""]]
    for name, seconds in found.items():
        is_whole = name == EVERYTHING
        verdict = ("pass" if seconds < BUDGET else "short") if is_whole else ""
        share = "" if name.startswith("one collection") else f"{seconds * 100:.4f}"
        rows.append([name, f"{seconds * 1e6:.1f}", share, f"{seconds / reference:.2f}", verdict])
    print_rows(f"sampling, {rounds} rounds, budget {BUDGET:.1%} of a core", rows, left={0, 4})


EVERYTHING = "perfkit: everything, as the monitor does each second"


def measure(rounds: int, samples: int) -> dict[str, float]:
    """Return the median CPU seconds of one sample of each contestant, taken in turns."""
    monitor = PerformanceMonitor(context=Context(store=Store()))
    monitor.start()
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    clock = _Seconds()
    contestants: dict[str, Callable[[], object]] = {
        EVERYTHING: lambda: monitor.tick(clock.next()),
        "prometheus_client: process, platform, gc": lambda: [list(each.samples) for each in registry.collect()],
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, once in contestants.items():
            gc.collect()
            begin = time.process_time()
            for _ in range(samples):
                once()
            taken[name].append((time.process_time() - begin) / samples)
    monitor.stop()
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


class _Seconds:
    """Monotonic seconds, one more at each call: what is due every few seconds has its part in the mean."""

    def __init__(self) -> None:
        self._now = DISK_PERIOD

    def next(self) -> float:
        self._now += 1.0
        return self._now


def _pause_cost(rounds: int) -> float:
    """Return what a collection costs more while its pause is measured, in CPU seconds."""
    held = pauses()
    gc.collect()
    gc.freeze()
    costs = []
    for _ in range(rounds):
        bare = _collect()
        held.hold()
        costs.append(_collect() - bare)
        held.release()
    gc.unfreeze()
    return statistics.median(costs)


def _collect() -> float:
    begin = time.process_time()
    for _ in range(COLLECTIONS):
        gc.collect(0)
    return (time.process_time() - begin) / COLLECTIONS


if __name__ == "__main__":
    main()

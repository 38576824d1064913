"""The performance monitor: rate, errors, latency per route, in flight, process figures; all workers, from the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.names import (
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_OPEN_FILES,
    PROCESS_START,
    PROCESS_THREADS,
    WORKER_CPU,
)
from perfkit.performance import requests
from perfkit.performance.process import ProcessSample, ProcessSampler
from perfkit.performance.settings import PerformanceSettings
from perfkit.performance.snapshot import PerformanceSnapshot, Trend, WorkerSnapshot

if TYPE_CHECKING:
    from perfkit.store import Worker

__all__ = ["PerformanceMonitor"]

logger = logging.getLogger("perfkit.performance")

TREND_SECONDS = 300.0
"""Seconds of history that the snapshot's trend shows."""

TREND_STEP = 5.0
"""Seconds between two points of the trend."""


class PerformanceMonitor(Component):
    """What the service does and what it costs. Reads take from the store; nothing is counted here."""

    name = "performance"
    settings_type = PerformanceSettings

    def __init__(self, *, settings: PerformanceSettings | None = None, context: Context | None = None) -> None:
        """Watch the store of *context*; alone, a memory store of its own."""
        if context is None:
            from perfkit.store import Store

            context = Context(store=Store())
        self.settings = settings or PerformanceSettings()
        self._context = context
        self._store = context.store
        self._clock = context.clock
        self._sampler: ProcessSampler | None = None
        self._is_sampling = False

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the monitor of a system."""
        return cls(settings=settings, context=context)

    def start(self) -> None:
        """Take the first sample of this process."""
        if self.settings.debug_logging:
            logger.setLevel(logging.DEBUG)
        self._is_sampling = True
        if self._sampler is None or self._sampler.pid != os.getpid():
            self._sampler = ProcessSampler(self._store)
            self._write(self._sampler.sample(self._clock.monotonic()))

    def stop(self) -> None:
        """Stop sampling; the counts stay in the store, and a next start goes on from here."""
        self._is_sampling = False

    def tick(self, now: float) -> None:
        """Sample this process into the store."""
        if self._is_sampling and self._sampler is not None:
            sample = self._sampler.sample(now)
            self._write(sample)
            logger.debug("%s", sample)

    def _write(self, sample: ProcessSample) -> None:
        store, row = self._store, self._store.row
        store.add(row(PROCESS_CPU), sample.cpu_seconds)
        gauges = (
            (PROCESS_MEMORY, sample.memory),
            (PROCESS_THREADS, sample.threads),
            (PROCESS_OPEN_FILES, sample.open_files),
            (PROCESS_START, sample.started_at),
            (WORKER_CPU, sample.cpu_cores),
        )
        for definition, value in gauges:
            if value is not None:
                store.set(row(definition), float(value))

    def snapshot(self) -> PerformanceSnapshot:
        """Return the last `settings.window` seconds of the service, all workers together."""
        return self.get_performance_summary()

    def get_performance_summary(self, window: float | None = None) -> PerformanceSnapshot:
        """Return rate, errors, latency, routes, workers and process figures over the last *window* seconds."""
        store, now = self._store, self._clock.time()
        seen = store.window(window or self.settings.window)
        total, routes = requests.summarize(seen.points, seen.duration)
        workers = tuple(self._workers())
        return PerformanceSnapshot(
            at=now,
            window=seen.duration,
            total_requests=int(sum(worker.finished for worker in store.workers())),
            requests=total.requests,
            rate=total.rate,
            errors=total.errors,
            error_rate=total.error_rate,
            latency=total.latency,
            in_flight=int(store.in_flight()),
            cpu=_sum(worker.cpu for worker in workers),
            memory=_sum(worker.memory for worker in workers),
            threads=_count(worker.threads for worker in workers),
            open_files=_count(worker.open_files for worker in workers),
            uptime=max((now - worker.started_at for worker in workers), default=0.0),
            routes=routes,
            workers=workers,
            trend=self._trend(now),
        )

    def _workers(self) -> Iterator[WorkerSnapshot]:
        gauges = {
            definition.name: self._by_worker(definition.name)
            for definition in (WORKER_CPU, PROCESS_MEMORY, PROCESS_THREADS, PROCESS_OPEN_FILES)
        }
        for worker in self._store.workers():
            if worker.is_alive:
                yield _worker_snapshot(worker, {name: values.get(worker.number) for name, values in gauges.items()})

    def _by_worker(self, name: str) -> dict[int, float]:
        values: dict[int, float] = {}
        for number, family in self._store.per_worker(name):
            for point in family.points:
                if isinstance(point.value, (int, float)):
                    values[number] = float(point.value)
        return values

    def _trend(self, now: float) -> Trend:
        ticks = self._store.history.read(TREND_SECONDS, now)
        return requests.trend(ticks, now=now, seconds=TREND_SECONDS, step=TREND_STEP)


def _worker_snapshot(worker: Worker, gauges: dict[str, float | None]) -> WorkerSnapshot:
    threads, files = gauges[PROCESS_THREADS.name], gauges[PROCESS_OPEN_FILES.name]
    return WorkerSnapshot(
        number=worker.number,
        pid=worker.pid,
        started_at=worker.started_at,
        requests=int(worker.finished),
        in_flight=max(0, int(worker.started - worker.finished)),
        cpu=gauges[WORKER_CPU.name],
        memory=gauges[PROCESS_MEMORY.name],
        threads=None if threads is None else int(threads),
        open_files=None if files is None else int(files),
        is_self=worker.is_self,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _count(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None

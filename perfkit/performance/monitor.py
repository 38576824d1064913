"""The performance monitor: rate, errors, latency per route, in flight, process figures; all workers, from the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import msgspec

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.families import Definition
from perfkit.core.findings import Finding
from perfkit.core.limits import Limits
from perfkit.core.names import PROCESS_MEMORY, PROCESS_OPEN_FILES, PROCESS_THREADS, REQUEST_QUEUE, WORKER_CPU
from perfkit.performance import requests
from perfkit.performance.blocking.metrics import LOOP_LAG
from perfkit.performance.blocking.report import BlockedSite, merged
from perfkit.performance.blocking.sites import KIND
from perfkit.performance.blocking.watch import LoopWatch
from perfkit.performance.breaches import Breaches
from perfkit.performance.memory.watch import KIND as GROWTH
from perfkit.performance.memory.watch import MemoryGrowth, MemoryWatcher, suspects
from perfkit.performance.recent import Recent
from perfkit.performance.runtime import RuntimeSampler
from perfkit.performance.runtime.metrics import GC_PAUSE
from perfkit.performance.settings import PerformanceSettings
from perfkit.performance.snapshot import Breach, PerformanceSnapshot, Trend, WorkerSnapshot
from perfkit.performance.stuck.report import KIND as STUCK_KIND
from perfkit.performance.stuck.report import StuckRequest, told
from perfkit.performance.stuck.watch import StuckWatch
from perfkit.performance.timers import TimedBlock, Timer, Timers

if TYPE_CHECKING:
    from perfkit.store import Worker

__all__ = ["PerformanceMonitor"]

logger = logging.getLogger("perfkit.performance")

TREND_SECONDS = 300.0
"""Seconds of history that the snapshot's trend shows."""

TREND_STEP = 5.0
"""Seconds between two points of the trend."""

JUDGED_EVERY = 15.0
"""Seconds between two looks at the thresholds while nobody asks, so that `since` is right."""

MOST_SITES = 10
"""Call sites in the snapshot that blocked an event loop."""

TEXTS_HELD = 2.0
"""Seconds for which what was read of the texts is good: a read is some ms a worker, and pages ask each second."""


class PerformanceMonitor(Component):
    """What the service does and what it costs. Reads take from the store; nothing is counted here."""

    name = "performance"
    settings_type = PerformanceSettings

    def __init__(
        self,
        *,
        settings: PerformanceSettings | None = None,
        context: Context | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Watch the store of *context*; alone, a memory store of its own, by *clock*."""
        if context is None:
            from perfkit.store import Store

            clock = clock or SystemClock()
            context = Context(store=Store(clock=clock), clock=clock)
        self.settings = settings or PerformanceSettings()
        self._context = context
        self._store = context.store
        self._clock = context.clock
        self._sampler: RuntimeSampler | None = None
        self._is_sampling = False
        self._timers = Timers(self._store, self._clock.monotonic)
        blocking = self.settings.blocking
        self._loop_watch = LoopWatch(context, blocking) if blocking.enabled else None
        self._memory_watcher: MemoryWatcher | None = None
        self._lag = Recent(self._store, LOOP_LAG.name, self.settings.window)
        self._queue = Recent(self._store, REQUEST_QUEUE.name, self.settings.window)
        self._pauses = Recent(self._store, GC_PAUSE.name, self.settings.window)
        self._stuck_watch = StuckWatch(context, self.settings.stuck) if self.settings.stuck.enabled else None
        self._breaches = Breaches(self.settings.thresholds, self.settings.targets)
        self._limits: Limits | None = None
        self._judged_at = float("-inf")
        self._blocked: tuple[float, tuple[BlockedSite, ...]] = (float("-inf"), ())

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
            context = self._context
            self._sampler = RuntimeSampler(self._store, loops=context.loops, errors=context.errors)
            self._sampler.start()
            self._sampler.sample(self._clock.monotonic())
        else:
            self._sampler.start()
        if self._loop_watch is not None:
            self._loop_watch.start()
        if self.settings.memory.enabled:
            if self._memory_watcher is None or self._memory_watcher.pid != os.getpid():
                self._memory_watcher = MemoryWatcher(self._store, self.settings.memory)
            self._memory_watcher.start()

    def stop(self) -> None:
        """Stop sampling; the counts stay in the store, and a next start goes on from here."""
        self._is_sampling = False
        if self._loop_watch is not None:
            self._loop_watch.stop()
        if self._memory_watcher is not None:
            self._memory_watcher.stop()
        if self._sampler is not None:
            self._sampler.stop()

    def tick(self, now: float) -> None:
        """Sample this process into the store."""
        if self._is_sampling and self._sampler is not None:
            sample = self._sampler.sample(now)
            logger.debug("%s", sample)
            if self._loop_watch is not None:
                self._loop_watch.tick(now)
            if self._memory_watcher is not None and sample.memory is not None:
                self._memory_watcher.sample(float(sample.memory), now)
            self._lag.tick(now)
            self._queue.tick(now)
            self._pauses.tick(now)
            if self._stuck_watch is not None:
                with self._context.errors.guarded("performance", "could not look for stuck requests"):
                    self._stuck_watch.tick(now)
            if now - self._judged_at >= JUDGED_EVERY:
                self._judged_at = now
                self._summarize(self.settings.window, with_trend=False)

    def start_timer(self, name: str, labels: Mapping[str, str] | None = None) -> Timer:
        """Start and return a timer; what it measures is counted in `perfkit_timer_seconds` under *name*.

        Args:
            name: From a small set of your own: each one is a series.
            labels: Told with the name; from small sets, too.
        """
        return self._timers.start(name, labels)

    def end_timer(self, timer: Timer | str) -> float:
        """End *timer*, or the youngest one of that name in this context; return its seconds.

        Raises:
            TimerError: It has ended, or none of that name runs in this context.
        """
        return self._timers.end(timer)

    def time(self, name: str, labels: Mapping[str, str] | None = None) -> TimedBlock:
        """Return what times a block (``with``, ``async with``) or, as a decorator, each call of a function."""
        return TimedBlock(self._timers, name, labels)

    def record_request(self, success: bool, duration: float, labels: Mapping[str, str] | None = None) -> None:
        """Count a request that no adapter sees: a job, a message, a call by another protocol.

        It is one more of the service's requests: in rate, error rate, latency, history, alerts and on the dashboard.
        Do not count one that perfkit's middleware counts already.

        Args:
            success: False counts it as an error.
            duration: Seconds.
            labels: `route` (or `endpoint`, `name`: a template, never an id), `method`, `status`, and `error`, the
                type of the failure.

        Raises:
            MetricError: *duration* is negative or no number, or there are other labels.
        """
        requests.record(self._store, success, duration, labels or {})

    def blocked_loops(self) -> tuple[BlockedSite, ...]:
        """Return what blocked event loops since the workers started, of all workers, by call site, dearest first."""
        now = self._clock.monotonic()
        if not 0.0 <= now - self._blocked[0] < TEXTS_HELD:
            self._blocked = now, merged(self._store.texts.read(KIND))
        return self._blocked[1]

    def memory_growth(self) -> tuple[MemoryGrowth, ...]:
        """Return the live workers whose memory keeps growing, the fastest first."""
        alive = [worker.pid for worker in self._store.workers() if worker.is_alive]
        return suspects(self._store.texts.read(GROWTH), [*alive, os.getpid()], self._clock.time())

    def stuck_requests(self) -> tuple[StuckRequest, ...]:
        """Return the requests of the last hour that held a thread for long, of all workers, newest first."""
        return told(self._store.texts.read(STUCK_KIND), self._clock.time())

    def findings(self) -> Iterable[Finding]:
        """Return what blocks event loops and holds threads, who keeps growing, and whom the garbage collector stops."""
        from perfkit.performance import findings as found

        yield from found.blocked(self.blocked_loops())
        yield from found.stuck(self.stuck_requests())
        yield from found.growing(self.memory_growth())
        now = self._clock.monotonic()
        yield from found.collected(self._pauses.latency(now), self._gc_share(now))

    def snapshot(self) -> PerformanceSnapshot:
        """Return the last `settings.window` seconds of the service, all workers together."""
        return self.get_performance_summary()

    def get_performance_summary(self, window: float | None = None) -> PerformanceSnapshot:
        """Return requests, routes, workers, process figures and breaches over the last *window* seconds.

        Where somebody began a new recording meanwhile, the requests before it do not count.
        """
        return self._summarize(window or self.settings.window)

    def _summarize(self, window: float, *, with_trend: bool = True) -> PerformanceSnapshot:
        store, now, monotonic = self._store, self._clock.time(), self._clock.monotonic()
        seen = store.past.recorded(window)
        total, routes = requests.summarize(seen.points, seen.duration)
        if with_trend:
            routes = requests.with_queries(routes, store.families(requests.COUNTED))
        workers = tuple(self._workers())
        summary = PerformanceSnapshot(
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
            trend=self._trend(now) if with_trend else Trend(step=TREND_STEP),
            event_loop_lag=self._lag.latency(monotonic),
            queue_time=self._queue.latency(monotonic),
            gc_pause=self._pauses.latency(monotonic),
            gc_share=self._gc_share(monotonic),
            blocked=self.blocked_loops()[:MOST_SITES] if with_trend else (),
            unavailable={} if self._sampler is None else self._sampler.unavailable,
        )
        return msgspec.structs.replace(summary, breaches=self._judge(summary))

    def _gc_share(self, now: float) -> float | None:
        share, workers = self._pauses.share(now), sum(worker.is_alive for worker in self._store.workers())
        return None if share is None else min(1.0, share / max(1, workers))

    def _judge(self, summary: PerformanceSnapshot) -> tuple[Breach, ...]:
        if self._limits is None:
            self._limits = Limits()
        memory = self._limits.memory()
        return self._breaches.judge(summary, cores=self._limits.cpu(), memory=None if memory is None else memory.total)

    def _workers(self) -> Iterator[WorkerSnapshot]:
        gauges = self._by_worker(WORKER_CPU, PROCESS_MEMORY, PROCESS_THREADS, PROCESS_OPEN_FILES)
        for worker in self._store.workers():
            if worker.is_alive:
                yield _worker_snapshot(worker, {name: values.get(worker.number) for name, values in gauges.items()})

    def _by_worker(self, *gauges: Definition) -> dict[str, dict[int, float]]:
        """Return the values of *gauges* by name and worker."""
        values: dict[str, dict[int, float]] = {gauge.name: {} for gauge in gauges}
        for number, family in self._store.per_worker(*values):
            for point in family.points:
                if isinstance(point.value, (int, float)):
                    values[family.definition.name][number] = float(point.value)
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

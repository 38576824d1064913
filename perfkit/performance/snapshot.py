"""What the performance monitor knows as of now: typed, for pages, JSON and people's own code."""

from __future__ import annotations

import msgspec

from perfkit.performance.blocking.report import BlockedSite

__all__ = ["Breach", "Latency", "PerformanceSnapshot", "RouteSnapshot", "Trend", "WorkerSnapshot"]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency in seconds; each percentile is None where there are fewer than 20 observations behind it."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class RouteSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One method and route over the window.

    Attributes:
        route: Template such as ``/items/{item_id}``; empty for paths that matched no route.
        requests: Requests finished in the window.
        rate: Requests per second.
        errors: Of those, 5xx and exceptions.
        error_rate: errors / requests, 0-1.
        seconds: Total time spent.
        share: Part of the service's total request time, 0-1.
        queries: Statements that a request sends, on average since the service started counting; None where nobody
            counts them, and in what looks at another range than the window.
    """

    method: str
    route: str
    requests: int
    rate: float
    errors: int
    error_rate: float
    seconds: float
    share: float
    latency: Latency
    queries: float | None = None


class WorkerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One live worker process.

    Attributes:
        number: The n of its file, 1 and up; 0 in memory.
        started_at: Unix seconds.
        requests: Requests finished since the service started counting in this worker's file.
        in_flight: Requests that it works on now.
        cpu: Cores used over the last second, 0 and up (1.0 is one full core).
        memory: Resident bytes.
        is_self: True for the worker that answers.
    """

    number: int
    pid: int
    started_at: float
    requests: int
    in_flight: int
    cpu: float | None
    memory: float | None
    threads: int | None
    open_files: int | None
    is_self: bool


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """The last minutes, oldest first, evenly spaced; None where nothing was recorded.

    Attributes:
        step: Seconds between two values.
        rate: Requests per second.
        errors: Error rate, 0-1.
        p50, p95, p99: Latency in seconds.
    """

    step: float
    rate: tuple[float | None, ...] = ()
    errors: tuple[float | None, ...] = ()
    p50: tuple[float | None, ...] = ()
    p95: tuple[float | None, ...] = ()
    p99: tuple[float | None, ...] = ()


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that is exceeded now.

    Attributes:
        name: The field of `performance.thresholds`.
        route: Method and route where that has a target of its own; empty for the service.
        value: What it is now, in the unit of the threshold; of times the 95th percentile.
        since: Unix seconds at which the worker that answers first saw it.
    """

    name: str
    value: float
    threshold: float
    since: float
    route: str = ""


class PerformanceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The service over the window, all workers together.

    Attributes:
        at: Unix seconds.
        window: Seconds looked back; less while the service is younger.
        total_requests: Since the service started counting.
        requests: In the window; so are rate, errors, error_rate, latency and routes.
        in_flight: Requests being worked on now.
        cpu: Cores used by all workers over the last second.
        memory: Resident bytes of all workers.
        uptime: Seconds since the oldest live worker started.
        event_loop_lag: How long what is ready waits for its event loop, over the window.
        queue_time: How long requests waited between proxy and app, over the window; where the proxy tells.
        gc_pause: How long the garbage collector stopped a worker each time, over the window.
        gc_share: Part of the time that it stopped the workers, 0-1; None while nothing is known of the past.
        breaches: The thresholds that are exceeded now.
        blocked: What blocked event loops since the workers started, dearest first, at most ten call sites.
        unavailable: Why a metric is not told on this platform, by its name.
    """

    at: float
    window: float
    total_requests: int
    requests: int
    rate: float
    errors: int
    error_rate: float
    latency: Latency
    in_flight: int
    cpu: float | None
    memory: float | None
    threads: int | None
    open_files: int | None
    uptime: float
    routes: tuple[RouteSnapshot, ...]
    workers: tuple[WorkerSnapshot, ...]
    trend: Trend
    event_loop_lag: Latency = Latency()
    queue_time: Latency = Latency()
    gc_pause: Latency = Latency()
    gc_share: float | None = None
    breaches: tuple[Breach, ...] = ()
    blocked: tuple[BlockedSite, ...] = ()
    unavailable: dict[str, str] = {}

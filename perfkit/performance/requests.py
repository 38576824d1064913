"""Requests by route, out of the store's fine histograms: pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from perfkit.core.errors import MetricError
from perfkit.core.families import Family, Histogram, Point
from perfkit.core.names import CLIENT_DISCONNECTED, OTHER, REQUEST_DURATION, ROUTE_STATEMENTS, route_name
from perfkit.performance.snapshot import Latency, RouteSnapshot, Trend
from perfkit.store.history.columns import TOTAL
from perfkit.store.layout import FINISHED, STARTED
from perfkit.store.quantiles import quantile
from perfkit.store.series.updates import guard

if TYPE_CHECKING:
    from perfkit.store import Column, Store, Tick

__all__ = ["COUNTED", "Total", "record", "summarize", "trend", "with_queries"]

MINIMUM = 20
"""Observations below which a percentile is not shown."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """All routes together."""

    requests: int
    rate: float
    errors: int
    error_rate: float
    latency: Latency


class _Tally:
    """The sum of the series of one route."""

    __slots__ = ("boundaries", "counts", "errors", "seconds")

    def __init__(self) -> None:
        self.boundaries: Sequence[float] = ()
        self.counts: list[float] = []
        self.errors = 0.0
        self.seconds = 0.0

    def add(self, value: Histogram, *, is_error: bool) -> None:
        if self.counts:
            self.counts = list(map(float.__add__, self.counts, map(float, value.counts)))
        else:
            self.boundaries, self.counts = value.boundaries, list(map(float, value.counts))
        self.seconds += value.sum
        if is_error:
            self.errors += sum(value.counts)

    def latency(self) -> Latency:
        count = sum(self.counts)
        if count < 1:
            return Latency()
        if count < MINIMUM:
            return Latency(mean=self.seconds / count)
        p50, p90, p95, p99, top = (quantile(self.boundaries, self.counts, q) for q in (0.5, 0.9, 0.95, 0.99, 1.0))
        return Latency(mean=self.seconds / count, p50=p50, p90=p90, p95=p95, p99=p99, max=top)


def is_error(labels: Sequence[str]) -> bool:
    """Return True if a series with *labels* of the request duration holds failures of the service.

    What found no room of its own, in `OTHER`, is of unknown outcome and does not count as one.
    """
    return labels[4] not in ("", CLIENT_DISCONNECTED, OTHER)


def summarize(points: Iterable[Point], duration: float) -> tuple[Total, tuple[RouteSnapshot, ...]]:
    """Return the total and the routes, busiest first, of request duration *points* over *duration* seconds."""
    whole, routes = _Tally(), dict[tuple[str, str], _Tally]()
    for point in points:
        if isinstance(point.value, Histogram):
            failed = is_error(point.labels)
            whole.add(point.value, is_error=failed)
            routes.setdefault((point.labels[0], point.labels[1]), _Tally()).add(point.value, is_error=failed)
    snapshots = [
        _route(method, route, tally, duration, whole.seconds)
        for (method, route), tally in routes.items()
        if sum(tally.counts) >= 1
    ]
    snapshots.sort(key=lambda each: (-each.share, each.route, each.method))
    requests, errors = round(sum(whole.counts)), round(whole.errors)
    total = Total(
        requests=requests,
        rate=requests / duration if duration > 0 else 0.0,
        errors=errors,
        error_rate=errors / requests if requests else 0.0,
        latency=whole.latency(),
    )
    return total, tuple(snapshots)


def _route(method: str, route: str, tally: _Tally, duration: float, seconds: float) -> RouteSnapshot:
    requests, errors = round(sum(tally.counts)), round(tally.errors)
    return RouteSnapshot(
        method=method,
        route=route,
        requests=requests,
        rate=requests / duration if duration > 0 else 0.0,
        errors=errors,
        error_rate=errors / requests if requests else 0.0,
        seconds=tally.seconds,
        share=tally.seconds / seconds if seconds > 0 else 0.0,
        latency=tally.latency(),
    )


COUNTED = frozenset({REQUEST_DURATION.name, ROUTE_STATEMENTS.name})
"""The families from which `with_queries` knows how many statements a request sends."""


def with_queries(routes: tuple[RouteSnapshot, ...], families: Iterable[Family]) -> tuple[RouteSnapshot, ...]:
    """Return *routes* with the statements a request; as they are where *families* hold none.

    Args:
        routes: Of the window.
        families: Those called `COUNTED`, of all workers since the start.
    """
    requests, sent = dict[str, float](), dict[str, float]()
    for family in families:
        for point in family.points:
            if isinstance(point.value, Histogram):
                name = route_name(point.labels[0], point.labels[1])
                requests[name] = requests.get(name, 0.0) + point.value.count
            elif isinstance(point.value, float):
                sent[point.labels[0]] = point.value
    if not sent:
        return routes
    return tuple(
        msgspec.structs.replace(route, queries=sent.get(name, 0.0) / requests[name]) if requests.get(name) else route
        for route in routes
        for name in (route_name(route.method, route.route),)
    )


NAMES = ("route", "endpoint", "name", "method", "status", "error")
"""The labels of a request that was recorded by hand."""


def record(store: Store, success: bool, duration: float, labels: Mapping[str, str]) -> None:
    """Count one request of *duration* seconds; see `PerformanceMonitor.record_request`."""
    unknown = [name for name in labels if name not in NAMES]
    if unknown:
        raise MetricError(
            f"record_request() was given the label {unknown[0]!r}. The labels of a request are {', '.join(NAMES)}. "
            "Count what else you want to know with a metric of your own."
        )
    seconds = float(duration)
    if not 0.0 <= seconds < float("inf"):
        raise MetricError(
            f"record_request() was given a duration of {duration!r}. It must be seconds from 0 up. "
            "Measure it with start_timer() and end_timer()."
        )
    route = labels.get("route") or labels.get("endpoint") or labels.get("name") or ""
    error = "" if success else str(labels.get("error") or "error")
    row = store.row(
        store.define(REQUEST_DURATION),
        (str(labels.get("method") or ""), str(route), str(labels.get("status") or ""), "", error),
    )
    with guard():
        values = store.values
        values[STARTED] += 1.0
    store.observe(row, seconds)
    with guard():
        values = store.values
        values[FINISHED] += 1.0


def trend(ticks: Iterable[Tick], *, now: float, seconds: float, step: float, column: str = TOTAL) -> Trend:
    """Return *column* of *ticks* of the last *seconds* before *now* (Unix seconds) in slots of *step* seconds.

    A slot holds the rate and error rate of all its ticks, and of the percentiles the highest: averaging percentiles
    would hide what the chart is there to show.
    """
    slots = int(seconds / step)
    groups: list[list[Tick]] = [[] for _ in range(slots)]
    for tick in ticks:
        position = slots - 1 - int((now - tick.at) / step)
        if 0 <= position < slots:
            groups[position].append(tick)
    return Trend(
        step=step,
        rate=tuple(_rate(group, column) for group in groups),
        errors=tuple(_errors(group, column) for group in groups),
        p50=tuple(_highest(group, column, "p50") for group in groups),
        p95=tuple(_highest(group, column, "p95") for group in groups),
        p99=tuple(_highest(group, column, "p99") for group in groups),
    )


def _rate(group: list[Tick], column: str) -> float | None:
    duration = sum(tick.duration for tick in group)
    return sum(each.count for each in _each(group, column)) / duration if duration > 0 else None


def _errors(group: list[Tick], column: str) -> float | None:
    count = sum(each.count for each in _each(group, column))
    return sum(each.errors for each in _each(group, column)) / count if count else None


def _highest(group: list[Tick], column: str, name: str) -> float | None:
    known = [value for each in _each(group, column) if (value := getattr(each, name)) is not None]
    return max(known) if known else None


def _each(group: list[Tick], column: str) -> list[Column]:
    """Return *column* of the ticks that have it: a route has none where it had no request."""
    return [tick.columns[column] for tick in group if column in tick.columns]

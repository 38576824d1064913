"""What takes points from each part of the score: figures of the components, and findings that explain them. Pure.

Speed follows Apdex (Apdex Technical Specification 1.1, 2007): a request within its target counts whole, one within
four times of it half. Deviation: each route has its own target, and a failed request counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from perfkit.advice.ledger.record import BLOCKED_LOOP
from perfkit.advice.ranking import TIME_SHARE
from perfkit.advice.score import Cause
from perfkit.advice.targets import Targets
from perfkit.advice.verdict import FAILING
from perfkit.advice.wording import percent, route_name, seconds
from perfkit.core.families import Histogram, Point
from perfkit.core.findings import Finding, Priority
from perfkit.performance.requests import is_error
from perfkit.performance.snapshot import PerformanceSnapshot

if TYPE_CHECKING:
    from perfkit.cache.snapshot import CacheSnapshot
    from perfkit.database.snapshot import DatabaseSnapshot

__all__ = ["RouteTally", "cache", "database", "errors", "runtime", "speed", "tally", "times_left"]

TOLERATED = 4.0
"""Times its target within which a request counts half."""

MOST_ROUTES = 5
"""Routes that are told by name; the others are one cause."""

EXPLAINS = 0.01
"""Part of all request time from which a finding may be why a route is slow."""

HIT_WEIGHT = 0.8
"""Part of the cache's points for its hit ratio; the rest is for having no stampedes."""

LEAST_LEFT = 0.001
"""Part of a request's time that is left whatever is mended."""

_GAINS = "hit_ratio_gain"


class RouteTally(NamedTuple):
    """The requests of one route: how many, how many failed, and what slowness took from the others, in requests."""

    name: str
    requests: float
    failed: float
    slowness: float
    target: float


def tally(points: Iterable[Point], targets: Targets, left: Mapping[str, float] | None = None) -> list[RouteTally]:
    """Return what each route of the request duration *points* was worth; one bucket is taken as evenly filled.

    Args:
        points: The durations of all requests, with their buckets.
        targets: What is fast enough.
        left: The part of its time that a request would still take, above 0, by route; that of others is as it was.
    """
    parts = left or {}
    found: dict[tuple[str, str], list[float]] = {}
    for point in points:
        if not isinstance(point.value, Histogram):
            continue
        method, route = point.labels[:2]
        sums = found.setdefault((method, route), [0.0, 0.0, 0.0])
        total = point.value.count
        sums[0] += total
        if is_error(point.labels):
            sums[1] += total
        else:
            # To take half as long with this target is to take as long as now with twice of it.
            target = targets.of_route(method, route) / parts.get(route_name(method, route), 1.0)
            good, fair = _within(point.value, target), _within(point.value, TOLERATED * target)
            sums[2] += total - (good + fair) / 2.0
    return [
        RouteTally(route_name(*key), requests, failed, slowness, targets.of_route(*key))
        for key, (requests, failed, slowness) in found.items()
        if requests > 0.0
    ]


def times_left(mended: Iterable[Finding]) -> dict[str, float]:
    """Return by route which part of its time a request would still take if *mended* were: as its p95 is foretold.

    Where that is not foretold a route stays as it is. Several findings of one route may be about the same time, so each
    takes its part of what the others leave.
    """
    left: dict[str, float] = {}
    for finding in mended:
        before, after = finding.estimate.get("p95_from"), finding.estimate.get("p95_to")
        if finding.route and before and after is not None and after < before:
            left[finding.route] = left.get(finding.route, 1.0) * max(LEAST_LEFT, after / before)
    return left


def speed(routes: Sequence[RouteTally], findings: Iterable[Finding]) -> list[Cause]:
    """Return what makes requests slow, by route: the finding about it, else the route itself; and what failed."""
    total = sum(route.requests for route in routes)
    if not total:
        return []
    about: dict[str | None, Finding] = {}
    # Of several about a route, the one that costs it most time; what is known to cost next to nothing explains nothing.
    # That a cache would help is why no request is slow: only where nothing else is known it stands for the points.
    for finding in sorted(findings, key=lambda each: (_is_cache(each), -each.estimate.get(TIME_SHARE, 0.0))):
        if finding.estimate.get(TIME_SHARE, 1.0) >= EXPLAINS:
            about.setdefault(finding.route or finding.object, finding)
    causes = []
    slow = sorted((each for each in routes if each.slowness > 0.0), key=lambda route: -route.slowness)
    for route in slow[:MOST_ROUTES]:
        known = about.get(route.name)
        if known is not None:
            causes.append(_found(known, route.slowness / total))
        else:
            said = f"{route.name} is slower than its target of {seconds(route.target)}"
            causes.append(Cause(said, route.slowness / total))
    rest = sum(route.slowness for route in slow[MOST_ROUTES:])
    if rest:
        causes.append(Cause("other routes are slower than their targets", rest / total))
    failed = sum(route.failed for route in routes)
    if failed:
        causes.append(Cause("failed requests count as slow", failed / total))
    return causes


def errors(performance: PerformanceSnapshot, targets: Targets) -> list[Cause]:
    """Return which routes fail; all points are lost where the verdict says failing."""
    if not performance.errors:
        return []
    limit = FAILING * targets.error_rate
    lost = min(1.0, performance.error_rate / limit) if limit > 0.0 else 1.0
    failing = sorted((each for each in performance.routes if each.errors), key=lambda route: -route.errors)
    causes = [
        Cause(
            f"{route_name(route.method, route.route)} fails {percent(route.error_rate)} of its requests",
            lost * route.errors / performance.errors,
        )
        for route in failing[:MOST_ROUTES]
    ]
    told = sum(route.errors for route in failing[:MOST_ROUTES])
    if told < performance.errors:
        causes.append(Cause("other routes fail", lost * (performance.errors - told) / performance.errors))
    return causes


def database(snapshot: DatabaseSnapshot, requests: int, findings: Iterable[Finding]) -> list[Cause]:
    """Return what takes requests from those without an N+1 and without a slow statement, since the start.

    Which of them met in the same request is not known: it is taken as chance.
    """
    causes = [
        _found(finding, min(1.0, float(finding.evidence.get("requests", 0)) / requests))
        for finding in findings
        if finding.kind == "n_plus_one" and requests
    ]
    for query in snapshot.top:
        if query.slow and requests:
            where = f" at {query.callers[0].site}" if query.callers else ""
            causes.append(Cause(f"{query.summary} is slow{where}", min(1.0, query.slow / requests)))
    met = 1.0 - prod(1.0 - cause.share for cause in causes)
    return _scaled(causes, met)


def cache(
    snapshot: CacheSnapshot, targets: Targets, findings: Iterable[Finding], mended: Iterable[Finding] = ()
) -> list[Cause]:
    """Return what keeps the hit ratio below its target, and stampedes, once the findings *mended* are."""
    own = [finding for finding in findings if finding.component == "cache"]
    causes = []
    storms = [finding for finding in own if finding.kind == "cache_stampede"]
    if storms:
        taken = 1.0 if any(finding.priority is Priority.HIGH for finding in storms) else 0.5
        causes += [_found(finding, taken * (1.0 - HIT_WEIGHT) / len(storms)) for finding in storms]
    ratio = snapshot.hit_ratio
    if ratio is not None:
        ratio += sum(each.estimate[_GAINS] for each in mended if each.component == "cache" and _gains(each))
    if ratio is None or ratio >= targets.hit_ratio:
        return causes
    lost = HIT_WEIGHT * (1.0 - ratio / targets.hit_ratio)
    gains = [_found(each, HIT_WEIGHT * each.estimate[_GAINS] / targets.hit_ratio) for each in own if _gains(each)]
    known = min(lost, sum(cause.share for cause in gains))
    causes += _scaled(gains, known)
    said = f"the hit ratio is {percent(ratio)}, below its target of {percent(targets.hit_ratio)}"
    return [*causes, Cause(said, lost - known)]


def runtime(
    performance: PerformanceSnapshot,
    findings: Iterable[Finding],
    *,
    lag: float,
    has_database: bool,
    mended: Iterable[Finding] = (),
) -> list[Cause]:
    """Return what holds the workers up: event-loop lag, CPU, growing memory, waits for connections.

    Each of the aspects that are known weighs the same.

    Args:
        performance: Its breaches tell CPU and lag.
        findings: All findings.
        lag: Seconds of event-loop lag that are fine; all is lost from four times that.
        has_database: Whether waiting for its connections is an aspect.
        mended: What is taken as mended; the loop is on time again once nothing that is known blocks it.
    """
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    over = {breach.name: breach for breach in performance.breaches}
    delayed = performance.event_loop_lag.p95
    aspects: list[list[Cause]] = []
    if delayed is not None:
        taken = 0.0 if delayed <= lag else 0.5 if delayed <= TOLERATED * lag else 1.0
        said = f"the event loop answers after {seconds(delayed)}, {seconds(lag)} is the target"
        blocked = by_kind.get(BLOCKED_LOOP, [])
        if not blocked and any(each.kind == BLOCKED_LOOP for each in mended):
            taken = 0.0
        aspects.append(_scaled([_found(each, 1.0) for each in blocked] or [Cause(said, 1.0)], taken))
    if performance.cpu is not None:
        breach = over.get("cpu")
        aspects.append([Cause(f"CPU is used to {percent(breach.value)}", 1.0)] if breach else [])
    if performance.memory is not None:
        aspects.append(_scaled([_found(each, 1.0) for each in by_kind.get("memory_growth", [])], 1.0))
    if has_database:
        aspects.append(_scaled([_found(each, 1.0) for each in by_kind.get("pool_too_small", [])], 1.0))
    return [cause._replace(share=cause.share / len(aspects)) for causes in aspects for cause in causes if cause.share]


def _within(histogram: Histogram, limit: float) -> float:
    """Return how many observations are within *limit*."""
    below, low = 0.0, 0.0
    for bound, count in zip(histogram.boundaries, histogram.counts, strict=False):
        if bound > limit:
            return below + count * (limit - low) / (bound - low)
        below, low = below + count, bound
    return below


def _found(finding: Finding, share: float) -> Cause:
    return Cause(finding.message, share, finding.code, finding.fingerprint)


def _is_cache(finding: Finding) -> bool:
    return finding.effect is not None and finding.effect.hit_ratio > 0.0


def _gains(finding: Finding) -> bool:
    return finding.estimate.get(_GAINS, 0.0) > 0.0


def _scaled(causes: Sequence[Cause], total: float) -> list[Cause]:
    """Return *causes* with shares in the same proportions that add up to *total*."""
    known = sum(cause.share for cause in causes)
    return [cause._replace(share=total * cause.share / known) for cause in causes] if known else []

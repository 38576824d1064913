"""What changed between two overviews. Pure.

A latency is worse from one part more than before (the tolerance) and 5 ms, and from more than chance explains
(`perfkit.cli.comparing.noise`): our percentiles are within 6 %, and a millisecond more of a fast route is no news. An
error rate is worse from half a point more and three standard errors of the difference of two proportions (the pooled
two-proportion z-test). Only what at least 50 requests on both sides say counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from perfkit.advice.ranking import identity
from perfkit.advice.wording import percent, route_name, seconds
from perfkit.cli.comparing.noise import DEVIATIONS, noise
from perfkit.cli.reading.overview import Overview
from perfkit.core.findings import Finding
from perfkit.performance.snapshot import PerformanceSnapshot, RouteSnapshot

__all__ = ["ENOUGH", "Change", "Comparison", "compared"]

ENOUGH = 50
"""Requests on each side from which a number counts."""
NOTABLE_SECONDS = 0.005
NOTABLE_SHARE = 0.005
NOTABLE_POINTS = 3


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One number before and after; None where it was not known.

    Attributes:
        subject: The route, or empty for the service.
        name: ``p50``, ``p95``, ``errors`` or ``score``.
        verdict: ``better``, ``worse``, ``same``, or ``unknown`` where too few requests tell.
        noise: By how much chance alone may move it; None where too few requests tell.
    """

    subject: str
    name: str
    before: float | None
    after: float | None
    verdict: str
    noise: float | None = None

    @property
    def words(self) -> tuple[str, str, str]:
        """Both values and what chance explains, as people read them."""
        if self.name == "score":
            return _points(self.before), _points(self.after), ""
        say = percent if self.name == "errors" else seconds
        return say(self.before), say(self.after), "" if self.noise is None else f"±{say(self.noise)}"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to be said about two overviews.

    Attributes:
        new, gone: Findings that only the later, or only the earlier one has.
    """

    changes: tuple[Change, ...]
    new: tuple[Finding, ...]
    gone: tuple[Finding, ...]

    @property
    def is_worse(self) -> bool:
        """True where a number got worse, or something new was found."""
        return bool(self.new) or any(change.verdict == "worse" for change in self.changes)


def compared(before: Overview, after: Overview, *, tolerance: float) -> Comparison:
    """Compare *after* with *before*; *tolerance* is the part by which a latency may grow, 0 and up."""
    had = {identity(finding): finding for finding in before.recommendations}
    has = {identity(finding): finding for finding in after.recommendations}
    return Comparison(
        changes=tuple(_changes(before, after, tolerance)),
        new=tuple(finding for key, finding in has.items() if key not in had),
        gone=tuple(finding for key, finding in had.items() if key not in has),
    )


def _changes(before: Overview, after: Overview, tolerance: float) -> Iterator[Change]:
    yield _score(before, after)
    old, new = before.performance, after.performance
    if old is None or new is None:
        return
    yield from _latencies("", old, new, tolerance)
    earlier = {(route.method, route.route): route for route in old.routes}
    for route in new.routes:
        known = earlier.get((route.method, route.route))
        if known is not None:
            yield from _latencies(route_name(route.method, route.route), known, route, tolerance)


def _score(before: Overview, after: Overview) -> Change:
    if before.score is None or after.score is None:
        values = [float(each.score.value) if each.score is not None else None for each in (before, after)]
        return Change(subject="", name="score", before=values[0], after=values[1], verdict="unknown")
    was, now = float(before.score.value), float(after.score.value)
    # Of points, less is worse.
    return Change(subject="", name="score", before=was, after=now, verdict=_verdict(now, was, NOTABLE_POINTS))


def _latencies(
    subject: str,
    before: PerformanceSnapshot | RouteSnapshot,
    after: PerformanceSnapshot | RouteSnapshot,
    tolerance: float,
) -> Iterator[Change]:
    enough = before.requests >= ENOUGH and after.requests >= ENOUGH
    for name, quantile in (("p50", 0.5), ("p95", 0.95)):
        was, now = getattr(before.latency, name), getattr(after.latency, name)
        if not enough or was is None or now is None:
            yield Change(subject=subject, name=name, before=was, after=now, verdict="unknown")
            continue
        faster, slower = (before, after) if was <= now else (after, before)
        chance = noise((faster.latency, faster.requests), (slower.latency, slower.requests), quantile)
        verdict = _verdict(was, now, max(NOTABLE_SECONDS, chance), tolerance)
        yield Change(subject=subject, name=name, before=was, after=now, verdict=verdict, noise=chance)
    was, now = before.error_rate, after.error_rate
    if not enough:
        yield Change(subject=subject, name="errors", before=was, after=now, verdict="unknown")
        return
    chance = DEVIATIONS * _standard_error(before, after)
    verdict = _verdict(was, now, max(NOTABLE_SHARE, chance))
    yield Change(subject=subject, name="errors", before=was, after=now, verdict=verdict, noise=chance)


def _standard_error(before: PerformanceSnapshot | RouteSnapshot, after: PerformanceSnapshot | RouteSnapshot) -> float:
    pooled = (before.errors + after.errors) / (before.requests + after.requests)
    return math.sqrt(max(0.0, pooled * (1.0 - pooled)) * (1.0 / before.requests + 1.0 / after.requests))


def _verdict(before: float, after: float, least: float, tolerance: float = 0.0) -> str:
    """Say whether more is worse by at least *least*, and by the part *tolerance*."""
    if after - before >= least and after > before + before * tolerance:
        return "worse"
    return "better" if before - after >= least and before > after + after * tolerance else "same"


def _points(value: float | None) -> str:
    return "—" if value is None else f"{value:.0f}"

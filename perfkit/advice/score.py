"""The score: 0 to 100, and where each lost point went. Pure.

Each part gets the shares of itself that its causes take; parts of which nothing is known are left out and the others
scaled to 100. Points are whole numbers: what is lost in all is rounded once and then dealt out by largest remainder
(Hamilton's method), first to the parts, then to the causes of each, so that every sum is exact. The
arithmetic is exact, too, as binary fractions would lose a point now and then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from perfkit.core.findings import Finding
from perfkit.core.status import Status

__all__ = ["VERSION", "WEIGHTS", "Cause", "Loss", "Outlook", "Part", "Score", "band", "outlook", "score"]

VERSION = 1
"""Of the formula; it is told with each score."""

WEIGHTS = {"speed": 40, "errors": 25, "database": 15, "cache": 10, "runtime": 10}
"""Points of each part where all are known."""

HEALTHY, DEGRADED = 85, 60
"""The least scores of the two better bands."""

HYSTERESIS = 3
"""Points beyond an edge before the band changes."""


class Cause(NamedTuple):
    """What takes a *share* (0-1) of one part; code and fingerprint where a finding is the cause."""

    reason: str
    share: float
    code: str = ""
    fingerprint: str = ""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Points lost to one cause.

    Attributes:
        points: Whole points of the score, 1 and up.
        reason: One phrase that says why.
        code, fingerprint: Of the finding behind it; empty where no finding explains it.
    """

    points: int
    reason: str
    code: str = ""
    fingerprint: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the score: `points` and those of `losses` add up to `maximum`."""

    name: str
    points: int
    maximum: int
    losses: tuple[Loss, ...] = ()


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How good the service is.

    Attributes:
        value: 0-100, the sum of the parts' points; their maxima add up to 100.
        status: The band: healthy from 85, warning from 60, critical below; no better than warning while a critical
            alert fires. It changes three points beyond these.
        left_out: Parts that were not scored, and why.
        is_capped: True where only a critical alert keeps the band from being healthy.
        version: Of the formula.
    """

    value: int
    status: Status
    parts: tuple[Part, ...]
    left_out: dict[str, str] = {}
    is_capped: bool = False
    version: int = VERSION


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What the score would be about if the first findings that cost points were mended.

    Attributes:
        score: 0-100.
        fingerprints: Of these findings.
    """

    score: int
    fingerprints: tuple[str, ...]


def outlook(
    made: Score, findings: Sequence[Finding], again: Callable[[Sequence[Finding]], Score | None], *, most: int = 2
) -> Outlook | None:
    """Return what *made* would be without the first *most* of the ranked *findings* that cost points.

    Args:
        made: The score as it is.
        findings: Ranked.
        again: Scores anew as if the findings that it is given were mended, and all else were as it is.
        most: Findings that are taken as mended.

    Returns:
        None where none costs points, or the score would stay as it is: then something else holds it down, too.
    """
    costly = {loss.fingerprint for part in made.parts for loss in part.losses if loss.fingerprint}
    first = [finding for finding in findings if finding.fingerprint in costly][:most]
    then = again(first) if first else None
    if then is None or then.value <= made.value:
        return None
    return Outlook(score=then.value, fingerprints=tuple(each.fingerprint for each in first))


def score(
    causes: Mapping[str, Sequence[Cause]],
    left_out: Mapping[str, str] | None = None,
    *,
    before: Status = Status.UNKNOWN,
    is_alerting: bool = False,
) -> Score | None:
    """Return the score; None where no part is known.

    Args:
        causes: What takes how much of each known part; a part that lost nothing has none.
        left_out: Why other parts are not known.
        before: The band of the last score.
        is_alerting: True while a critical alert fires.
    """
    names = [name for name in WEIGHTS if name in causes]
    if not names:
        return None
    known = sum(WEIGHTS[name] for name in names)
    maxima = _dealt([Fraction(100 * WEIGHTS[name], known) for name in names], 100)
    shares = [_shares(causes[name]) for name in names]
    losses = [maximum * sum(each, start=Fraction()) for maximum, each in zip(maxima, shares, strict=True)]
    lost = _dealt(losses, round(sum(losses, start=Fraction())))
    parts = []
    for name, maximum, missing, each in zip(names, maxima, lost, shares, strict=True):
        points = _dealt([maximum * share for share in each], missing)
        told = [
            Loss(points=taken, reason=cause.reason, code=cause.code, fingerprint=cause.fingerprint)
            for cause, taken in zip(causes[name], points, strict=True)
            if taken
        ]
        told.sort(key=lambda loss: -loss.points)
        parts.append(Part(name=name, points=maximum - missing, maximum=maximum, losses=tuple(told)))
    value = sum(part.points for part in parts)
    status = band(value, before, is_alerting=is_alerting)
    return Score(
        value=value,
        status=status,
        parts=tuple(parts),
        left_out=dict(left_out or {}),
        is_capped=is_alerting and status is not band(value, before),
    )


def band(value: int, before: Status = Status.UNKNOWN, *, is_alerting: bool = False) -> Status:
    """Return the band of *value*, after a score in the band *before*."""
    healthy = HEALTHY + _shift(before, above=before is Status.HEALTHY)
    degraded = DEGRADED + _shift(before, above=before is not Status.CRITICAL)
    status = Status.HEALTHY if value >= healthy else Status.WARNING if value >= degraded else Status.CRITICAL
    return Status.WARNING if is_alerting and status is Status.HEALTHY else status


def _shift(before: Status, *, above: bool) -> int:
    if before is Status.UNKNOWN:
        return 0
    return -HYSTERESIS if above else HYSTERESIS


def _shares(causes: Sequence[Cause]) -> list[Fraction]:
    """Return the causes' shares, none below 0; scaled down where together they would take more than all."""
    shares = [Fraction(max(0.0, cause.share)) if math.isfinite(cause.share) else Fraction() for cause in causes]
    total = sum(shares, start=Fraction())
    return [share / total for share in shares] if total > 1 else shares


def _dealt(wished: Sequence[Fraction], total: int) -> list[int]:
    """Return whole numbers next to *wished* whose sum is *total*: the sum of *wished*, rounded up or down."""
    dealt = [math.floor(value) for value in wished]
    order = sorted(range(len(wished)), key=lambda at: dealt[at] - wished[at])
    for at in order[: total - sum(dealt)]:
        dealt[at] += 1
    return dealt

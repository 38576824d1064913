"""Limits that a service is held against. Pure: the same overview and the same limits give the same outcome."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from perfkit.advice.ranking import identity
from perfkit.advice.wording import count, percent, seconds
from perfkit.cli.reading.overview import Overview
from perfkit.core.findings import Finding
from perfkit.core.status import Status

__all__ = ["ENOUGH", "Limits", "Outcome", "judged", "new_findings"]

ENOUGH = 20
"""Requests in the window below which nobody knows an error rate or a percentile."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold.

    Attributes:
        p95: Seconds that the 95th percentile may take; None: no such limit.
        errors: Share of requests that may fail, 0-1.
        score: The least score.
        known: Identities of findings that may be there; all others are new. None: findings do not count.
    """

    p95: float | None = None
    errors: float | None = None
    score: int | None = None
    known: frozenset[str] | None = None

    @property
    def is_empty(self) -> bool:
        """True where nothing is limited."""
        return self == Limits()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One limit and what became of it.

    Attributes:
        name: ``p95``, ``errors``, ``score``, ``status`` or ``findings``.
        passed: False also where nobody knows: a gate that lets through what was not measured is none.
        value, limit: In words.
    """

    name: str
    passed: bool
    value: str
    limit: str

    @property
    def sentence(self) -> str:
        """Both in one sentence."""
        return f"{self.name} is {self.value}, the limit is {self.limit}"


def judged(overview: Overview, limits: Limits) -> list[Outcome]:
    """Hold *overview* against *limits*; where there are none, against the service's own targets and its verdict."""
    if limits.is_empty:
        targets = overview.targets
        limits = Limits(p95=targets.p95, errors=targets.error_rate)
        return [_status(overview), *_measured(overview, limits)]
    return [*_measured(overview, limits), *_findings(overview, limits)]


def new_findings(overview: Overview, known: Collection[str]) -> list[Finding]:
    """Return the findings of *overview* that are not among the *known* ones."""
    return [finding for finding in overview.recommendations if identity(finding) not in known]


def _status(overview: Overview) -> Outcome:
    status = overview.verdict.status
    is_known = status is not Status.UNKNOWN
    return Outcome(
        name="status", passed=is_known and status is not Status.CRITICAL, value=status.word, limit="Degraded at worst"
    )


def _measured(overview: Overview, limits: Limits) -> Iterator[Outcome]:
    performance = overview.performance
    requests = performance.requests if performance is not None else 0
    unknown = f"not known after {count(requests, 'request')}"
    if limits.p95 is not None:
        p95 = performance.latency.p95 if performance is not None else None
        said = unknown if p95 is None else seconds(p95)
        yield Outcome(name="p95", passed=p95 is not None and p95 <= limits.p95, value=said, limit=seconds(limits.p95))
    if limits.errors is not None:
        rate = performance.error_rate if performance is not None and requests >= ENOUGH else None
        said = unknown if rate is None else percent(rate)
        passed = rate is not None and rate <= limits.errors
        yield Outcome(name="errors", passed=passed, value=said, limit=percent(limits.errors))
    if limits.score is not None:
        score = overview.score.value if overview.score is not None else None
        said = unknown if score is None else str(score)
        passed = score is not None and score >= limits.score
        yield Outcome(name="score", passed=passed, value=said, limit=f"{limits.score} or more")


def _findings(overview: Overview, limits: Limits) -> Iterator[Outcome]:
    if limits.known is None:
        return
    fresh = len(new_findings(overview, limits.known))
    yield Outcome(name="findings", passed=not fresh, value=f"{fresh} new", limit="none new")

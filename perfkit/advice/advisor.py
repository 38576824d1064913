"""Gathers what the components know, for the ranking and the score. Reads snapshots, findings and the store; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from perfkit.advice import causes
from perfkit.advice.ranking import Load, rank
from perfkit.advice.score import Cause, Score, score
from perfkit.advice.targets import Targets
from perfkit.advice.verdict import Verdict, bounded, summarize
from perfkit.core.families import Histogram
from perfkit.core.findings import Finding
from perfkit.core.names import REQUEST_DURATION
from perfkit.core.status import Status
from perfkit.store import Store

__all__ = ["Advisor"]

LOOKUPS = 100
"""Look-ups from which a cache is in use."""


class Advisor:
    """What to do first, and how good it is. Thread-safe: all it keeps is the last band, one assignment.

    The band is kept by each worker for itself, so within three points of an edge two workers may differ in it; the
    score and its parts are the same.
    """

    def __init__(
        self, store: Store, findings: Callable[[], Iterable[Finding]], targets: Targets, *, window: float
    ) -> None:
        """Read from *store* and from what all components report; *window* is in seconds."""
        self._store, self._findings, self._targets, self._window = store, findings, targets, window
        self._band = Status.UNKNOWN

    def recommend(self) -> list[Finding]:
        """Return the findings of all components, the most urgent first."""
        return rank(self._findings(), self._load())

    def summarize(self, snapshots: Mapping[str, Any], findings: Sequence[Finding], score: Score | None) -> Verdict:
        """Return the verdict, no better than the band of *score*, or which of two components is switched off."""
        performance, health = snapshots.get("performance"), snapshots.get("health")
        if performance is not None and health is not None:
            return bounded(summarize(performance, health, self._targets, findings), score)
        off = "performance" if performance is None else "health"
        headline = f"No verdict: {off} is switched off"
        return Verdict(status=Status.UNKNOWN, headline=headline, action=f"Set {off}.enabled to true.")

    def judge(self, snapshots: Mapping[str, Any], findings: Sequence[Finding]) -> Score | None:
        """Return the score; None while there are too few requests.

        Args:
            snapshots: Each component's, by its word.
            findings: Of all components.
        """
        performance = snapshots.get("performance")
        if performance is None or not performance.requests or performance.total_requests < self._targets.requests:
            self._band = Status.UNKNOWN
            return None
        alerts = snapshots.get("alerts")
        parts, left_out = self._causes(snapshots, findings)
        is_alerting = alerts is not None and alerts.status is Status.CRITICAL
        made = score(parts, left_out, before=self._band, is_alerting=is_alerting)
        self._band = Status.UNKNOWN if made is None else made.status
        return made

    def _causes(
        self, snapshots: Mapping[str, Any], findings: Sequence[Finding]
    ) -> tuple[dict[str, list[Cause]], dict[str, str]]:
        performance, targets = snapshots["performance"], self._targets
        database, cache = snapshots.get("database"), snapshots.get("cache")
        uses_database = database is not None and database.statements > 0
        routes = causes.tally(self._store.window(self._window).points, targets)
        parts = {
            "speed": causes.speed(routes, findings),
            "errors": causes.errors(performance, targets),
            "runtime": causes.runtime(performance, findings, lag=targets.event_loop_lag, has_database=uses_database),
        }
        left_out = {}
        if database is not None and uses_database:
            parts["database"] = causes.database(database, performance.total_requests, findings)
        else:
            left_out["database"] = "no statement was seen"
        if cache is not None and cache.hits + cache.misses + cache.stale_hits + cache.remote_hits >= LOOKUPS:
            parts["cache"] = causes.cache(cache, targets, findings)
        else:
            left_out["cache"] = f"fewer than {LOOKUPS} look-ups"
        return parts, left_out

    def _load(self) -> Load:
        families = self._store.families({REQUEST_DURATION.name})
        histograms = [point.value for family in families for point in family.points]
        spent = [each for each in histograms if isinstance(each, Histogram)]
        return Load(requests=int(sum(each.count for each in spent)), seconds=sum(each.sum for each in spent))

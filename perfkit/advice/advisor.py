"""Gathers what the components know, for the ranking and the score. Reads snapshots, findings and the store; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from perfkit.advice import causes
from perfkit.advice.foresight import Foresight
from perfkit.advice.ledger.keeper import Keeper, Told
from perfkit.advice.ledger.record import Snoozed
from perfkit.advice.ranking import MOST, Load, led_by, rank
from perfkit.advice.score import Cause, Outlook, Score, outlook, score
from perfkit.advice.targets import Targets
from perfkit.advice.verdict import Verdict, bounded, summarize
from perfkit.core.context import Context
from perfkit.core.families import Histogram, Point
from perfkit.core.findings import Finding, State
from perfkit.core.names import REQUEST_DURATION
from perfkit.core.status import Status

if TYPE_CHECKING:
    from perfkit.recorder import FlightRecorder

__all__ = ["Advice", "Advisor"]

LOOKUPS = 100
"""Look-ups from which a cache is in use."""


class Advice(NamedTuple):
    """What there is to say of the service as of now.

    Attributes:
        verdict: In a sentence.
        score: None while there are too few requests.
        outlook: What it would be without the first findings; None where it is None, or would stay as it is.
        findings: What to do, the first thing first: that which the verdict names, where that is one of them.
        snoozed: What nobody wants to hear of now.
    """

    verdict: Verdict
    score: Score | None
    outlook: Outlook | None
    findings: list[Finding]
    snoozed: tuple[Snoozed, ...]


class Advisor:
    """What to do first, and how good it is, the same in all workers. Thread-safe.

    Attributes:
        keeper: What became of the findings.
    """

    def __init__(
        self,
        context: Context,
        told: Told,
        targets: Targets,
        *,
        window: float,
        recorder: Callable[[], FlightRecorder | None] = lambda: None,
    ) -> None:
        """Read the store and what all components report.

        Args:
            context: Of the system.
            told: The findings of the components that are awake.
            targets: What the score compares with.
            window: Seconds that the score looks back.
            recorder: Returns who keeps requests, None where nobody does.
        """
        self._store, self._context, self._targets, self._window = context.store, context, targets, window
        self.keeper = Keeper(context, told)
        self._foresight = Foresight(context, recorder)

    def findings(self) -> list[Finding]:
        """Return the findings of all components with their states, in no order."""
        return self.keeper.with_states(self._context.findings())

    def recommend(self, findings: Iterable[Finding] | None = None) -> list[Finding]:
        """Return *findings* (None: those of all components) that are open, the most urgent first."""
        found = self.findings() if findings is None else findings
        return rank(self._foresight.told(found), self._load())

    def advise(self, snapshots: Mapping[str, Any]) -> Advice:
        """Return all there is to say, in one order: of *snapshots*, each component's by its word.

        What is snoozed is not told, but costs its points all the same: not to hear of it makes no request faster.
        """
        known = self.findings()
        found = rank(self._foresight.told(known), self._load(), most=2 * MOST, with_snoozed=True)
        ranked = [each for each in found if each.state is not State.SNOOZED][:MOST]
        points = self._store.past.recorded(self._window).points
        made = self.judge(snapshots, found, points)
        verdict = self.summarize(snapshots, ranked, made)
        findings = led_by(verdict.finding, ranked)

        def again(mended: Sequence[Finding]) -> Score | None:
            rest = [each for each in found if each not in mended]
            return score(*self._causes(snapshots, rest, points, mended))

        ahead = outlook(made, findings, again) if made is not None else None
        return Advice(verdict, made, ahead, findings, self.keeper.snoozed(known))

    def summarize(self, snapshots: Mapping[str, Any], findings: Sequence[Finding], score: Score | None) -> Verdict:
        """Return the verdict, no better than the band of *score*, or which of two components is switched off."""
        performance, health = snapshots.get("performance"), snapshots.get("health")
        if performance is not None and health is not None:
            return bounded(summarize(performance, health, self._targets, findings), score)
        off = "performance" if performance is None else "health"
        headline = f"No verdict: {off} is switched off"
        return Verdict(status=Status.UNKNOWN, headline=headline, action=f"Set {off}.enabled to true.")

    def judge(self, snapshots: Mapping[str, Any], findings: Sequence[Finding], points: Sequence[Point]) -> Score | None:
        """Return the score; None while there are too few requests.

        Args:
            snapshots: Each component's, by its word.
            findings: Of all components.
            points: The durations of the requests that are judged.
        """
        performance = snapshots.get("performance")
        if performance is None or not performance.requests or performance.total_requests < self._targets.requests:
            return None
        alerts = snapshots.get("alerts")
        parts, left_out = self._causes(snapshots, findings, points)
        is_alerting = alerts is not None and alerts.status is Status.CRITICAL
        journal = self.keeper.journal
        made = score(parts, left_out, before=journal.band, is_alerting=is_alerting)
        if made is not None and made.status is not journal.band:
            journal.say_band(made.status)
        return made

    def _causes(
        self,
        snapshots: Mapping[str, Any],
        findings: Sequence[Finding],
        points: Sequence[Point],
        mended: Sequence[Finding] = (),
    ) -> tuple[dict[str, list[Cause]], dict[str, str]]:
        """Return what takes points, and the parts of which nothing is known, once those *mended* are."""
        performance, targets = snapshots["performance"], self._targets
        database, cache = snapshots.get("database"), snapshots.get("cache")
        uses_database = database is not None and database.statements > 0
        routes = causes.tally(points, targets, causes.times_left(mended))
        parts = {
            "speed": causes.speed(routes, findings),
            "errors": causes.errors(performance, targets),
            "runtime": causes.runtime(
                performance, findings, lag=targets.event_loop_lag, has_database=uses_database, mended=mended
            ),
        }
        left_out = {}
        if database is not None and uses_database:
            parts["database"] = causes.database(database, performance.total_requests, findings)
        else:
            left_out["database"] = "no statement was seen"
        if cache is not None and cache.hits + cache.misses + cache.stale_hits + cache.remote_hits >= LOOKUPS:
            parts["cache"] = causes.cache(cache, targets, findings, mended)
        else:
            left_out["cache"] = f"fewer than {LOOKUPS} look-ups"
        return parts, left_out

    def _load(self) -> Load:
        families = self._store.families({REQUEST_DURATION.name})
        histograms = [point.value for family in families for point in family.points]
        spent = [each for each in histograms if isinstance(each, Histogram)]
        return Load(requests=int(sum(each.count for each in spent)), seconds=sum(each.sum for each in spent))

"""The keeper: has the leader observe the findings every few seconds, and answers for the ledger in any worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from perfkit.advice.ledger.counts import Counts, counts_of
from perfkit.advice.ledger.git import release_of
from perfkit.advice.ledger.journal import Checkpoint, Journal, Snooze
from perfkit.advice.ledger.ledger import Ledger
from perfkit.advice.ledger.record import Fixed, Record, Release, Snoozed, fixed_of
from perfkit.advice.ranking import identity
from perfkit.core import shells
from perfkit.core.context import Context
from perfkit.core.errors import FindingNotFoundError
from perfkit.core.families import Histogram, Point
from perfkit.core.findings import Finding, State
from perfkit.core.names import PROCESS_MEMORY, REQUEST_DURATION, ROUTE_STATEMENTS
from perfkit.performance.blocking.metrics import BLOCKED_SECONDS

__all__ = ["LONGEST", "Keeper", "Told"]

TELL_INTERVAL = 5.0
"""Seconds between two checkpoints where no state changed."""

KEEP_INTERVAL = 60.0
"""Seconds between two that are written for the next leader where none did."""

LONGEST = 366 * 86_400.0
"""Seconds that a finding may be snoozed."""

Told = Callable[[], Iterable[tuple[str, list[Finding] | None]]]
"""Yields the findings of each component that is awake, by its word; None where it could not be asked."""


class Keeper:
    """What became of the findings, the same in all workers. Thread-safe; reads never wait."""

    def __init__(self, context: Context, told: Told) -> None:
        """Observe what *told* yields."""
        self._context, self._told = context, told
        self._store, self._clock = context.store, context.clock
        self.journal = Journal(context.store, context.errors)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._ledger = Ledger()
        self._leads = self._is_busy = self._has_found = False
        self._number = 0
        self._told_at = self._kept_at = float("-inf")
        self._found_release: str | None = None

    @property
    def release(self) -> str | None:
        """The release of the app: what somebody said at run time, the setting, else what git has checked out."""
        switched = self.journal.switched
        return switched.name if switched is not None else self._context.release or self._found_release

    @property
    def releases(self) -> tuple[Release, ...]:
        """The changes of the release, the latest last."""
        return self.journal.releases

    def tick(self, _now: float) -> None:
        """Have the worker for slow work observe, if this worker leads."""
        self._notice_fork()
        if self._is_busy or (self._has_found and not self._store.is_leader):
            self._leads = self._leads and self._store.is_leader
            return
        self._is_busy = True
        shells.defer(self._observe_later)

    def _observe_later(self) -> None:
        try:
            with self._context.errors.guarded("advice", "the findings could not be looked at"):
                self.observe()
        finally:
            self._is_busy = False

    def close(self) -> None:
        """Write for the next leader, or for after a restart, what is known by now; nothing where another worker leads.

        Without it the requests of the last minute before a new release would be taken for that release's own.
        """
        self._notice_fork()
        if not self._leads or not self._store.is_shared:
            return
        if not self._is_busy:
            self.observe()
        if self._ledger.records:
            self._tell(self._clock.time(), is_new=True)

    def observe(self) -> None:
        """Look at the findings once, if this worker leads. One thread at a time."""
        self._notice_fork()
        now = self._clock.time()
        if not self._has_found:
            self._find(now)
        if not self._store.is_leader:
            self._leads = False
            return
        if not self._leads:
            known = self.journal.find()
            self._ledger.load(known.records if known is not None else (), now)
            self._number = known.number if known is not None else 0
            self._leads = True
        findings: dict[str, Finding] = {}
        asked = set()
        for component, found in self._told():
            if found is not None:
                asked.add(component)
                # What a component itself saw mended (an index that is there now) is not told any more.
                findings.update((identity(each), each) for each in found if not each.state.is_over)
        is_reopened = self._reopen(now)
        if not findings and not self._ledger.records:
            return
        is_new = self._ledger.observe(
            findings,
            self._counts(),
            now,
            release=self.release or "",
            is_known=lambda finding: finding.component in asked,
        )
        self._tell(now, is_new=is_new or is_reopened)

    def snooze(self, fingerprint: str, seconds: float) -> Snooze:
        """Hear nothing of a finding for *seconds*, in all workers.

        Raises:
            FindingNotFoundError: No such finding is known.
            ValueError: The time is not more than 0 and at most a year.
        """
        if not 0.0 < seconds <= LONGEST:
            raise ValueError(
                f"A finding was to be snoozed for {seconds:g} seconds. It must be more than 0 and at most a year. "
                "Give another time."
            )
        self._check(fingerprint)
        now = self._clock.time()
        snooze = Snooze(fingerprint=fingerprint, until=now + seconds, at=self._later(fingerprint, now))
        self.journal.say(snooze)
        return snooze

    def reopen(self, fingerprint: str) -> None:
        """Hear of a snoozed finding again, and take a fixed one as open, in all workers.

        Raises:
            FindingNotFoundError: No such finding is known.
        """
        self._check(fingerprint)
        now = self._clock.time()
        self.journal.say(Snooze(fingerprint=fingerprint, until=0.0, at=self._later(fingerprint, now)))

    def mark_release(self, name: str) -> None:
        """Say that all workers run the release *name* from now on."""
        if not self._has_found:
            self._find(self._clock.time())  # which release there was before is to be known, however soon another comes
        self.journal.say(Release(name=name, at=self._clock.time()), is_switch=True)

    def with_states(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return *findings* with their state and when they were first and last seen."""
        records, now = self._records(), self._clock.time()
        return [self._with_state(finding, records.get(identity(finding)), now) for finding in findings]

    def fixed(self) -> tuple[Fixed, ...]:
        """Return what was fixed, the latest first."""
        records = [each for each in self._records().values() if each.state is State.FIXED]
        records.sort(key=lambda each: -each.changed_at)
        return tuple(fixed_of(each) for each in records)

    def snoozed(self, findings: Iterable[Finding]) -> tuple[Snoozed, ...]:
        """Return those of *findings*, which have their states, that are snoozed, and until when."""
        snoozes = self.journal.snoozes
        kept = [each for each in findings if each.state is State.SNOOZED and each.fingerprint in snoozes]
        return tuple(Snoozed(finding=each, until=snoozes[each.fingerprint].until) for each in kept)

    def _with_state(self, finding: Finding, record: Record | None, now: float) -> Finding:
        name = identity(finding)
        state = State.OPEN if record is None else record.state
        if finding.state is State.FIXED:
            state = State.FIXED
        snooze = self.journal.snoozes.get(name)
        if snooze is not None and now < snooze.until and not state.is_over:
            state = State.SNOOZED
        return msgspec.structs.replace(
            finding,
            fingerprint=name,
            state=state,
            first_seen=None if record is None else record.first_seen,
            last_seen=None if record is None else record.last_seen,
        )

    def _records(self) -> Mapping[str, Record]:
        # The leader too says what it told the others: so all say the same.
        received = self.journal.states.received
        return {} if received is None else {each.finding.fingerprint: each for each in received.records}

    def _check(self, fingerprint: str) -> None:
        if fingerprint in self._records() or fingerprint in self.journal.snoozes:
            return
        if any(identity(finding) == fingerprint for finding in self._context.findings()):
            return
        raise FindingNotFoundError(
            f"There is no finding {fingerprint[:200]!r}. It must be the fingerprint of one that was told. "
            "Take it from get_optimization_recommendations()."
        )

    def _later(self, fingerprint: str, now: float) -> float:
        """Return a time of saying that is later than that of what was said before, whatever the clock did."""
        known = self.journal.snoozes.get(fingerprint)
        return now if known is None else max(now, known.at + 1e-6)

    def _find(self, now: float) -> None:
        """Once in a process: learn what was known, and say which release this is."""
        self._has_found = True
        context = self._context
        self.journal.find()
        switched = self.journal.switched
        born = min((each.started_at for each in self._store.workers() if each.is_alive), default=now)
        if switched is not None and switched.at < born:
            self.journal.switched = None  # it was said of workers that are gone
        if context.release is None and context.environment != "testing":
            self._found_release = release_of(Path.cwd())
        release = self.release
        if release and (not self.releases or self.releases[-1].name != release):
            self.journal.say(Release(name=release, at=now))

    def _reopen(self, now: float) -> bool:
        """Open again what somebody said is not fixed; return whether there was such a thing."""
        before = self._ledger.records
        for snooze in list(self.journal.snoozes.values()):
            record = self._ledger.records.get(snooze.fingerprint)
            if record is not None and snooze.until < snooze.at and snooze.at >= record.changed_at:
                self._ledger.reopen(snooze.fingerprint, now)
        return self._ledger.records is not before

    def _counts(self) -> dict[str, Counts]:
        points: list[Point] = []
        queries: dict[str, float] = {}
        memory: float | None = None
        blocked = 0.0
        names = {REQUEST_DURATION.name, ROUTE_STATEMENTS.name, PROCESS_MEMORY.name, BLOCKED_SECONDS.name}
        for family in self._store.families(names, detailed=True, polite=True):
            for point in family.points:
                if isinstance(point.value, Histogram):
                    points.append(point)
                elif isinstance(point.value, float) and family.definition.name == PROCESS_MEMORY.name:
                    memory = point.value
                elif isinstance(point.value, float) and family.definition.name == BLOCKED_SECONDS.name:
                    blocked += point.value
                elif isinstance(point.value, float):
                    queries[point.labels[0]] = point.value
        return counts_of(points, queries, memory=memory, at=self._clock.time(), blocked=blocked)

    def _tell(self, now: float, *, is_new: bool) -> None:
        if not is_new and now - self._told_at < TELL_INTERVAL:
            return
        if not self._store.lease.is_still_mine(self._clock.monotonic()):
            return
        self._told_at = now
        self._number += 1
        checkpoint = Checkpoint(
            generation=self._store.lease.generation,
            number=self._number,
            at=now,
            records=list(self._ledger.records.values()),
            snoozes=[each for each in self.journal.snoozes.values() if each.until > now],
            releases=list(self.releases),
            band=self.journal.band,
        )
        self.journal.states.tell(checkpoint)
        if self._store.is_shared and (is_new or now - self._kept_at >= KEEP_INTERVAL):
            self._kept_at = now
            self.journal.states.keep(checkpoint)

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()
            self.journal.forget()

"""The ledger: what became of each problem that was ever told. Pure: time, findings and counts are given to it.

A problem is *open* from when it is first told. It is *fixed* once its route has answered 100 requests and it was met
in none of them, and *returned* when it is met again. A hundred is not enough for what is seldom met: so many must have
passed that seven meetings were to be expected (if it were still there, none in all of them would be a chance of one in
a thousand, exp(-7), as meetings that do not depend on each other follow Poisson's law).

What was met once or twice, or for a moment only, may never have been a problem: a call that blocked the loop while the
app was being loaded. That it is not met any more is no proof of a fix; it is *gone*, and open again when it is met.

Two sorts of findings: those that count how often they were met are alive when that number rises; states are alive while
they are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from perfkit.advice.ledger.counts import ENOUGH, SERVICE, Counts, Figures, MemoryTrail, figures
from perfkit.advice.ledger.record import LEAK, Record
from perfkit.core.findings import Finding, State

__all__ = ["EXPECTED", "MOST", "QUIET", "REQUESTS", "STATE_QUIET", "Ledger"]

REQUESTS = 100
"""Requests of its route without it after which a problem is gone."""

EXPECTED = 7.0
"""Meetings that were to be expected in these requests."""

QUIET = 15.0
"""Seconds without it at least: other workers tell what they met with a delay."""

STATE_QUIET = 30.0
"""The same for a state, which may flicker."""

SIGHTINGS = 3
"""Meetings below which it is not known to have been a problem."""

LASTED = 5.0
"""Seconds from the first to the last meeting from which it was one."""

MANY = 20
"""Meetings from which it was one however short it was."""

SETTLED = 1_000.0
"""Requests after which what it is like afterwards is no longer refined."""

LESS = 0.5
"""Part of the former growth that memory may show at most where a leak is mended."""

MOST = 200
"""Problems remembered; of what is fixed or gone the oldest goes first, then what was not seen for longest."""

REMEMBERED = 30 * 86_400.0
"""Seconds for which a problem that is fixed or gone is remembered."""


class Ledger:
    """All problems, by identity. Not thread-safe: one thread observes.

    Attributes:
        records: What is known; never changed in place, so that others may read it at any time.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.records: dict[str, Record] = {}
        self._counts: dict[str, Counts] | None = None
        self._began = 0.0
        self._memory = MemoryTrail()

    def load(self, records: Iterable[Record], now: float) -> None:
        """Go on at *now* (Unix seconds) from what another worker, or this one before a restart, knew."""
        self.records = {each.finding.fingerprint: each for each in records}
        self._counts, self._began = None, now

    def observe(
        self,
        findings: Mapping[str, Finding],
        counts: dict[str, Counts],
        now: float,
        *,
        release: str = "",
        is_known: Callable[[Finding], bool] = lambda _: True,
    ) -> bool:
        """Take what is told now; return whether any state changed.

        Args:
            findings: By identity.
            counts: By route; the service's under an empty name.
            now: Unix seconds.
            release: Of the app that runs now; empty where nobody says.
            is_known: False for a finding whose component could not be asked: that it is not told means nothing then.
        """
        records, before = dict(self.records), self.records
        for identity, finding in findings.items():
            known = records.get(identity)
            if known is None:
                records[identity] = self._opened(identity, finding, counts, now, release)
            else:
                records[identity] = self._told(known, finding, counts, now, release)
        for identity, record in records.items():
            if record.last_seen < now and record is before.get(identity, record) and is_known(record.finding):
                records[identity] = self._silent(record, counts, now, release)
        self.records = _bounded(records, now)
        self._counts = counts
        self._memory.add(counts.get(SERVICE, Counts()))
        return {key: each.state for key, each in self.records.items()} != {
            key: each.state for key, each in before.items()
        }

    def reopen(self, identity: str, now: float) -> None:
        """Take the fixed problem *identity* as open again, as somebody says so: it has to be absent anew."""
        record = self.records.get(identity)
        if record is not None and record.state is State.FIXED:
            latest = (self._counts or {}).get(record.route, record.latest)
            opened = msgspec.structs.replace(
                record,
                state=State.OPEN,
                changed_at=now,
                last_seen=now,
                latest=latest,
                is_settled=True,
                before=None,
                after=None,
            )
            self.records = {**self.records, identity: opened}

    def _opened(
        self, identity: str, finding: Finding, counts: Mapping[str, Counts], now: float, release: str
    ) -> Record:
        slim = _slim(identity, finding)
        base, latest = self._base(finding, counts), counts.get(slim.route or "", Counts())
        return Record(
            finding=slim,
            state=State.OPEN,
            first_seen=now,
            last_seen=now,
            changed_at=now,
            release=release,
            seen=finding.seen,
            base=base,
            latest=latest,
            until=latest,
        )

    def _told(self, record: Record, finding: Finding, counts: Mapping[str, Counts], now: float, release: str) -> Record:
        """Return *record* after it was told; what counts its meetings and was not met since is as it was."""
        if finding.seen is not None and record.seen is not None and not self._is_met(record.seen, finding.seen):
            return record if finding.seen == record.seen else msgspec.structs.replace(record, seen=finding.seen)
        slim = _slim(record.finding.fingerprint, finding)
        latest, earlier = counts.get(slim.route or "", Counts()), self._earlier(slim.route or "")
        changes: dict[str, Any] = {"finding": slim, "last_seen": now, "release": release, "seen": finding.seen}
        changes |= {"latest": latest, "is_settled": False}
        is_enough = record.state is not State.FIXED and earlier.since(record.base).requests >= ENOUGH
        changes["until"] = earlier if is_enough else latest
        if record.state is State.GONE:
            changes |= {"state": State.OPEN, "changed_at": now}
        elif record.state is State.FIXED:
            base, met = self._base(finding, counts), record.seen or 0
            changes |= {"state": State.RETURNED, "changed_at": now, "base": base, "met": met, "fixed_in": ""}
            changes |= {"before": None, "after": None}
        elif slim.route != record.finding.route:
            changes |= {"base": Counts(at=record.base.at, blocked=record.base.blocked), "until": latest}
        if finding.seen is not None and finding.seen < (record.seen or 0):
            changes["met"] = 0
        return msgspec.structs.replace(record, **changes)

    def _is_met(self, before: int, seen: int) -> bool:
        """Return whether a count tells of new meetings; one that went back began anew, or lost a worker's part."""
        return seen > before or (0 < seen < before and self._counts is None)

    def _silent(self, record: Record, counts: Mapping[str, Counts], now: float, release: str) -> Record:
        """Return *record*, which was not met, once that is long enough."""
        current = counts.get(record.route, Counts())
        if current.requests < record.latest.requests:
            # The numbers began anew: so does the counting of requests without it.
            return msgspec.structs.replace(record, base=Counts(), latest=current, until=current)
        if not record.is_settled:
            return msgspec.structs.replace(record, latest=current, is_settled=True)
        passed = current.since(record.latest)
        if record.state is State.GONE:
            return record
        if record.state is State.FIXED:
            if record.after is None or record.after.requests >= min(SETTLED, passed.requests):
                return record
            return msgspec.structs.replace(record, after=figures(passed))
        if not self._is_gone(record, passed.requests, now):
            return record
        if not _was_a_problem(record):
            return msgspec.structs.replace(record, state=State.GONE, changed_at=now)
        before = record.until.since(record.base)
        if not before.requests:
            # It was told before its first request had ended: all that the route ever counted is what there is.
            before = msgspec.structs.replace(record.latest, at=before.at, blocked=before.blocked)
        was, became = figures(before), figures(passed)
        if record.finding.kind == LEAK and not _grows_less(was, became):
            return record
        return msgspec.structs.replace(
            record, state=State.FIXED, changed_at=now, fixed_in=release, before=was, after=became
        )

    def _is_gone(self, record: Record, passed: float, now: float) -> bool:
        quiet = now - max(record.last_seen, self._began)
        if passed < REQUESTS or quiet < (STATE_QUIET if record.seen is None else QUIET):
            return False
        if record.seen is None:
            return True
        requests = max(1.0, record.latest.since(record.base).requests)
        return passed * min(1.0, max(1, record.seen - record.met) / requests) >= EXPECTED

    def _base(self, finding: Finding, counts: Mapping[str, Counts]) -> Counts:
        """Return what had been counted when *finding* began: of a leak, from where its watch saw memory grow.

        Nobody has looked before the first problem of all: how long loops were blocked then counts from now on.
        """
        earlier = self._earlier(finding.route or "")
        if finding.kind == LEAK:
            return self._memory.back(earlier, finding.evidence.get("seconds", 0.0))
        if earlier.blocked is None:
            now = counts.get(SERVICE, Counts())
            return msgspec.structs.replace(earlier, at=now.at, blocked=now.blocked)
        return earlier

    def _earlier(self, route: str) -> Counts:
        """Return what *route* had counted when it was last looked at: where a problem that is new began."""
        counts = self._counts or {}
        service = counts.get(SERVICE, Counts())
        return counts.get(route) or Counts(service=service.service, at=service.at, blocked=service.blocked)


def _was_a_problem(record: Record) -> bool:
    """Return whether *record* was met so often, and for so long, that its end proves something; or was fixed before."""
    if record.state is State.RETURNED:
        return True
    if record.seen is None:
        return True  # whoever tells a state looks twice
    met = record.seen - record.met
    return met >= MANY or (met >= SIGHTINGS and record.last_seen - record.first_seen >= LASTED)


def _grows_less(before: Figures, after: Figures) -> bool:
    """Return whether memory grows so much less than before that this proves something; True where nobody can say."""
    was, now = before.growth, after.growth
    return was is None or now is None or was <= 0.0 or now <= LESS * was


def _slim(identity: str, finding: Finding) -> Finding:
    """Return *finding* as it is remembered: bounded, and without what only matters while it is there."""
    return Finding(
        code=finding.code[:20],
        kind=finding.kind[:100],
        component=finding.component,
        priority=finding.priority,
        message=finding.message[:500],
        action=finding.action[:500],
        site=finding.site and finding.site[:300],
        route=finding.route and finding.route[:300],
        object=finding.object and finding.object[:300],
        confidence=finding.confidence,
        fingerprint=identity,
    )


def _bounded(records: dict[str, Record], now: float) -> dict[str, Record]:
    kept = {key: each for key, each in records.items() if not each.state.is_over or now - each.changed_at < REMEMBERED}
    if len(kept) <= MOST:
        return kept
    order = sorted(kept.items(), key=lambda item: (not item[1].state.is_over, item[1].last_seen))
    return dict(order[len(kept) - MOST :])

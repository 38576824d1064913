"""The findings of all workers: each keeps its own, tells them through the store's texts, and anyone may ask for all.

How often each was met, and the seconds that this cost, are counted in the store: so they are sums over all workers,
those that have ended included, and a finding is told again only when it has changed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from perfkit.core.families import Histogram
from perfkit.core.findings import Finding
from perfkit.database.capture.metrics import FOUND, SAVED, STATEMENTS
from perfkit.store import Store

__all__ = ["Notes"]

KIND = "database.finding"
MOST = 300
"""Findings of one worker; the one not seen for longest makes room."""

TELL_INTERVAL = 5.0
"""Seconds between two texts of one finding, but for its first."""

REPEAT_INTERVAL = 300.0
"""Seconds after which a text is written again, as texts of others may have pushed it out of the ring."""

HELD = 2.0
"""Seconds for which what was read of the others is good: a read is some ms a worker, and pages ask each second."""

MOST_ROUTES = 20
"""Routes remembered of one finding."""

SHOWN_ROUTES = 5
"""Routes told of one finding."""


class _Note:
    """One finding of one worker.

    Attributes:
        source: Who reports it, where it is a state: empty for what is met in requests.
        worst: How bad it was, the worst time; that time is shown.
        is_over: The state was, and is no more.
        is_gone: It is over for every worker, whatever they said before.
        routes: Requests and seconds of each route on which it was met.
    """

    __slots__ = ("at", "finding", "is_changed", "is_gone", "is_over", "routes", "source", "told_at", "worst")

    def __init__(self, finding: Finding, source: str = "") -> None:
        self.finding, self.source = finding, source
        self.is_changed, self.is_over, self.is_gone = True, False, False
        self.told_at, self.at, self.worst = float("-inf"), 0.0, -1.0
        self.routes: dict[str, list[float]] = {}

    def add_routes(self, routes: Mapping[str, Sequence[float]]) -> None:
        for route, (requests, seconds) in routes.items():
            if route not in self.routes and len(self.routes) >= MOST_ROUTES:
                continue
            sums = self.routes.setdefault(route, [0.0, 0.0])
            sums[0] += requests
            sums[1] += seconds


class _Counts(NamedTuple):
    """What all workers counted: of findings by the hash of their fingerprint, of statements by shape."""

    met: dict[str, float]
    saved: dict[str, float]
    statements: dict[str, float]


class Notes:
    """What this worker found, and what all of them did. Thread-safe."""

    def __init__(self, store: Store) -> None:
        """Count in *store*, and tell others through it."""
        self._store = store
        self.forget()

    def forget(self) -> None:
        """Know nothing: at the start, and in a forked child."""
        self._lock = threading.Lock()
        self._notes: dict[str, _Note] = {}
        self._read: tuple[float, list[dict[str, Any]]] = (float("-inf"), [])
        self._worker = f"{os.getpid()}-{self._store.clock.time():.3f}"

    def add(self, findings: Iterable[Finding], now: float) -> None:
        """Note *findings* met in requests, at *now* (monotonic seconds): each is counted, and told if it is news."""
        for finding in findings:
            self._count(finding)
            worst = float(finding.evidence.get("count") or finding.evidence.get("repeats") or 0)
            with self._lock:
                note = self._notes.get(finding.fingerprint)
                if note is None or worst > note.worst:
                    note = self._keep(note, finding, "")
                    note.worst = worst
                self._notes[finding.fingerprint] = self._notes.pop(finding.fingerprint)
                note.at = self._store.clock.time()
                route = finding.evidence.get("route")
                if route:
                    note.is_changed = note.is_changed or route not in note.routes
                    note.add_routes({route: (1.0, float(finding.evidence.get("seconds") or 0.0))})
            self._tell(note, now)

    def put(self, findings: Iterable[Finding], now: float, *, source: str = "") -> None:
        """Note *findings* that are about a state: what was told of them before is replaced, not counted up.

        Args:
            findings: Of one source.
            now: Monotonic seconds.
            source: What this source told before and does not tell now is over; empty where it tells each only once.
        """
        told = set()
        for finding in findings:
            told.add(finding.fingerprint)
            with self._lock:
                note = self._notes.get(finding.fingerprint)
                if note is None or note.is_over or note.finding != finding:
                    note = self._keep(note, finding, source)
                note.at = self._store.clock.time()
            self._tell(note, now)
        if source:
            with self._lock:
                over = [each for key, each in self._notes.items() if each.source == source and key not in told]
            for note in over:
                note.is_changed, note.is_over = note.is_changed or not note.is_over, True
                self._tell(note, now)

    def drop(self, fingerprint: str, now: float) -> None:
        """Take a finding about a state back, at *now* monotonic seconds, from whomever it is."""
        with self._lock:
            note = self._notes.get(fingerprint)
            if note is None or note.is_gone:
                return
            note.is_changed = note.is_over = note.is_gone = True
            note.at, note.told_at = self._store.clock.time(), float("-inf")
        self._tell(note, now)

    def tick(self, now: float) -> None:
        """Tell what changed or is due, at *now* monotonic seconds."""
        with self._lock:
            notes = list(self._notes.values())
        for note in notes:
            self._tell(note, now)

    def all(self) -> list[Finding]:
        """Return the findings of all workers, the most urgent first; reads the texts and the counts."""
        known: dict[str, dict[str, _Note]] = {}
        for worker, note in self._everyones():  # of each worker its newest word comes first
            known.setdefault(note.finding.fingerprint, {}).setdefault(worker, note)
        merged = [finding for notes in known.values() if (finding := _merged(notes.values())) is not None]
        counts = self._counted() if merged else _Counts({}, {}, {})
        found = [_with(counts, finding) for finding in merged]
        return sorted(found, key=lambda finding: (finding.priority.rank, finding.code, -(finding.seen or 0)))

    def _keep(self, note: _Note | None, finding: Finding, source: str) -> _Note:
        """Have *finding* in its note, made if there is none. The caller holds the lock."""
        if note is None:
            while len(self._notes) >= MOST:
                del self._notes[next(iter(self._notes))]
            note = self._notes[finding.fingerprint] = _Note(finding, source)
        note.finding, note.source, note.is_changed = finding, source, True
        note.is_over = note.is_gone = False
        return note

    def _count(self, finding: Finding) -> None:
        store, labels = self._store, (finding.code, _hashed(finding.fingerprint))
        store.add(store.row(FOUND, labels), 1.0)
        saved = finding.estimate.get("seconds_saved", 0.0)
        if saved > 0.0:
            store.add(store.row(SAVED, labels), saved)

    def _counted(self) -> _Counts:
        counts = _Counts({}, {}, {})
        for family in self._store.families({FOUND.name, SAVED.name, STATEMENTS.name}):
            into = {FOUND.name: counts.met, SAVED.name: counts.saved}.get(family.definition.name, counts.statements)
            for point in family.points:
                value = point.value.count if isinstance(point.value, Histogram) else point.value
                if isinstance(value, int | float):
                    into[point.labels[-1]] = into.get(point.labels[-1], 0.0) + value
        return counts

    def _everyones(self) -> Iterable[tuple[str, _Note]]:
        with self._lock:
            own = list(self._notes.values())
        for note in own:
            yield self._worker, note
        for record in self._of_others():
            try:
                note = _Note(msgspec.convert(record["finding"], Finding))
                note.worst, note.at = float(record["worst"]), float(record["at"])
                note.is_over, note.is_gone = bool(record["over"]), bool(record["gone"])
                note.add_routes(record["routes"])
                yield str(record["worker"]), note
            except (KeyError, TypeError, ValueError):  # of another version of perfkit
                continue

    def _of_others(self) -> list[dict[str, Any]]:
        now = self._store.clock.monotonic()
        if not self._store.is_shared:
            return []
        if not 0.0 <= now - self._read[0] < HELD:
            self._read = now, self._store.texts.read(KIND)
        return self._read[1]

    def _tell(self, note: _Note, now: float) -> None:
        if now - note.told_at < (TELL_INTERVAL if note.is_changed else REPEAT_INTERVAL):
            return
        note.told_at, note.is_changed = now, False
        if self._store.is_shared:
            record: dict[str, Any] = {
                "worker": self._worker,
                "finding": msgspec.to_builtins(note.finding),
                "worst": note.worst,
                "over": note.is_over,
                "gone": note.is_gone,
                "at": note.at,
                "routes": dict(note.routes),
            }
            self._store.texts.append(KIND, record)


def _merged(notes: Collection[_Note]) -> Finding | None:
    """Return the worst of *notes*, of one problem, with the routes of all; None where it is over."""
    gone_at = max((note.at for note in notes if note.is_gone), default=float("-inf"))
    standing = [note for note in notes if not note.is_over and note.at > gone_at]
    if not standing:
        return None
    worst = max(standing, key=lambda note: (note.worst, note.at))
    sums = _Note(worst.finding)
    for note in standing:
        sums.add_routes(note.routes)
    if not sums.routes:
        return worst.finding
    # The costliest route first: it is the one that the finding is about.
    ordered = sorted(sums.routes.items(), key=lambda item: (-item[1][1], -item[1][0]))
    routes = {route: {"requests": int(count), "seconds": spent} for route, (count, spent) in ordered[:SHOWN_ROUTES]}
    first = ordered[0][0]
    evidence = {**worst.finding.evidence, "route": first, "routes": routes}
    return msgspec.structs.replace(worst.finding, route=first, evidence=evidence)


def _hashed(fingerprint: str) -> str:
    return hashlib.blake2b(fingerprint.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _with(counts: _Counts, finding: Finding) -> Finding:
    """Return *finding* with how often it was met: in requests, or as a statement of its shape; a state just is."""
    key = _hashed(finding.fingerprint)
    met = counts.met.get(key)
    if met is None:
        sent = counts.statements.get(finding.evidence.get("shape", ""))
        return finding if sent is None else msgspec.structs.replace(finding, seen=int(sent))
    estimate = finding.estimate
    if key in counts.saved:
        estimate = {**estimate, "load_seconds_saved": counts.saved[key]}
    evidence = {**finding.evidence, "requests": int(met)}
    return msgspec.structs.replace(finding, evidence=evidence, estimate=estimate, seen=int(met))

"""The findings of all workers: each keeps its own, tells them through the store's texts, and anyone may ask for all."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from perfkit.core.findings import Finding
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

_RANK = {"critical": 0, "high": 1, "medium": 2, "low": 3}


class _Note:
    """One finding, how often it was found, and on which routes: requests and seconds of each."""

    __slots__ = ("at", "finding", "is_changed", "requests", "routes", "told_at", "worst")

    def __init__(self, finding: Finding) -> None:
        self.finding, self.requests, self.is_changed = finding, 0, True
        self.told_at, self.at, self.worst = float("-inf"), 0.0, -1.0
        self.routes: dict[str, list[float]] = {}

    def add_routes(self, routes: Mapping[str, Sequence[float]]) -> None:
        for route, (requests, seconds) in routes.items():
            if route not in self.routes and len(self.routes) >= MOST_ROUTES:
                continue
            sums = self.routes.setdefault(route, [0.0, 0.0])
            sums[0] += requests
            sums[1] += seconds


class Notes:
    """What this worker found, and what all of them did. Thread-safe."""

    def __init__(self, store: Store) -> None:
        """Tell others through *store*."""
        self._store = store
        self.forget()

    def forget(self) -> None:
        """Know nothing: at the start, and in a forked child."""
        self._lock = threading.Lock()
        self._notes: dict[str, _Note] = {}
        self._read: tuple[float, list[dict[str, Any]]] = (float("-inf"), [])
        self._worker = f"{os.getpid()}-{self._store.clock.time():.3f}"

    def add(self, findings: Iterable[Finding], now: float) -> None:
        """Note *findings*, made at *now* (monotonic seconds), and tell what is new or due."""
        for finding in findings:
            with self._lock:
                note = self._notes.pop(finding.fingerprint, None) or _Note(finding)
                if len(self._notes) >= MOST:
                    del self._notes[next(iter(self._notes))]
                self._notes[finding.fingerprint] = note
                note.requests += 1
                note.at = self._store.clock.time()
                route = finding.evidence.get("route")
                if route:
                    note.add_routes({route: (1.0, float(finding.evidence.get("seconds") or 0.0))})
                worst = float(finding.evidence.get("count") or finding.evidence.get("repeats") or 0)
                if worst >= note.worst:
                    note.finding, note.worst = finding, worst
                note.is_changed = True
            self._tell(note, now)

    def put(self, findings: Iterable[Finding], now: float) -> None:
        """Note *findings* that are about a state: what was told of them before is replaced, not counted up."""
        for finding in findings:
            with self._lock:
                note = self._notes.get(finding.fingerprint)
                if note is not None and note.finding == finding:
                    note.requests = 1
                    continue
                if len(self._notes) >= MOST and note is None:
                    del self._notes[next(iter(self._notes))]
                note = note or _Note(finding)
                note.finding, note.requests, note.is_changed = finding, 1, True
                note.at = self._store.clock.time()
                self._notes[finding.fingerprint] = note
            self._tell(note, now)

    def tick(self, now: float) -> None:
        """Tell what changed or is due, at *now* monotonic seconds."""
        with self._lock:
            notes = list(self._notes.values())
        for note in notes:
            self._tell(note, now)

    def drop(self, fingerprint: str, now: float) -> None:
        """Take a finding about a state back, at *now* monotonic seconds, from whomever it is."""
        with self._lock:
            note = self._notes.pop(fingerprint, None)
            if note is None or not note.requests:
                return
            self._notes[fingerprint] = gone = _Note(note.finding)
            gone.at = self._store.clock.time()
        self._tell(gone, now)

    def all(self) -> list[Finding]:
        """Return the findings of all workers, the most urgent first; reads the texts."""
        known: dict[str, dict[str, _Note]] = {}
        for worker, note in self._everyones():  # of each worker its newest word comes first
            known.setdefault(note.finding.fingerprint, {}).setdefault(worker, note)
        told = [finding for notes in known.values() if (finding := _merged(notes.values())) is not None]
        return sorted(told, key=lambda finding: (_RANK[finding.priority], finding.code, -finding.evidence["requests"]))

    def _everyones(self) -> Iterable[tuple[str, _Note]]:
        with self._lock:
            own = list(self._notes.values())
        for note in own:
            yield self._worker, note
        for record in self._of_others():
            try:
                note = _Note(msgspec.convert(record["finding"], Finding))
                note.requests, note.worst = int(record["requests"]), float(record["worst"])
                note.at = float(record["at"])
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
                "requests": note.requests,
                "worst": note.worst,
                "at": note.at,
                "routes": dict(note.routes),
            }
            self._store.texts.append(KIND, record)


def _merged(notes: Collection[_Note]) -> Finding | None:
    """Return the worst of *notes*, of one problem, with the requests of all; None where the newest takes it back."""
    worst = max(notes, key=lambda note: (note.worst, note.at))
    if not worst.requests:
        return None
    evidence = {**worst.finding.evidence, "requests": sum(note.requests for note in notes)}
    sums = _Note(worst.finding)
    for note in notes:
        sums.add_routes(note.routes)
    if sums.routes:
        # The costliest route first: it is the one that the finding is about.
        ordered = sorted(sums.routes.items(), key=lambda item: (-item[1][1], -item[1][0]))
        evidence["route"] = ordered[0][0]
        evidence["routes"] = {
            route: {"requests": int(requests), "seconds": spent} for route, (requests, spent) in ordered[:SHOWN_ROUTES]
        }
    return msgspec.structs.replace(worst.finding, evidence=evidence)

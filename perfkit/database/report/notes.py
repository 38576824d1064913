"""The findings of all workers: each keeps its own, tells them through the store's texts, and anyone may ask for all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
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

_RANK = {"critical": 0, "high": 1, "medium": 2, "low": 3}


class _Note:
    """One finding, and how often it was found."""

    __slots__ = ("at", "finding", "is_changed", "requests", "told_at", "worst")

    def __init__(self, finding: Finding) -> None:
        self.finding, self.requests, self.is_changed = finding, 0, True
        self.told_at, self.at, self.worst = float("-inf"), 0.0, -1.0


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

    def all(self) -> list[Finding]:
        """Return the findings of all workers, the most urgent first; reads the texts."""
        merged: dict[str, tuple[int, Finding, float]] = {}
        taken: set[tuple[str, str]] = set()
        for worker, note in self._everyones():
            fingerprint = note.finding.fingerprint
            if (worker, fingerprint) in taken:
                continue
            taken.add((worker, fingerprint))
            requests, finding, worst = merged.get(fingerprint, (0, note.finding, note.worst))
            if note.worst > worst:
                finding, worst = note.finding, note.worst
            merged[fingerprint] = (requests + note.requests, finding, worst)
        told = [
            msgspec.structs.replace(finding, evidence={**finding.evidence, "requests": requests})
            for requests, finding, _ in merged.values()
        ]
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
            }
            self._store.texts.append(KIND, record)

"""Looks now and then whether a session of the database waits or idles: the leader, off the request, for all workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perfkit.core.context import Context
from perfkit.core.findings import Finding
from perfkit.database.indexes.session import opened
from perfkit.database.query.target import Target
from perfkit.database.report.notes import Notes
from perfkit.database.report.texts import ShapeText
from perfkit.database.settings import DatabaseSettings
from perfkit.database.workload.sessions import Held, held_in, troubles
from perfkit.database.workload.sources import Sources, told

__all__ = ["SessionWatch"]

SYSTEMS = frozenset({"postgresql", "mysql", "mariadb"})
"""Systems whose sessions can be asked for."""

PERIOD, AFTER_FAILURE = 15.0, 300.0
"""Seconds to the next look, and where the database could not be asked or this user may not."""

MOST_KNOWN = 200
NOTABLY = 1.2
"""Times longer than before from which a trouble is told again."""


class SessionWatch:
    """What the sessions of the app's databases are held up by. One thread at a time."""

    def __init__(self, context: Context, settings: DatabaseSettings, sources: Sources, notes: Notes) -> None:
        """Ask *sources*, tell *notes*."""
        self._context, self._settings, self._sources, self._notes = context, settings, sources, notes
        self.forget()

    def forget(self) -> None:
        """Know nothing: at the start, and in a forked child."""
        self._due = float("-inf")
        self._longest: dict[str, float] = {}
        self.reason = ""

    def is_due(self, now: float) -> bool:
        """Return whether it is time for a look at *now* monotonic seconds. Quick."""
        return (
            self._settings.watch_sessions
            and now >= self._due
            and self._context.store.is_leader
            and self._sources.has(SYSTEMS)
        )

    def look(self, now: float, texts: Callable[[], Mapping[str, ShapeText]]) -> None:
        """Ask the databases, at *now* monotonic seconds; blocks. *texts* tells which lines send which shape."""
        self._due, self.reason = now + PERIOD, ""
        for source in self._sources.of(self._context.database):
            if source.system not in SYSTEMS:
                continue
            try:
                held = source.ask(_held_at)
            except Exception as error:  # noqa: BLE001 - drivers have no error in common; the reason is told
                self.reason = f"{source.name}: {told(error)}"
                self._due = now + AFTER_FAILURE
                continue
            if held:
                found = [each for each in troubles(held, texts(), source.name) if self._is_news(each)]
                self._notes.put(found, now)

    def _is_news(self, finding: Finding) -> bool:
        seconds = float(finding.evidence.get("seconds") or finding.evidence.get("transaction_seconds") or 0.0)
        known = self._longest.get(finding.fingerprint)
        if known is not None and seconds < NOTABLY * known:
            return False
        if known is None and len(self._longest) >= MOST_KNOWN:
            del self._longest[next(iter(self._longest))]
        self._longest[finding.fingerprint] = seconds
        return True


def _held_at(target: Target) -> list[Held]:
    with opened(target) as session:
        return held_in(session)

"""What the leader asks the app's databases now and then: which indexes are missed, and who holds up whom."""

from __future__ import annotations

import threading
from collections.abc import Callable

from perfkit.core.context import Context
from perfkit.database.capture.recorder import Recorder
from perfkit.database.report.notes import Notes
from perfkit.database.report.statistics import Statistics
from perfkit.database.settings import DatabaseSettings
from perfkit.database.workload.advisor import IndexAdvisor
from perfkit.database.workload.sources import Sources
from perfkit.database.workload.state import IndexState
from perfkit.database.workload.watch import SessionWatch

__all__ = ["Looks"]


class Looks:
    """The questions to the databases, one at a time. Thread-safe; each blocks for as long as the database takes."""

    def __init__(
        self, context: Context, settings: DatabaseSettings, recorder: Recorder, notes: Notes, statistics: Statistics
    ) -> None:
        """Read the statements of *recorder*, with the *statistics* of all workers; tell *notes*."""
        self._context, self._recorder = context, recorder
        self._statistics = statistics
        self.sources = Sources()
        self._indexes = IndexAdvisor(context, settings, self.sources, notes)
        self._sessions = SessionWatch(context, settings, self.sources, notes)
        self._lock = threading.Lock()

    def due(self, now: float) -> list[Callable[[], None]]:
        """Return what it is time for at *now* monotonic seconds. Quick."""
        due = []
        if self._sessions.is_due(now):
            due.append(self.at_sessions)
        if self._indexes.is_due(now, len(self._recorder.records)):
            due.append(self.at_indexes)
        return due

    def at_indexes(self) -> None:
        """Ask which indexes the statements of all workers want."""
        records = list(self._recorder.records.items())
        texts = {shape: record.facts.shape.text for (_, shape), record in records}
        with self._lock:
            self._indexes.look(self._context.clock.monotonic(), self._statistics.shapes(), texts, len(records))

    def at_sessions(self) -> None:
        """Ask who waits for a lock, idles in a transaction or holds one for long."""
        with self._lock:
            self._sessions.look(self._context.clock.monotonic(), self._statistics.texts)

    @property
    def state(self) -> IndexState:
        """How the last look at the indexes went."""
        return self._indexes.state

    @property
    def reason(self) -> str:
        """Why the sessions could not be looked at, or empty."""
        return self._sessions.reason

    def forget(self) -> None:
        """In a forked child: know nothing."""
        self._lock = threading.Lock()
        self._indexes.forget()
        self._sessions.forget()

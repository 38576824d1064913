"""Problem 6, the leak: a list of everything that ever happened, of which nobody ever takes anything away."""

from __future__ import annotations

from threading import Lock

__all__ = ["LEAK_LIMIT", "AuditEntry", "AuditLog"]

LEAK_LIMIT = 64 * 1024 * 1024
"""Bytes at which the demo's leak stops, over all its workers: a leak to look at, not to suffer from."""

ENTRY_BYTES = 4096
"""Bytes that one entry holds on to."""

ENTRY_OVERHEAD = 512
"""Bytes of an entry beyond its `detail`: the object, its strings, its place in the list; rounded up."""


class AuditEntry:
    """What was done to what, with a generous copy of the details."""

    __slots__ = ("action", "detail", "subject")

    def __init__(self, action: str, subject: str) -> None:
        """Remember that *action* was done to *subject*."""
        self.action, self.subject = action, subject
        self.detail = f"{action} {subject} ".ljust(ENTRY_BYTES, ".").encode()[:ENTRY_BYTES]


class AuditLog:
    """Everything that happened since the start. Thread-safe.

    Attributes:
        entries: All entries; they only ever become more, until *limit* bytes are held.
    """

    def __init__(self, limit: int = LEAK_LIMIT) -> None:
        """Hold at most *limit* bytes."""
        self._room = limit // (ENTRY_BYTES + ENTRY_OVERHEAD)
        self._lock = Lock()
        self.entries: list[AuditEntry] = []

    def record(self, action: str, subject: str, *, keep: int | None = None) -> None:
        """Remember that *action* was done to *subject*, for ever; nothing once the limit is reached.

        Args:
            action: What was done.
            subject: To what.
            keep: How many entries stay: the leak, mended. None: all.
        """
        with self._lock:
            if keep is not None and len(self.entries) >= keep:
                del self.entries[: len(self.entries) - keep + 1]
            if len(self.entries) < self._room:
                self.entries.append(AuditEntry(action, subject[:200]))

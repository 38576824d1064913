"""The statements of what is being measured. Imports next to nothing: a suite without a database pays for none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfkit.database.capture.work import Entry
    from perfkit.database.patterns.observed import Seen

__all__ = ["ACTIVE", "CONTROL", "Sent"]

CONTROL = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "START", "END"})
"""Verbs of statements that only control a transaction: they are looked at, and not counted as queries."""

MOST = 100_000
"""Statements kept of one measurement; more are counted."""


class Sent:
    """The statements of one measurement.

    Attributes:
        count: Statements, transaction control not counted.
        kept: What is known of each: a key of the request it belongs to, its text's entry, and how it went.
    """

    __slots__ = ("count", "kept", "owners")

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self.kept: list[tuple[int, Entry, Any, int, float, float, str]] = []
        self.owners: dict[int, object] = {}

    def add(self, owner: object, entry: Entry, hashes: Any, rows: int, start: float, seconds: float, site: str) -> None:
        """Note one statement of *owner*: the request or the task that sent it, None where there is neither."""
        if entry.facts.verb not in CONTROL:
            self.count += 1
        if len(self.kept) < MOST:
            # Held, so that another one cannot get its identity.
            self.owners[id(owner)] = owner
            self.kept.append((id(owner), entry, hashes, rows, start, seconds, site))

    def groups(self) -> Iterable[list[Seen]]:
        """Yield the statements as the patterns see them, those of each request by themselves."""
        from perfkit.database.report.digest import seen_of

        groups: dict[int, list[Seen]] = {}
        for owner, entry, hashes, rows, start, seconds, site in self.kept:
            groups.setdefault(owner, []).append(seen_of(entry, hashes, rows, start, seconds, site))
        return groups.values()


ACTIVE: list[Sent] = []
"""What is being measured now, in this process: tests are one process each, and their threads are theirs."""

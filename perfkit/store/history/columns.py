"""Which column of the history belongs to which route.

A record of the history has room for 64 columns. The first is the total, the second takes the routes that have
none, the others belong to one route each, written as ``METHOD route``. The table only names them; it lies in
the file of the history, so the columns mean the same after a restart. A route keeps its column until another
one without a column is more than twice as busy as it; the records from before that change are not shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from perfkit.core.names import OTHER

__all__ = ["COLUMNS", "OTHER_COLUMN", "TOTAL", "TOTAL_COLUMN", "Columns"]

TOTAL = "total"
COLUMNS = 64
TOTAL_COLUMN, OTHER_COLUMN, FIRST_ROUTE = 0, 1, 2
MAX_NAME = 400
"""Bytes of a name; a longer one is cut and told apart by a digest."""


class _Entry(msgspec.Struct, array_like=True):
    index: int
    name: str
    since: float


class _Table(msgspec.Struct, array_like=True):
    started_at: float
    entries: list[_Entry]


class Columns:
    """The table of one history. Whoever changes it changes a copy.

    Attributes:
        started_at: Unix seconds of the first record; 0.0 before it.
    """

    def __init__(self) -> None:
        """Start without routes."""
        self.started_at = 0.0
        self._entries: dict[int, _Entry] = {}
        self._indexes: dict[str, int] = {}

    @classmethod
    def from_bytes(cls, data: bytes) -> Columns:
        """Read what `to_bytes` made.

        Raises:
            msgspec.DecodeError: It is something else.
        """
        table = msgspec.msgpack.decode(data, type=_Table)
        columns = cls()
        columns.started_at = table.started_at
        for entry in table.entries:
            if FIRST_ROUTE <= entry.index < COLUMNS:
                columns._put(entry)
        return columns

    def to_bytes(self) -> bytes:
        """Return the table as msgpack, at most 27 kB."""
        return msgspec.msgpack.encode(_Table(self.started_at, list(self._entries.values())))

    def copy(self) -> Columns:
        """Return a table of its own, to be changed and saved while others read this one."""
        return Columns.from_bytes(self.to_bytes())

    def index_of(self, name: str) -> int:
        """Return the column of the route *name*, `OTHER_COLUMN` if it has none."""
        return self._indexes.get(_short(name), OTHER_COLUMN)

    def named(self) -> list[tuple[int, str, float]]:
        """Return index, name and the Unix seconds since when it holds, for all columns."""
        routes = [(entry.index, entry.name, entry.since) for entry in list(self._entries.values())]
        return [(TOTAL_COLUMN, TOTAL, 0.0), (OTHER_COLUMN, OTHER, 0.0), *routes]

    def assign(self, counts: Mapping[str, float], now: float) -> bool:
        """Give free columns to the busiest routes of *counts* that have none; return whether the table changed."""
        free = [index for index in range(FIRST_ROUTE, COLUMNS) if index not in self._entries]
        newcomers = self._newcomers(counts)
        for index, name in zip(free, newcomers, strict=False):
            self._put(_Entry(index, name, now))
        return bool(free and newcomers)

    def reassign(self, counts: Mapping[str, float], now: float) -> bool:
        """Give columns of idle routes to routes more than twice as busy; return whether the table changed."""
        if len(self._entries) < COLUMNS - FIRST_ROUTE:
            return False
        busy = {_short(name): count for name, count in counts.items()}
        held = sorted(self._entries.values(), key=lambda entry: busy.get(entry.name, 0.0))
        changed = False
        for entry, name in zip(held, self._newcomers(counts), strict=False):
            if busy[name] <= 2.0 * busy.get(entry.name, 0.0):
                break
            self._put(_Entry(entry.index, name, now))
            changed = True
        return changed

    def _newcomers(self, counts: Mapping[str, float]) -> list[str]:
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        short = dict.fromkeys(_short(name) for name in ranked if counts[name] > 0.0 and name != OTHER)
        return [name for name in short if name not in self._indexes]

    def _put(self, entry: _Entry) -> None:
        old = self._entries.get(entry.index)
        if old is not None:
            del self._indexes[old.name]
        self._entries[entry.index] = entry
        self._indexes[entry.name] = entry.index


def _short(name: str) -> str:
    if len(name) * 4 <= MAX_NAME:
        return name
    data = name.encode("utf-8", "replace")
    if len(data) <= MAX_NAME:
        return name
    digest = hashlib.blake2s(data, digest_size=6).hexdigest()
    return data[: MAX_NAME - 16].decode("utf-8", "ignore") + "…" + digest

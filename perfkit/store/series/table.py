"""The table: which series begins at which slot. One log of lines makes the same table in every worker."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from perfkit.core.families import Definition
from perfkit.store.boundaries import DEFAULT
from perfkit.store.layout import LAYOUT_VERSION
from perfkit.store.series.rows import bounds_of, identity, other_labels, width_of

__all__ = ["Entry", "FamilyLine", "LayoutLine", "Line", "Request", "SeriesLine", "Table"]

MAX_FAMILY_LINES = 10_000
"""Definitions in one log; two releases that redefine a metric in turn must not make it grow for ever."""

Request = tuple[Definition, tuple[str, ...]]
"""A definition and label values: one series."""


class LayoutLine(msgspec.Struct, frozen=True, array_like=True, tag="layout"):
    """The first line: which files belong to this log, and whether we can read it."""

    log_id: int
    version: int = LAYOUT_VERSION


class FamilyLine(msgspec.Struct, frozen=True, array_like=True, tag="family"):
    """A family is defined, or defined again and thereby the newest of its name."""

    family: int
    definition: Definition


class SeriesLine(msgspec.Struct, frozen=True, array_like=True, tag="series"):
    """A series has its slots."""

    family: int
    slot: int
    labels: tuple[str, ...]


Line = LayoutLine | FamilyLine | SeriesLine


class Entry:
    """One family and the first slots of its series.

    Attributes:
        number: Position of its definition among all.
        series: Label values to first slot.
        bounds: Bounds of the buckets that are kept.
        shown: Bounds of the buckets that are shown.
        other: Label values of the series that takes what does not fit, or None.
    """

    __slots__ = ("bounds", "definition", "number", "other", "series", "shown", "width")

    def __init__(self, number: int, definition: Definition) -> None:
        """Begin the family *number* without any series."""
        self.number, self.definition = number, definition
        self.width, self.bounds = width_of(definition), bounds_of(definition)
        self.shown = definition.boundaries or (self.bounds and DEFAULT)
        self.series: dict[tuple[str, ...], int] = {}
        self.other = other_labels(definition)


class Table:
    """All families and series. Not thread-safe for writers; readers may look at any time.

    Attributes:
        first: First slot of the first row.
        free: The next slot to be given out.
        newest: Name to the family that was defined last under it.
        log_id: Identity of the log, 0 until its first line was read.
        readable: False if another version of perfkit wrote the log.
    """

    def __init__(self, *, first: int, capacity: int, max_series: int) -> None:
        """Give out slots from *first* up to *capacity*, at most *max_series* to one family."""
        self.first = self.free = first
        self.log_id, self.readable = 0, True
        self.newest: dict[str, Entry] = {}
        self._capacity, self._max_series = capacity, max_series
        self._entries: dict[Definition, Entry] = {}
        self._numbered: list[Entry] = []
        self._family_lines = 0

    def entry(self, definition: Definition) -> Entry | None:
        """Return the family of *definition*, whatever its description."""
        return self._entries.get(identity(definition))

    def entries(self) -> list[Entry]:
        """Return all families, also those that were redefined since."""
        return list(self._numbered)

    def slot(self, request: Request) -> int | None:
        """Return the first slot of a series, None if it has none."""
        entry = self.entry(request[0])
        return None if entry is None else entry.series.get(request[1])

    def apply(self, line: Line) -> None:
        """Take in one line of the log."""
        match line:
            case FamilyLine(family, definition):
                self._family_lines += 1
                if family == len(self._numbered):
                    self._numbered.append(Entry(family, definition))
                    self._entries[identity(definition)] = self._numbered[family]
                if family < len(self._numbered):
                    self.newest[definition.name] = self._numbered[family]
            case SeriesLine(family, slot, labels) if family < len(self._numbered):
                entry = self._numbered[family]
                entry.series.setdefault(labels, slot)
                self.free = max(self.free, slot + entry.width)
            case LayoutLine(log_id, version):
                self.log_id, self.readable = log_id, version == LAYOUT_VERSION
            case _:
                pass  # a series of a family whose own line was unreadable: its slots stay unused

    def plan(self, requests: Iterable[Request]) -> list[Line]:
        """Return the lines that would give each request a row; where there is no room left, no line."""
        lines: list[Line] = []
        free, taken = self.free, dict[int, int]()
        planned: set[tuple[int, tuple[str, ...]]] = set()
        fresh: dict[Definition, Entry] = {}
        newest: dict[str, Entry] = {}
        for definition, labels in requests:
            key = identity(definition)
            entry = self._entries.get(key) or fresh.get(key)
            if entry is None:
                entry = fresh[key] = Entry(len(self._numbered) + len(fresh), definition)
                lines.append(FamilyLine(entry.number, definition))
                if entry.other is not None and free + entry.width <= self._capacity:
                    lines.append(SeriesLine(entry.number, free, entry.other))
                    entry.series[entry.other] = free
                    free += entry.width
            elif self._is_outdated(newest.get(definition.name) or self.newest[definition.name], entry):
                lines.append(FamilyLine(entry.number, definition))
            newest[definition.name] = entry
            wanted = (entry.number, labels)
            if labels in entry.series or wanted in planned or free + entry.width > self._capacity:
                continue
            named = taken.setdefault(entry.number, len(entry.series) - (entry.other in entry.series))
            if named >= (definition.max_series or self._max_series):
                continue
            lines.append(SeriesLine(entry.number, free, labels))
            planned.add(wanted)
            taken[entry.number] = named + 1
            free += entry.width
        return lines

    def _is_outdated(self, newest: Entry, entry: Entry) -> bool:
        return newest is not entry and self._family_lines < MAX_FAMILY_LINES

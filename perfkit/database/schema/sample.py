"""Statistics of columns from a sample of rows, for databases that keep none.

Source: Haas and Stokes 1998, "Estimating the Number of Classes in a Finite Population" (the estimator Duj1, which
PostgreSQL's ANALYZE uses too): d n / (n - f1 + f1 n / N), of n rows out of N with d values, f1 of them seen once.
Deviation: rows are read some at a place, and neighbours are often alike. So a value counts once for each place where it
was seen, as if the rows of a place with the same value were one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from perfkit.database.schema.catalog import Column

__all__ = ["MOST_VALUE", "PARTS", "PART_ROWS", "WIDTH_ROWS", "column_of"]

PARTS = 40
"""Places of a table that are looked at."""

PART_ROWS = 100
"""Rows read at each."""

MOST_VALUE = 200
"""Characters or bytes of a value that are read: a table of photos would else be read whole."""

WIDTH_ROWS = 200
"""Rows whose values are weighed where only so much of each was read."""

MOST_COMMON = 50
MOST_BOUNDS = 100


def column_of(
    name: str, kind: str, values: Sequence[Any], total: float, *, is_nullable: bool = True, width: float | None = None
) -> Column:
    """Return what *values*, a sample of a table of *total* rows, say about a column.

    Args:
        name: Of the column.
        kind: Its type.
        values: At most `MOST_VALUE` of each.
        total: Rows of the table.
        is_nullable: Whether there may be none.
        width: Mean bytes of a value, where it was asked for.
    """
    count = len(values)
    if not count:
        return Column(name=name, type=kind, is_nullable=is_nullable)
    known = [value for value in values if value is not None]
    shown, places = Counter(map(_text, known)), _places(values)
    is_all = count >= total
    return Column(
        name=name,
        type=kind,
        distinct=float(len(shown)) if is_all else _distinct(shown, places, total * sum(places.values()) / count),
        null_ratio=1 - len(known) / count,
        width=sum(map(_width, known)) / max(1, len(known)) if width is None else width + 1.0,
        common={
            value: seen / count
            for value, seen in shown.most_common(MOST_COMMON)
            if (is_all or places[value] > 1)
            and (seen > 1.25 * len(known) / len(shown) or (len(shown) <= MOST_COMMON and seen > 1))
        },
        bounds=_bounds(known),
        has_statistics=True,
        is_nullable=is_nullable,
    )


def _places(values: Sequence[Any]) -> Counter[str]:
    """Return for each of *values* at how many places of the sample it was seen.

    Where the places lie beside each other, a run of one value that goes over the border is still one.
    """
    found: Counter[str] = Counter()
    for start in range(0, len(values), PART_ROWS):
        part = {_text(value) for value in values[start : start + PART_ROWS] if value is not None}
        if start and values[start] is not None and values[start] == values[start - 1]:
            part.discard(_text(values[start]))
        found.update(part)
    return found


def _distinct(shown: Counter[str], places: Counter[str], total: float) -> float:
    """Return how many values there are in a table of *total* such, of which *shown* were seen at *places*.

    One that fills a whole place may go on for long, so it is not one of those that were hardly met.
    """
    count = sum(places.values())
    once = sum(1 for value, seen in places.items() if seen == 1 and shown[value] < PART_ROWS)
    if not count or once == 0:
        return float(len(places))
    return min(total, len(places) * count / (count - once + once * count / total))


def _bounds(known: Sequence[Any]) -> tuple[str, ...]:
    try:
        ordered = sorted(known)
    except TypeError:
        ordered = sorted(known, key=str)
    step = max(1, len(ordered) // MOST_BOUNDS)
    return tuple(_text(value) for value in ordered[::step])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, bytes):
        return value[:MOST_VALUE].hex()
    return str(value)[:MOST_VALUE]


def _width(value: Any) -> float:
    if isinstance(value, int | float):
        return 8.0
    if isinstance(value, str | bytes):
        return len(value) + 1.0
    return 8.0

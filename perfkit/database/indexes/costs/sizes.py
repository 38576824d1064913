"""How large a b-tree would be, from what is known of its columns.

Source: PostgreSQL documentation 13+, "B-Tree Indexes", Deduplication; src/backend/access/nbtree (nbtsort.c: posting
lists of at most a tenth of a page while an index is built; pages are filled to 90 %). Equal keys share one key and keep
6 bytes a row, which HypoPG does not know: its estimates are up to six times too high. InnoDB and SQLite keep every key,
and the primary key (or row number) instead of a pointer.
"""

from __future__ import annotations

import math

from perfkit.database.indexes.costs.selectivity import keeps_values, selectivity_of_condition
from perfkit.database.indexes.definition import Definition, Key
from perfkit.database.schema.catalog import PAGE, Column, Table

__all__ = ["distinct_keys", "index_bytes"]

FILL = 0.9
PAGE_HEAD = 40
"""Bytes of a page that hold no tuples: its header and its special space."""

POSTING = 812
POINTER = 6
LINE = 4
NOT_SHARED = ("numeric", "float", "double", "real", "json", "decimal", "bpchar")
"""Types whose equal values may look different, so that they are not shared (numeric, float, jsonb)."""

LOOSE = ("numeric", "decimal", "character varying", "varchar", "text", "citext", "bytea")
"""Types whose values are of different lengths."""

SPREAD = (-0.25, -0.15, -0.05, 0.05, 0.15, 0.25)
"""By which parts of the mean they differ, where nothing else is known."""

ALIGNMENTS = {"smallint": 2, "integer": 4, "date": 4, "real": 4, "boolean": 1}


def distinct_keys(table: Table, keys: tuple[Key, ...], rows: float) -> float:
    """Return how many different keys there are among *rows*: the product of the columns', and no more than the rows."""
    names = {key.text for key in keys}
    if any(unique <= names for unique in table.unique_keys):
        return max(1.0, rows)
    product, grouped = 1.0, set[str]()
    for group, most in sorted(table.groups.items(), key=lambda item: item[1]):
        if group <= names and not group & grouped:
            grouped |= group
            product *= min(most, math.prod(_values(table, Key(name, (name,)), rows) for name in group))
    for key in keys:
        if key.text not in grouped:
            product *= _values(table, key, rows)
    # Rows that fall on pairs at random hit only a part of them.
    return max(1.0, min(rows, product * (1 - math.exp(-rows / product)))) if len(keys) > 1 else min(product, rows)


def _values(table: Table, key: Key, rows: float) -> float:
    """Return how many different values *key* alone has."""
    product = 1.0
    for name in key.columns:
        column = table.columns.get(name)
        known = column.distinct if column is not None and column.distinct else rows / 10
        # A day or a year has fewer values than the moments in it, as `selectivity` has it too.
        product *= max(1.0, known / 100 if key.is_expression and not keeps_values(key.text) else known)
    return min(product, max(1.0, table.rows))


def index_bytes(table: Table, wanted: Definition, dialect: str) -> int:
    """Return the bytes of *wanted* on *table*, once built."""
    rows = max(1.0, table.rows * (selectivity_of_condition(table, wanted.where) if wanted.where else 1.0))
    width, loose, is_shared = _width(table, wanted, dialect)
    head = _room(width, loose)
    if dialect == "postgresql" and is_shared:
        data = _shared_bytes(table, wanted, rows, head)
    elif dialect == "postgresql":
        data = rows * (head + LINE)
    elif dialect == "sqlite":
        data = rows * (width + len(wanted.keys) + 8)
    else:
        data = rows * (width + 5 + 8)
    leaves = math.ceil(data / ((PAGE - PAGE_HEAD) * FILL))
    fan_out = max(8.0, (PAGE - PAGE_HEAD) * 0.7 / (head + LINE))
    inner, level = 0, leaves
    while level > 1:
        level = math.ceil(level / fan_out)
        inner += level
    return int((leaves + inner + 1) * PAGE)


def _room(width: float, loose: float) -> float:
    """Return the mean bytes of a key of *width*, of which *loose* differ from row to row: it ends on the next eight."""
    if not loose:
        return _aligned(8 + width)
    return sum(_aligned(8 + width + loose * part) for part in SPREAD) / len(SPREAD)


def _shared_bytes(table: Table, wanted: Definition, rows: float, key: float) -> float:
    """Return the bytes where equal keys share one: values that are common, NULLs, and the others evenly."""
    groups: list[tuple[float, float]] = []
    rest_rows, rest_keys = rows, distinct_keys(table, wanted.keys, rows)
    if len(wanted.keys) == 1 and not wanted.where and not wanted.keys[0].is_expression:
        column = table.columns.get(wanted.keys[0].text)
        if column is not None and column.has_statistics:
            shares = [*column.common.values(), *([column.null_ratio] if column.null_ratio else [])]
            groups = [(1.0, share * rows) for share in shares]
            rest_rows = max(0.0, rows - sum(count for _, count in groups))
            rest_keys = max(0.0, rest_keys - len(column.common))
    if rest_rows >= 1 and rest_keys >= 1:
        groups.append((rest_keys, rest_rows / rest_keys))
    return sum(count * _posted(each, key) for count, each in groups)


def _posted(rows: float, key: float) -> float:
    """Return the bytes of one key with so many rows."""
    if rows <= 1.0:
        return rows * (key + LINE)
    most = max(2.0, (POSTING - key) // POINTER)
    if rows <= 2.0:
        # Between one row and two: some keys have one, the others a posting list.
        return (2 - rows) * (key + LINE) + (rows - 1) * (_aligned(key + 2 * POINTER) + LINE)
    lists = rows / most
    if lists <= 1:
        return _aligned(key + rows * POINTER) + LINE
    return lists * (_aligned(key + most * POINTER) + LINE)


def _width(table: Table, wanted: Definition, dialect: str) -> tuple[float, float, bool]:
    """Return the mean bytes of the values of a key, how many of them differ, and whether equal keys share one."""
    width, loose, is_shared = 0.0, 0.0, not wanted.include
    for name in (*(name for key in wanted.keys for name in key.columns[:1]), *wanted.include):
        column = table.columns.get(name, Column(name=name))
        mean = column.width
        if dialect == "postgresql":
            step = _alignment(column.type)
            width = math.ceil(width / step) * step
            if column.type.lower().startswith(LOOSE):
                mean += 0.5  # the statistics keep whole bytes, cut off
                loose += mean * (1 - column.null_ratio)
        width += mean * (1 - column.null_ratio)
        is_shared = is_shared and not column.type.lower().startswith(NOT_SHARED)
    return max(1.0, width), loose, is_shared


def _alignment(kind: str) -> int:
    kind = kind.lower()
    if kind.startswith((*LOOSE, "character", "uuid")):
        return 1
    return ALIGNMENTS.get(kind, 8)


def _aligned(size: float) -> float:
    return math.ceil(size / 8) * 8.0

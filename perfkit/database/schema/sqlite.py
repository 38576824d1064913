"""The catalog of SQLite: sqlite_schema, the pragmas of tables and indexes, sqlite_stat1, and a sample of rows."""

from __future__ import annotations

import re
from typing import Any

from perfkit.database.schema.catalog import PAGE, Catalog, Column, ForeignKey, Index, Table
from perfkit.database.schema.sample import MOST_VALUE, PART_ROWS, PARTS, WIDTH_ROWS, column_of

__all__ = ["read_sqlite"]

MOST_COUNTED = 2_000_000
"""Rows up to which a table without a row number is counted."""


def read_sqlite(cursor: Any, texts: str) -> Catalog:
    """Return the tables; those that occur in *texts* (small letters) are sampled."""

    def rows(query: str) -> list[Any]:
        return list(cursor.execute(query).fetchall())

    told: dict[str, float] = {}
    if rows("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'"):
        for name, _, stat in rows("SELECT tbl, idx, stat FROM sqlite_stat1"):
            told[name] = max(told.get(name, 0.0), float(str(stat).split()[0]))
    tables = []
    for name, sql in rows(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ):
        if sql and not sql.lower().lstrip().startswith("create virtual"):
            tables.append(_table(rows, name, sql, name.lower() in texts, told.get(name)))
    return Catalog("sqlite", tables)


def _table(rows: Any, name: str, sql: str, is_sampled: bool, told: float | None) -> Table:
    infos = rows(f"PRAGMA table_xinfo({_quoted(name)})")
    has_number = not re.search(r"\bWITHOUT\s+ROWID\b", sql, re.IGNORECASE)
    count = _count(rows, name, has_number)
    names = [info[1] for info in infos]
    sample = _sample(rows, name, names, has_number) if is_sampled and count else []
    widths = _widths(rows, name, names) if sample else {}
    columns: dict[str, Column] = {}
    for at, (_, column, kind, is_filled, *_rest) in enumerate(infos):
        columns[column] = column_of(
            column, kind, [row[at] for row in sample], count, is_nullable=not is_filled, width=widths.get(column)
        )
    width = sum(column.width for column in columns.values()) + 10
    primary = tuple(info[1] for info in sorted(infos, key=lambda info: info[5]) if info[5])
    return Table(
        name=name,
        rows=count,
        pages=max(1.0, count * width / PAGE),
        columns=columns,
        indexes=tuple(_indexes(rows, name, primary)),
        foreign_keys=tuple(_foreign_keys(rows, name)),
        is_analyzed=told is not None,
        changed=abs(count - told) if told is not None else None,
        measured_rows=count,
        carried=frozenset(primary),
    )


def _count(rows: Any, name: str, has_number: bool) -> float:
    """Return the rows of a table: counted where that is quick, else by its row numbers."""
    if has_number:
        highest = rows(f"SELECT max(rowid) - min(rowid) + 1 FROM {_quoted(name)}")[0][0] or 0
        if highest > MOST_COUNTED:
            return float(highest)
    return float(rows(f"SELECT count(*) FROM (SELECT 1 FROM {_quoted(name)} LIMIT {MOST_COUNTED})")[0][0])


def _sample(rows: Any, name: str, columns: list[str], has_number: bool) -> list[Any]:
    """Return rows from all over a table, few enough to be read at once."""
    table = _quoted(name)
    listed = ", ".join(map(_part, map(_quoted, columns)))
    if not has_number:
        return list(rows(f"SELECT {listed} FROM {table} LIMIT {PARTS * PART_ROWS}"))
    low, high = rows(f"SELECT min(rowid), max(rowid) FROM {table}")[0]
    if high - low < PARTS * PART_ROWS:
        return list(rows(f"SELECT {listed} FROM {table} LIMIT {PARTS * PART_ROWS}"))
    step = (high - low) // PARTS
    return [
        row
        for part in range(PARTS)
        for row in rows(
            f"SELECT {listed} FROM {table} WHERE rowid >= {low + part * step} AND rowid < {low + (part + 1) * step} "
            f"ORDER BY rowid LIMIT {PART_ROWS}"
        )
    ]


def _part(column: str) -> str:
    """Return an expression for the beginning of a long value and the whole of any other."""
    return f"CASE WHEN typeof({column}) IN ('text', 'blob') THEN substr({column}, 1, {MOST_VALUE}) ELSE {column} END"


def _widths(rows: Any, name: str, columns: list[str]) -> dict[str, float]:
    """Return the mean bytes of the values of those columns that hold text or bytes."""
    listed = ", ".join(
        f"avg(CASE WHEN typeof({column}) IN ('text', 'blob') THEN length({column}) END)"
        for column in map(_quoted, columns)
    )
    means = rows(f"SELECT {listed} FROM (SELECT * FROM {_quoted(name)} LIMIT {WIDTH_ROWS})")[0]
    return {column: float(mean) for column, mean in zip(columns, means, strict=True) if mean is not None}


def _indexes(rows: Any, name: str, primary: tuple[str, ...]) -> list[Index]:
    found = []
    listed = rows(f"PRAGMA index_list({_quoted(name)})")
    texts = dict(rows("SELECT name, sql FROM sqlite_schema WHERE type = 'index'"))
    for _, index, is_unique, origin, is_partial in listed:
        parts = [part for part in rows(f"PRAGMA index_xinfo({_quoted(index)})") if part[5]]
        text = texts.get(index) or ""
        expressions = _keys_of(text)
        where = text[re.search(r"\)\s*WHERE\s+", text, re.IGNORECASE).end() :] if is_partial and text else ""  # type: ignore[union-attr] # a partial index has WHERE
        found.append(
            Index(
                name=index,
                table=name,
                keys=tuple(
                    part[2] if part[2] is not None else (expressions[at] if at < len(expressions) else "?")
                    for at, part in enumerate(parts)
                ),
                where=where,
                is_unique=bool(is_unique),
                is_primary=origin == "pk",
                is_constraint=origin != "c",
                traits=tuple(f"{part[3]}/{part[4]}" for part in parts),
            )
        )
    if primary and not any(index.is_primary for index in found):
        # The row number itself: no index beside the table, and better than one.
        found.append(Index(name="", table=name, keys=primary, is_unique=True, is_primary=True, is_constraint=True))
    return found


def _keys_of(text: str) -> list[str]:
    """Return the parts between the brackets of CREATE INDEX."""
    begin = text.find("(")
    depth, parts, start = 0, [], begin + 1
    for at in range(max(0, begin), len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if (depth == 1 and text[at] == ",") or depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
        if depth == 0:
            break
    return parts


def _foreign_keys(rows: Any, name: str) -> list[ForeignKey]:
    keys: dict[int, list[Any]] = {}
    for row in rows(f"PRAGMA foreign_key_list({_quoted(name)})"):
        keys.setdefault(row[0], []).append(row)
    return [
        ForeignKey(
            columns=tuple(row[3] for row in sorted(parts, key=lambda row: row[1])),
            target=parts[0][2],
            target_columns=tuple(row[4] for row in parts if row[4]),
        )
        for parts in keys.values()
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

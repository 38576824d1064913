"""The catalog of MySQL and MariaDB: information_schema, and a sample of rows."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from perfkit.database.schema.catalog import PAGE, Catalog, Column, ForeignKey, Index, Table
from perfkit.database.schema.sample import MOST_VALUE, PART_ROWS, PARTS, WIDTH_ROWS, column_of

__all__ = ["read_mysql"]

_WIDE = ("text", "blob", "json")
"""Endings of the types whose values may be long."""


def read_mysql(cursor: Any, dialect: str, schema: str | None, texts: str) -> Catalog:
    """Return the tables of *schema*, or of the connection's; those that occur in *texts* are sampled."""

    def rows(query: str) -> list[Any]:
        cursor.execute(query)
        return list(cursor.fetchall())

    where = "'" + schema.replace("\\", "\\\\").replace("'", "''") + "'" if schema else "DATABASE()"
    columns: dict[str, list[Any]] = defaultdict(list)
    for row in rows(
        "SELECT table_name, column_name, column_type, is_nullable, data_type FROM information_schema.columns "
        f"WHERE table_schema = {where} ORDER BY table_name, ordinal_position"
    ):
        columns[row[0]].append(row)
    indexes = _indexes(rows, where)
    foreign = _foreign_keys(rows, where)
    tables = []
    for name, home, told, size in rows(
        "SELECT table_name, table_schema, table_rows, data_length FROM information_schema.tables "
        f"WHERE table_schema = {where} AND table_type = 'BASE TABLE' ORDER BY table_name"
    ):
        count, is_sampled = float(told or 0), name.lower() in texts
        sample = _sample(rows, home, name, columns[name], indexes[name]) if is_sampled else []
        widths = _widths(rows, home, name, columns[name]) if sample else {}
        if sample and len(sample) < PARTS * PART_ROWS / 2:
            count = max(count, float(len(sample)))
        tables.append(
            Table(
                name=name,
                schema=home,
                rows=count,
                pages=max(1.0, float(size or 0) / PAGE),
                columns={
                    row[1]: column_of(
                        row[1],
                        row[2],
                        [values[at] for values in sample],
                        count,
                        is_nullable=row[3] == "YES",
                        width=widths.get(row[1]),
                    )
                    if sample
                    else Column(name=row[1], type=row[2], is_nullable=row[3] == "YES")
                    for at, row in enumerate(columns[name])
                },
                indexes=tuple(indexes[name]),
                foreign_keys=tuple(foreign[name]),
                carried=frozenset(key for index in indexes[name] if index.is_primary for key in index.keys),
            )
        )
    return Catalog(dialect, tables)


def _indexes(rows: Any, where: str) -> dict[str, list[Index]]:
    parts: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows(
        "SELECT table_name, index_name, non_unique, seq_in_index, column_name, index_type, sub_part, collation "
        f"FROM information_schema.statistics WHERE table_schema = {where} ORDER BY table_name, index_name, seq_in_index"
    ):
        parts[row[0], row[1]].append(row)
    found: dict[str, list[Index]] = defaultdict(list)
    for (table, name), some in parts.items():
        is_unique = not int(some[0][2])
        found[table].append(
            Index(
                name=name,
                table=table,
                keys=tuple(row[4] or "(expression)" for row in some),
                method=str(some[0][5]).lower(),
                is_unique=is_unique,
                is_primary=name == "PRIMARY",
                is_constraint=name == "PRIMARY" or is_unique,
                traits=tuple(f"{row[6]}/{row[7]}" for row in some),
            )
        )
    return found


def _foreign_keys(rows: Any, where: str) -> dict[str, list[ForeignKey]]:
    parts: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows(
        "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name "
        f"FROM information_schema.key_column_usage WHERE table_schema = {where} AND referenced_table_name IS NOT NULL "
        "ORDER BY table_name, constraint_name, ordinal_position"
    ):
        parts[row[0], row[1]].append(row)
    found: dict[str, list[ForeignKey]] = defaultdict(list)
    for (table, name), some in parts.items():
        found[table].append(
            ForeignKey(
                name=name,
                columns=tuple(row[2] for row in some),
                target=some[0][3],
                target_columns=tuple(row[4] for row in some),
            )
        )
    return found


def _sample(rows: Any, home: str, name: str, columns: list[Any], indexes: list[Index]) -> list[Any]:
    """Return rows from all over a table where its key is a number, else its first ones."""
    listed = ", ".join(
        f"LEFT({_quoted(row[1])}, {MOST_VALUE})" if str(row[4]).lower().endswith(_WIDE) else _quoted(row[1])
        for row in columns
    )
    table = f"{_quoted(home)}.{_quoted(name)}"
    primary = next((index.keys for index in indexes if index.is_primary), ())
    kinds = {row[1]: row[4] for row in columns}
    if len(primary) == 1 and "int" in str(kinds.get(primary[0], "")):
        key = _quoted(primary[0])
        low, high = rows(f"SELECT min({key}), max({key}) FROM {table}")[0]
        if low is not None and high - low >= PARTS * PART_ROWS:
            step = (high - low) // PARTS
            return [
                row
                for part in range(PARTS)
                for row in rows(
                    f"SELECT {listed} FROM {table} WHERE {key} >= {low + part * step} "
                    f"AND {key} < {low + (part + 1) * step} ORDER BY {key} LIMIT {PART_ROWS}"
                )
            ]
    return list(rows(f"SELECT {listed} FROM {table} LIMIT {PARTS * PART_ROWS}"))


def _widths(rows: Any, home: str, name: str, columns: list[Any]) -> dict[str, float]:
    """Return the mean bytes of the values of those columns that may hold long ones."""
    wide = [row[1] for row in columns if str(row[4]).lower().endswith(_WIDE)]
    if not wide:
        return {}
    listed, means = ", ".join(map(_quoted, wide)), ", ".join(f"avg(length({_quoted(each)}))" for each in wide)
    table = f"{_quoted(home)}.{_quoted(name)}"
    found = rows(f"SELECT {means} FROM (SELECT {listed} FROM {table} LIMIT {WIDTH_ROWS}) AS some")[0]
    return {column: float(mean) for column, mean in zip(wide, found, strict=True) if mean is not None}


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"

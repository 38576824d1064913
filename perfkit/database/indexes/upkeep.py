"""What the catalog itself says is wrong: indexes that are missing behind foreign keys, unused, or there twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from perfkit.core.findings import Finding, Priority
from perfkit.database.indexes.candidates import SMALLEST
from perfkit.database.indexes.definition import Definition, Key, quoted
from perfkit.database.patterns.found import found
from perfkit.database.schema.catalog import Catalog, ForeignKey, Index, Table

__all__ = ["find_upkeep"]

OLD_ENOUGH = 14.0
"""Days that uses must have been counted: what runs once a month is used too."""

STALE_ROWS, STALE_PART = 1_000.0, 0.25
"""Rows, and part of the table, that may change before its statistics mislead."""


def find_upkeep(
    catalog: Catalog,
    *,
    index_scans: Mapping[str, int] | None = None,
    statistics_age_days: float | None = None,
    planned: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Yield what is wrong with the tables of *catalog*.

    Args:
        catalog: The tables.
        index_scans: Index → uses, in place of the server's counters.
        statistics_age_days: Days over which they were counted, in place of what the server says.
        planned: Indexes that the plans of the workload use.
    """
    age = statistics_age_days
    if age is None:
        # Whoever brings counts has judged how long they were counted.
        age = OLD_ENOUGH if index_scans is not None else catalog.statistics_age_days
    for table in catalog.tables.values():
        yield from _foreign_keys(table, catalog.dialect)
        needless = list(_twice(table, catalog.dialect))
        yield from needless
        told = {finding.object for finding in needless}
        if age is not None and age >= OLD_ENOUGH:
            for index in table.indexes:
                scans = _scans(index, index_scans)
                if scans == 0 and index.name not in told | planned and _may_go(index, table):
                    yield _unused(table, index, age, catalog.dialect)
        if _is_stale(table):
            yield _stale(table, catalog.dialect)


def _foreign_keys(table: Table, dialect: str) -> Iterator[Finding]:
    if table.rows < SMALLEST:
        return
    for key in table.foreign_keys:
        if _supports(key, table):
            continue
        columns = ", ".join(key.columns)
        wanted = Definition(table.name, tuple(Key(name, (name,)) for name in key.columns))
        yield found(
            "missing_fk_index",
            f"{table.name}({columns}) points to {key.target} and has no index: deleting a row there, and joining from "
            f"there, reads all {table.rows:,.0f} rows here.",
            "Make an index on the columns of the foreign key.",
            object=f"{table.name}.{columns}",
            evidence={"rows": round(table.rows), "target": key.target, "columns": list(key.columns)},
            fix={
                "sql": wanted.ddl(dialect) + ";",
                "django": wanted.django(dialect),
                "sqlalchemy": f"mapped_column(ForeignKey('{key.target}.…'), index=True)",
                "alembic": wanted.alembic(dialect),
            },
        )


def _supports(key: ForeignKey, table: Table) -> bool:
    wanted = {name.lower() for name in key.columns}
    return any(
        {name.lower() for name in index.keys[: len(wanted)]} == wanted and not index.where and index.is_valid
        for index in table.indexes
        if index.method in ("btree", "hash", "")
    )


def _twice(table: Table, dialect: str) -> Iterator[Finding]:
    """Yield the indexes that another one makes needless."""
    gone: set[str] = set()
    order = sorted(table.indexes, key=lambda index: (not index.is_constraint, not index.is_unique, index.name))
    for index in reversed(order):
        if index.is_constraint or not index.name:
            continue
        twin = next((each for each in order if each.name not in gone | {index.name} and _is_same(index, each)), None)
        if twin is not None:
            gone.add(index.name)
            yield _needless("duplicate_index", table, index, twin, dialect)
    for index in order:
        if index.name in gone or index.is_constraint or index.is_unique or not index.name:
            continue
        wider = next((each for each in order if each.name not in gone | {index.name} and _begins(each, index)), None)
        if wider is not None:
            gone.add(index.name)
            yield _needless("redundant_index", table, index, wider, dialect)


def _is_same(index: Index, other: Index) -> bool:
    """Whether *other* does all that *index* does with the same keys."""
    return (
        _comparable(index, other)
        and _lower(index.keys) == _lower(other.keys)
        and (index.traits == other.traits or not other.traits or not index.traits)
        and set(index.include) <= set(other.include)
        and (other.is_unique or not index.is_unique)
    )


def _begins(wider: Index, index: Index) -> bool:
    count = len(index.keys)
    return (
        _comparable(index, wider)
        and index.method in ("btree", "")
        and len(wider.keys) > count
        and _lower(wider.keys[:count]) == _lower(index.keys)
        and (wider.traits[:count] == index.traits or not wider.traits)
        and set(index.include) <= set(wider.keys) | set(wider.include)
    )


def _comparable(one: Index, other: Index) -> bool:
    return one.method == other.method and one.where == other.where and one.is_valid and other.is_valid


def _lower(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key.lower() for key in keys)


def _needless(kind: str, table: Table, index: Index, other: Index, dialect: str) -> Finding:
    keys = ", ".join(index.keys)
    name = other.name or "the primary key"
    what = "is there twice" if kind == "duplicate_index" else f"is the beginning of {name} ({', '.join(other.keys)})"
    return found(
        kind,
        f"{index.name} on {table.name} ({keys}) {what}: {name} does all that it does, and each write keeps both.",
        f"Drop {index.name}.",
        object=index.name,
        evidence={"table": table.name, "columns": list(index.keys), "other": name, "bytes": index.size},
        fix=_drop(index, table, dialect),
        priority=Priority.LOW,
    )


def _may_go(index: Index, table: Table) -> bool:
    """Whether nothing but its use speaks for an index."""
    if index.is_unique or index.is_constraint or not index.name:
        return False
    return not any(
        {name.lower() for name in index.keys[: len(key.columns)]} == {name.lower() for name in key.columns}
        for key in table.foreign_keys
    )


def _scans(index: Index, given: Mapping[str, int] | None) -> int | None:
    if given is None:
        return index.scans
    return next((count for name, count in given.items() if name.rpartition(".")[2] == index.name), index.scans)


def _unused(table: Table, index: Index, age: float, dialect: str) -> Finding:
    return found(
        "unused_index",
        f"{index.name} on {table.name} ({', '.join(index.keys)}) was not used once in {age:.0f} days; each write keeps "
        "it up.",
        f"See that no replica uses it, then drop {index.name}.",
        object=index.name,
        evidence={"table": table.name, "columns": list(index.keys), "days": age, "bytes": index.size, "scans": 0},
        fix=_drop(index, table, dialect),
        confidence="likely",
    )


def _drop(index: Index, table: Table, dialect: str) -> dict[str, str]:
    name = quoted(index.name, "`" if dialect in ("mysql", "mariadb") else '"')
    if dialect in ("mysql", "mariadb"):
        sql = f"DROP INDEX {name} ON {quoted(table.name, '`')};"
    else:
        sql = f"DROP INDEX {'CONCURRENTLY ' if dialect == 'postgresql' else ''}{name};"
    return {
        "sql": sql,
        # Django makes indexes that no model names (those of many-to-many tables): only SQL can drop these too.
        "django": f"migrations.RunSQL({sql!r})"
        + ("  # in a migration with atomic = False" if dialect == "postgresql" else ""),
        "alembic": f"op.drop_index({index.name!r}, {table.name!r})",
    }


def _is_stale(table: Table) -> bool:
    if not table.is_analyzed:
        return table.changed is not None and max(table.rows, table.changed) >= STALE_ROWS
    return table.changed is not None and table.changed >= max(STALE_ROWS, STALE_PART * table.rows)


def _stale(table: Table, dialect: str) -> Finding:
    changed = table.changed or 0.0
    return found(
        "stale_statistics",
        f"{table.name} has no statistics."
        if not table.is_analyzed
        else f"{changed:,.0f} rows of {table.name} changed since its statistics were made; the planner believes in "
        f"{table.rows:,.0f} rows.",
        f"Run ANALYZE {table.name}, and see why it is not done by itself.",
        object=table.name,
        evidence={"changed": round(changed), "rows": round(table.rows)},
        fix={"sql": f"ANALYZE {quoted(table.name)};"},
    )

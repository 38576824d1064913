"""The catalog of a PostgreSQL: pg_class, pg_index, pg_constraint, pg_stats. Only reads, and only these.

Source: PostgreSQL documentation, "System Catalogs" and "The Cumulative Statistics System". A table that was never
analyzed has no row count; the planner then takes its pages by the width of a row, and so do we. Rows that changed are
counted by the server late, it may be after the ANALYZE that saw them: for a minute that counter is not believed, and
pages that came since tell of them at any time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from perfkit.database.schema.catalog import PAGE, Catalog, Column, ForeignKey, Index, Table

__all__ = ["read_postgresql"]

_SCHEMAS = "current_schemas(false)"

_TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname, c.reltuples::float8, pg_relation_size(c.oid)::float8,
       greatest(
           CASE WHEN greatest(s.last_analyze, s.last_autoanalyze) > clock_timestamp() - interval '1 minute' THEN 0
           ELSE s.n_mod_since_analyze::float8 END, CASE WHEN c.relpages > 0 THEN
           abs(pg_relation_size(c.oid)::float8 / 8192 / c.relpages - 1) * c.reltuples END),
       greatest(s.last_analyze, s.last_autoanalyze) IS NOT NULL, s.n_live_tup::float8
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND n.nspname = ANY({schemas}) ORDER BY c.relname LIMIT 5000
"""

_COLUMNS = """
SELECT a.attrelid::bigint, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, s.n_distinct::float8,
       s.null_frac::float8, s.avg_width::float8, s.most_common_vals::text::text[], s.most_common_freqs::float8[],
       s.histogram_bounds::text::text[], s.correlation::float8, t.typlen::int
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'm') AND n.nspname = ANY({schemas})
"""

_INDEXES = """
SELECT i.indrelid::bigint, c.relname, i.indisunique, i.indisprimary, i.indisvalid, m.amname, i.indnkeyatts::int,
       i.indnatts::int, pg_relation_size(i.indexrelid)::bigint, s.idx_scan::bigint,
       coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
       array(SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k.o::int, true))
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(n, o)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n AND k.n <> 0 ORDER BY k.o),
       (SELECT string_agg(o.opcname, ' ' ORDER BY u.n) FROM unnest(i.indclass::oid[]) WITH ORDINALITY u(c, n)
        JOIN pg_opclass o ON o.oid = u.c), i.indoption::text, i.indcollation::text,
       EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid
JOIN pg_namespace n ON n.oid = r.relnamespace JOIN pg_am m ON m.oid = c.relam
LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.indexrelid
WHERE n.nspname = ANY({schemas}) ORDER BY c.relname
"""

_FOREIGN_KEYS = """
SELECT k.conrelid::bigint, k.conname, t.relname,
       array(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.o),
       array(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.o)
FROM pg_constraint k JOIN pg_class t ON t.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND n.nspname = ANY({schemas}) ORDER BY k.conname
"""

_COLLATION = "SELECT datcollate FROM pg_database WHERE datname = current_database()"

_SIZE = re.compile(r"pg_relation_size\([\w.]+\)")

_AGE = """
SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 / 86400
FROM pg_stat_database WHERE datname = current_database()
"""

_FUNCTIONS = """
SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') LIMIT 20000
"""


def read_postgresql(cursor: Any, schema: str | None = None) -> Catalog:
    """Return the tables of *schema*, or of all schemas of the search path."""
    schemas = "ARRAY[" + _literal(schema) + "]::name[]" if schema else _SCHEMAS

    def rows(query: str) -> list[Any]:
        return _answered(cursor, query.replace("{schemas}", schemas))

    heads = {row[0]: row for row in rows(_TABLES)}
    columns: dict[int, dict[str, Column]] = defaultdict(dict)
    for row in rows(_COLUMNS):
        if row[0] in heads:
            columns[row[0]][row[1]] = _column(row, max(0.0, heads[row[0]][3]))
    indexes: dict[int, list[Index]] = defaultdict(list)
    for row in rows(_INDEXES):
        if row[0] in heads:
            indexes[row[0]].append(_index(row, heads[row[0]][2]))
    keys: dict[int, list[ForeignKey]] = defaultdict(list)
    for oid, name, target, sources, targets in rows(_FOREIGN_KEYS):
        keys[oid].append(ForeignKey(columns=tuple(sources), target=target, target_columns=tuple(targets), name=name))
    tables = [
        _table(row, columns[oid], tuple(indexes[oid]), tuple(keys[oid])) for oid, row in reversed(list(heads.items()))
    ]
    age = rows(_AGE)
    return Catalog(
        "postgresql",
        tables,
        statistics_age_days=age[0][0] if age else None,
        is_byte_ordered=rows(_COLLATION)[0][0] in ("C", "POSIX"),
        user_functions=[row[0] for row in rows(_FUNCTIONS)],
    )


def _answered(cursor: Any, query: str) -> list[Any]:
    """Return what *query* answers; where a table is locked, with its last known size and no expressions."""
    cursor.execute("SAVEPOINT perfkit_catalog")
    try:
        cursor.execute(query)
    except Exception:  # noqa: BLE001 - drivers have no error in common; the next attempt tells what is wrong
        cursor.execute("ROLLBACK TO SAVEPOINT perfkit_catalog")
        query = query.replace("pg_get_indexdef(i.indexrelid, k.o::int, true)", "'(unknown)'")
        query = query.replace(
            "pg_get_expr(i.indpred, i.indrelid)", "CASE WHEN i.indpred IS NOT NULL THEN 'unknown' END"
        )
        cursor.execute(_SIZE.sub("(c.relpages * 8192::bigint)", query))
    return list(cursor.fetchall())


def _table(
    row: Any, columns: dict[str, Column], indexes: tuple[Index, ...], foreign_keys: tuple[ForeignKey, ...]
) -> Table:
    _, schema, name, tuples, size, changed, is_analyzed, live = row
    pages = size / PAGE
    if tuples < 0:
        width = sum(column.width for column in columns.values()) + 28
        tuples = pages * max(1.0, (PAGE - 24) // width) if pages else 0.0
        is_analyzed = False
    return Table(
        name=name,
        schema=schema,
        rows=float(tuples),
        pages=max(1.0, pages),
        columns=columns,
        indexes=indexes,
        foreign_keys=foreign_keys,
        changed=changed,
        is_analyzed=bool(is_analyzed) or any(column.has_statistics for column in columns.values()),
        measured_rows=live,
    )


def _column(row: Any, tuples: float) -> Column:
    _, name, kind, is_filled, distinct, nulls, width, values, shares, bounds, correlation, length = row
    if distinct is None:
        return Column(name=name, type=kind, is_nullable=not is_filled, width=float(length if length > 0 else 32))
    return Column(
        name=name,
        type=kind,
        distinct=distinct if distinct >= 0 else -distinct * tuples,
        null_ratio=nulls or 0.0,
        width=width or 8.0,
        common=dict(zip(values or (), shares or (), strict=False)),
        bounds=tuple(bounds or ()),
        correlation=correlation or 0.0,
        has_statistics=True,
        is_nullable=not is_filled,
    )


def _index(row: Any, table: str) -> Index:
    _, name, is_unique, is_primary, is_valid, method, count, _, size, scans, where, parts = row[:12]
    parts = [_bare(part) for part in parts]
    return Index(
        name=name,
        table=table,
        keys=tuple(parts[:count]),
        include=tuple(parts[count:]),
        where=where,
        method=method,
        is_unique=is_unique,
        is_primary=is_primary,
        is_constraint=row[15],
        is_valid=is_valid,
        scans=scans,
        size=size,
        traits=tuple("/".join(each) for each in zip(*(str(part).split()[:count] for part in row[12:15]), strict=False)),
    )


def _bare(part: str) -> str:
    """Return a column without its quotes; an expression as it stands."""
    return part[1:-1].replace('""', '"') if part.startswith('"') and part.endswith('"') else part


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

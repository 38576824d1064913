"""`analyze`: what is wrong with a workload and the tables it reads, and the indexes that it is worth having."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from perfkit.core.findings import Finding, Priority
from perfkit.database.indexes.advice import Analysis, IndexAdvice
from perfkit.database.indexes.candidates import SMALLEST
from perfkit.database.indexes.recommend import Workload, checked, search
from perfkit.database.indexes.session import opened
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.indexes.upkeep import find_upkeep
from perfkit.database.patterns.facts import facts_of
from perfkit.database.patterns.found import found
from perfkit.database.patterns.statements import find_statement_patterns
from perfkit.database.schema.catalog import Catalog, Table
from perfkit.database.schema.reading import read_catalog
from perfkit.database.shapes.shape import fingerprint

__all__ = ["analyze", "casts", "missing_index"]

WIDE_COLUMNS, WIDE_BYTES = 5, 100
"""From so many columns, or bytes a row, it is told that all of them are read."""

LONG_LIST = 100
"""Values after IN from which it is told here, where the statement is known and its caller is not."""

_MATTERS_WHEN_LARGE = frozenset({"function_on_column", "leading_wildcard_like", "order_by_random"})
_RANKS = {Priority.CRITICAL: 0, Priority.HIGH: 1, Priority.MEDIUM: 2, Priority.LOW: 3}
_WHOLE = re.compile(r"(?:small|big|tiny)?int|integer|bigint|serial", re.IGNORECASE)
_TEXTUAL = re.compile(r"char|text|clob", re.IGNORECASE)


def analyze(
    connection: Any,
    workload: Workload,
    *,
    schema: str | None = None,
    writes: Mapping[str, float] | None = None,
    index_scans: Mapping[str, int] | None = None,
    statistics_age_days: float | None = None,
) -> Analysis:
    """Return the indexes that *workload* is worth having, and what is wrong with it and its tables.

    Only reading statements are sent, in a transaction that is undone; nothing is changed and nothing analyzed.

    Args:
        connection: As for `recommend_indexes`.
        workload: Pairs of a statement and how often it is called in a period.
        schema: Where its tables are; the search path by default.
        writes: Table → rows written in the same period.
        index_scans: Index → uses, in place of the server's counters.
        statistics_age_days: Days over which they were counted; where only *index_scans* is given, long enough.

    Raises:
        DatabaseError: The database or the workload is nothing that can be asked.
        MissingDependencyError: sqlglot is not installed.
    """
    pairs = checked(workload)
    with opened(connection, schema) as session:
        catalog = read_catalog(session, schema, pairs)
        result = search(session, catalog, pairs, writes=writes)
    findings = [missing_index(advice, catalog) for advice in result.indexes]
    for demand in result.demands:
        findings.extend(_of_statement(demand, catalog, result.rows.get(demand.text)))
    told = {demand.text for demand in result.demands}
    for sql, _ in pairs:
        if sql not in told:
            # What the parser does not know, or the database would not plan, may be wrong all the same.
            findings.extend(_of_text(sql, catalog, None))
    findings.extend(
        find_upkeep(
            catalog, index_scans=index_scans, statistics_age_days=statistics_age_days, planned=result.existing_used
        )
    )
    unique = {(each.fingerprint, each.object): each for each in reversed(findings)}
    ordered = sorted(unique.values(), key=_rank)
    return Analysis(
        indexes=tuple(result.indexes),
        findings=tuple(ordered),
        left_out=tuple(result.left_out),
        verified_by=result.verified_by,
        what_if_calls=result.calls,
    )


def _rank(finding: Finding) -> tuple[int, str, str, str]:
    return _RANKS[finding.priority], finding.code, finding.object or "", finding.message


def missing_index(advice: IndexAdvice, catalog: Catalog) -> Finding:
    """Return the finding that *advice* is."""
    statement = advice.statements[0]
    return found(
        "missing_index",
        f"{advice.table} has no index that serves {advice.table}({', '.join(advice.columns)})"
        f"{' WHERE ' + advice.where if advice.where else ''}: {advice.reason}",
        "Make the index, and look at the plan again.",
        object=f"{advice.table}({', '.join(advice.columns)})",
        evidence={
            "query": fingerprint(statement, catalog.dialect).text[:500],
            "cost_before": advice.cost_before,
            "cost_after": advice.cost_after,
            "size_bytes": advice.size_bytes,
            "verified_by": advice.verified_by,
            "write_cost": advice.write_cost,
        },
        fix={"sql": f"{advice.ddl};", "django": advice.django, "alembic": advice.alembic},
        confidence="sure" if advice.verified_by != "rules" else "likely",
        estimate={"cost_saved": advice.cost_before - advice.cost_after},
    )


def _of_statement(demand: Demand, catalog: Catalog, rows: int | None) -> Iterator[Finding]:
    yield from _of_text(demand.text, catalog, rows)
    yield from casts(demand, catalog)


def _of_text(sql: str, catalog: Catalog, rows: int | None) -> Iterator[Finding]:
    facts = facts_of(sql, catalog.dialect)
    tables = [table for name in facts.shape.tables if (table := catalog.table(name.rpartition(".")[2])) is not None]
    columns = {table.name: {name: column.type for name, column in table.columns.items()} for table in tables}
    largest = max((table.rows for table in tables), default=0.0)
    for finding in find_statement_patterns(sql, dialect=catalog.dialect, rows=rows, columns=columns):
        if _is_worth_telling(finding, tables, largest):
            yield finding
    if facts.in_size >= LONG_LIST:
        yield found(
            "large_in_list",
            f"A list of {facts.in_size} values follows IN: it is parsed, planned and compared anew each time.",
            "Send the values as one array or a temporary table, or in batches.",
            object=tables[0].name if tables else None,
            shape=facts.shape,
            evidence={"values": facts.in_size},
            fix={
                "sql": "… = ANY(?)  -- PostgreSQL, one array"
                if catalog.dialect == "postgresql"
                else "JOIN a temporary table of the values",
                "django": "filter(pk__in=subquery), or batches of 500",
                "sqlalchemy": "Model.id == func.any(values), or batches of 500",
            },
        )


def _is_worth_telling(finding: Finding, tables: list[Table], largest: float) -> bool:
    """Whether a finding of the text stands, now that the tables are known."""
    if finding.kind == "or_over_columns":
        # Each side with an index of its own is combined by the planner: the advice on indexes says which.
        return False
    if finding.kind in _MATTERS_WHEN_LARGE and tables and largest < SMALLEST:
        return False
    if finding.kind == "function_on_column":
        return not _has_expression(str(finding.evidence.get("expression", "")), tables)
    if finding.kind == "leading_wildcard_like":
        return not _has_text_index(finding.object or "", tables)
    if finding.kind == "select_star":
        return any(
            len(table.columns) >= WIDE_COLUMNS or sum(each.width for each in table.columns.values()) >= WIDE_BYTES
            for table in tables
        )
    return True


def _has_expression(expression: str, tables: list[Table]) -> bool:
    wanted = _normal(expression)
    return any(_normal(key) == wanted for table in tables for index in table.indexes for key in index.keys)


def _has_text_index(column: str, tables: list[Table]) -> bool:
    name = column.rpartition(".")[2].lower()
    return any(
        index.method in ("gin", "gist", "fulltext") and name in {key.lower() for key in index.keys}
        for table in tables
        for index in table.indexes
    )


def _normal(text: str) -> str:
    return re.sub(r"::[\w ]+|[\s()\"`]", "", text).lower()


def casts(demand: Demand, catalog: Catalog) -> Iterator[Finding]:
    """Yield comparisons of a column with what is of another type, which only the types of the columns tell."""
    for access in demand.accesses:
        table = catalog.table(access.table)
        for predicate in access.predicates:
            column = table.columns.get(predicate.key) if table else None
            if column is None or predicate.value is None or catalog.dialect != "postgresql":
                continue
            is_fraction = re.fullmatch(r"-?\d*\.\d+", predicate.value) and f"'{predicate.value}'" not in demand.text
            if is_fraction and _WHOLE.match(column.type):
                yield _cast(f"{access.table}.{predicate.key}", column.type, "a number with a fraction", demand, catalog)
    for join in demand.joins:
        one, other = demand.accesses[join.left], demand.accesses[join.right]
        left, right = _type(catalog, one.table, join.left_column), _type(catalog, other.table, join.right_column)
        if left and right and (_is_textual(left) != _is_textual(right)) and (_WHOLE.match(left) or _WHOLE.match(right)):
            about = f"{one.table}.{join.left_column}" if _is_textual(left) else f"{other.table}.{join.right_column}"
            yield _cast(about, left if _is_textual(left) else right, "a column of whole numbers", demand, catalog)


def _type(catalog: Catalog, table: str, column: str) -> str:
    known = catalog.table(table)
    return known.columns[column].type if known is not None and column in known.columns else ""


def _is_textual(kind: str) -> bool:
    return bool(_TEXTUAL.search(kind))


def _cast(about: str, kind: str, value: str, demand: Demand, catalog: Catalog) -> Finding:
    return found(
        "implicit_cast",
        f"{about} is of type {kind}, compared with {value}: each row is converted, and an index is passed by.",
        "Compare values of one type.",
        object=about,
        shape=fingerprint(demand.text, catalog.dialect),
        evidence={"type": kind},
        fix={"sql": f"-- give both sides the type {kind}"},
        confidence="sure",
    )

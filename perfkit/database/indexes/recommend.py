"""`recommend_indexes`: from a workload to the indexes that it is worth having."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from perfkit.core.errors import DatabaseError
from perfkit.database.indexes.advice import IndexAdvice, LeftOut
from perfkit.database.indexes.candidates import SMALLEST, Candidates
from perfkit.database.indexes.costs.model import Costs
from perfkit.database.indexes.costs.rules import Rules
from perfkit.database.indexes.costs.sqlite import SQLitePlanner
from perfkit.database.indexes.costs.whatif import MOST_CALLS, HypoPG, Planner, UnplannedError
from perfkit.database.indexes.definition import quoted
from perfkit.database.indexes.selection import Chosen, Selection
from perfkit.database.indexes.session import Session, opened
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.indexes.statements.groups import learn_groups
from perfkit.database.indexes.statements.reading import UnreadError, read_statement
from perfkit.database.indexes.weighing import write_cost
from perfkit.database.schema.catalog import Catalog
from perfkit.database.schema.reading import read_catalog

__all__ = ["Found", "checked", "measured", "recommend_indexes", "search"]

MOST_STATEMENTS = 500
MOST_SHOWN = 10

Workload = Iterable[tuple[str, float]]


class Found(NamedTuple):
    """What a search ended with.

    Attributes:
        rows: Statement → rows that it returns, as estimated.
        existing_used: Names of the indexes of today that the plans use.
    """

    indexes: list[IndexAdvice]
    demands: list[Demand]
    left_out: list[LeftOut]
    verified_by: str
    calls: int
    rows: dict[str, int]
    existing_used: frozenset[str]


def recommend_indexes(
    connection: Any,
    workload: Workload,
    *,
    schema: str | None = None,
    budget_bytes: int | None = None,
    writes: Mapping[str, float] | None = None,
) -> list[IndexAdvice]:
    """Return the indexes that *workload* is worth having, those that save most first. Nothing is changed.

    Args:
        connection: A driver's connection (psycopg, sqlite3, PyMySQL, mysqlclient), SQLAlchemy's engine or connection,
            or a URL.
        workload: Pairs of a statement and how often it is called in a period.
        schema: Where its tables are; the search path by default.
        budget_bytes: How large the indexes may be in all; None for no bound.
        writes: Table → rows written in the same period. Of other tables, the writes of *workload* count.

    Raises:
        DatabaseError: The database or the workload is nothing that can be asked.
        MissingDependencyError: sqlglot is not installed.
    """
    pairs = checked(workload)
    with opened(connection, schema) as session:
        catalog = read_catalog(session, schema, pairs)
        return search(session, catalog, pairs, budget_bytes=budget_bytes, writes=writes).indexes


def checked(workload: Workload) -> list[tuple[str, float]]:
    """Return *workload* as pairs of text and calls, equal texts once.

    Raises:
        DatabaseError: Something in it is no such pair.
    """
    total: dict[str, float] = {}
    for each in workload:
        try:
            sql, calls = each
            number = float(calls)
        except (TypeError, ValueError):
            sql, number = None, -1.0
        if not isinstance(sql, str) or not 0 <= number < float("inf"):
            raise DatabaseError(
                f"The workload holds {str(each)[:80]!r}. It must be pairs of a statement and how often it is called. "
                "Write it as in [('SELECT …', 1000)]."
            )
        total[sql] = total.get(sql, 0.0) + number
    return list(total.items())


def search(
    session: Session,
    catalog: Catalog,
    workload: Sequence[tuple[str, float]],
    *,
    budget_bytes: int | None = None,
    writes: Mapping[str, float] | None = None,
) -> Found:
    """Do the work of `recommend_indexes` on an open session whose catalog is read."""
    demands, left_out = _read(catalog, workload)
    costs, planned = _costs(session, catalog, demands, left_out)
    candidates = Candidates(catalog, planned)
    lists = [candidates.of(demand) for demand in planned]
    paid = {each: write_cost(each, demands, writes) for each in {each for some in lists for each in some}}
    most = costs.left if isinstance(costs, HypoPG) else MOST_CALLS
    try:
        chosen = Selection(planned, lists, costs, writes=paid, most_calls=most, budget=budget_bytes).choose()
    finally:
        if isinstance(costs, HypoPG):
            costs.reset()
    advice = [_advice(each, planned, catalog, costs.verified_by) for each in chosen if each.before]
    advice.sort(key=lambda each: (each.write_cost - each.saving, each.ddl))
    rows = {demand.text: round(costs.rows(at)) for at, demand in enumerate(planned) if demand.is_query}
    used = frozenset(name for at in range(len(planned)) for name in costs.names(at))
    return Found(advice, demands, left_out, costs.verified_by, costs.calls, rows, used)


def measured(
    session: Session, catalog: Catalog, workload: Sequence[tuple[str, float]]
) -> list[tuple[float, frozenset[str]]]:
    """Return for each statement that can be planned what it costs as things are, and the indexes that it uses."""
    demands, left_out = _read(catalog, workload)
    costs, planned = _costs(session, catalog, demands, left_out)
    return [(costs.cost(at, frozenset()), costs.names(at)) for at in range(len(planned))]


def _read(catalog: Catalog, workload: Sequence[tuple[str, float]]) -> tuple[list[Demand], list[LeftOut]]:
    demands, left_out = [], []
    ranked = sorted(workload, key=lambda pair: -pair[1])
    for sql, calls in ranked[:MOST_STATEMENTS]:
        try:
            demand = read_statement(sql, calls, catalog)
            demands.extend([demand, *_looked_for(demand, catalog)])
        except UnreadError as why:
            left_out.append(LeftOut(sql[:500], str(why)))
    left_out.extend(LeftOut(sql[:500], "there are more than can be weighed") for sql, _ in ranked[MOST_STATEMENTS:])
    learn_groups(catalog, demands)
    return demands, left_out


def _looked_for(demand: Demand, catalog: Catalog) -> Iterator[Demand]:
    """Yield what a delete makes the database look for: the rows of other tables that point to the deleted one."""
    for parent in demand.deleted:
        for table in catalog.tables.values():
            for key in table.foreign_keys:
                if key.target.lower() == parent.lower() and table.rows >= SMALLEST:
                    quote = "`" if catalog.dialect in ("mysql", "mariadb") else '"'
                    where = " AND ".join(f"{quoted(name, quote)} = ?" for name in key.columns)
                    text = f"SELECT 1 FROM {quoted(table.name, quote)} WHERE {where}"
                    child = read_statement(text, demand.calls, catalog)
                    child.text, child.is_query = demand.text, False
                    yield child


def _costs(
    session: Session, catalog: Catalog, demands: list[Demand], left_out: list[LeftOut]
) -> tuple[Costs, list[Demand]]:
    """Return who knows costs here, and the demands that it can plan."""
    reading = [demand for demand in demands if demand.sql]
    if catalog.dialect == "sqlite":
        planner = SQLitePlanner(session, catalog, reading)
        return planner, reading
    if catalog.dialect != "postgresql" or not _has_hypopg(session):
        return Rules(catalog, reading), reading
    version = int(session.rows("SHOW server_version_num")[0][0])
    session.hurry()
    session.cursor.execute("SELECT hypopg_reset()")
    asked = Planner(session.cursor, version)
    planned, today = [], []
    for demand in reading:
        try:
            today.append(asked.plan(demand))
            planned.append(demand)
        except UnplannedError as why:
            left_out.append(LeftOut(demand.text[:500], str(why)))
    return HypoPG(session.cursor, asked, planned, catalog, today=today), planned


def _has_hypopg(session: Session) -> bool:
    return bool(session.rows("SELECT 1 FROM pg_extension WHERE extname = 'hypopg'"))


def _advice(chosen: Chosen, demands: Sequence[Demand], catalog: Catalog, verified_by: str) -> IndexAdvice:
    wanted = chosen.definition
    served = sorted(chosen.before, key=lambda at: -demands[at].calls * (chosen.before[at] - chosen.after[at]))
    calls = sum(demands[at].calls for at in served) or 1.0
    before = sum(demands[at].calls * chosen.before[at] for at in served) / calls
    after = sum(demands[at].calls * chosen.after[at] for at in served) / calls
    texts = tuple(demands[at].text[:500] for at in served[:MOST_SHOWN])
    return IndexAdvice(
        ddl=wanted.ddl(catalog.dialect),
        table=wanted.table,
        columns=wanted.columns,
        cost_before=before,
        cost_after=after,
        size_bytes=chosen.size,
        verified_by=verified_by,
        reason=_reason(chosen, len(served), calls, before, after),
        name=wanted.name,
        where=wanted.where,
        include=wanted.include,
        django=wanted.django(catalog.dialect),
        alembic=wanted.alembic(catalog.dialect),
        statements=texts,
        write_cost=chosen.written,
        saving=sum(demands[at].calls * (chosen.before[at] - chosen.after[at]) for at in served),
    )


def _reason(chosen: Chosen, served: int, calls: float, before: float, after: float) -> str:
    told = f"{_counted(served)} with {calls:g} calls {'cost' if served > 1 else 'costs'} {after:.4g} instead of "
    told += f"{before:.4g} units a call; it takes about {_size(chosen.size)}"
    return told + (f", and writes pay {chosen.written:.4g} units for it." if chosen.written else ".")


def _counted(number: int) -> str:
    return f"{number} statements" if number != 1 else "1 statement"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, count // 1000)} kB"

"""Our search and the one beside it, on the same tables, the same planner and the same bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.tpch.extend import extend
from benchmarks.tpch.queries import QUERIES
from perfkit.database.indexes.candidates import Candidates
from perfkit.database.indexes.costs.whatif import HypoPG, Planner
from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.selection import Selection
from perfkit.database.indexes.session import Session, opened
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.indexes.statements.groups import learn_groups
from perfkit.database.indexes.statements.reading import read_statement
from perfkit.database.schema.catalog import Catalog
from perfkit.database.schema.reading import read_catalog

__all__ = ["MEGABYTE", "Row", "search"]

MEGABYTE = 1_000_000


class Row(NamedTuple):
    """One search.

    Attributes:
        mean: Mean cost of a query with the indexes, as a part of that without.
        megabytes: Bytes of the indexes as the budget counts them.
        real: The same by our model.
        calls: Plans that were asked for, those without hypothetical indexes among them.
    """

    budget: int | None
    mean: float
    megabytes: float
    real: float
    calls: int
    seconds: float
    indexes: tuple[Definition, ...]


class HypoPGBytes(HypoPG):
    """Costs whose sizes are HypoPG's own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sizes: dict[Definition, int] = {}

    def size(self, definition: Definition) -> int:
        if definition not in self._sizes:
            self._have(frozenset(self._made) | {definition})
            self._cursor.execute(f"SELECT hypopg_relation_size({self._made[definition]})")
            self._sizes[definition] = int(self._cursor.fetchone()[0])
        return self._sizes[definition]


class Unbounded(HypoPGBytes):
    """The same for a search that knows no bound of its own to how often it asks."""

    left = 10**9


def search(connection: Any, budget: int | None, *, by_hypopg: bool = True, by_extend: bool = False) -> Row:
    """Search over the 22 queries, each of which weighs the same, within *budget* megabytes."""
    began = time.perf_counter()
    with opened(connection) as session:
        catalog = read_catalog(session, None, [(query, 1.0) for query in QUERIES])
        demands = [read_statement(query, 1.0, catalog) for query in QUERIES]
        learn_groups(catalog, demands)
        planner = Planner(session.cursor, 150000)
        today = [planner.plan(demand) for demand in demands]
        base = [float(plan["Total Cost"]) for plan in today]
        # A statement's weight is one over its cost, so that each counts the same.
        for demand, cost in zip(demands, base, strict=True):
            demand.calls = 1e6 / cost
        kind = Unbounded if by_extend else HypoPGBytes if by_hypopg else HypoPG
        costs = kind(session.cursor, planner, demands, catalog, today=today)
        most = None if budget is None else budget * MEGABYTE
        found = extend(demands, costs, catalog, most) if by_extend else _ours(demands, costs, catalog, most)
        calls, seconds = costs.calls, time.perf_counter() - began
        after = _costs(session, planner, demands, found)
        size = sum(map(costs.size, found)) / MEGABYTE
        real = sum(HypoPG.size(costs, each) for each in found) / MEGABYTE
        costs.reset()
    mean = sum(now / before for now, before in zip(after, base, strict=True)) / len(base)
    return Row(budget, mean, size, real, calls, seconds, tuple(sorted(found)))


def _ours(demands: Sequence[Demand], costs: HypoPG, catalog: Catalog, budget: int | None) -> list[Definition]:
    candidates = Candidates(catalog, demands)
    lists = [candidates.of(demand) for demand in demands]
    selection = Selection(demands, lists, costs, most_calls=costs.left, budget=budget)
    return [each.definition for each in selection.choose()]


def _costs(
    session: Session, planner: Planner, demands: Sequence[Demand], definitions: Sequence[Definition]
) -> list[float]:
    """Return what each statement costs with *definitions*, asked anew, whatever the search has believed."""
    session.cursor.execute("SELECT hypopg_reset()")
    catalog = read_catalog(session, None, [(query, 1.0) for query in QUERIES])
    today = [planner.plan(demand) for demand in demands]
    fresh = Unbounded(session.cursor, planner, demands, catalog, today=today)
    costs = [fresh.cost(number, frozenset(definitions)) for number in range(len(demands))]
    fresh.reset()
    return costs

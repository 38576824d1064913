"""Extend, the search that ours is measured by, as plainly as it is published.

Source: Schlosser, Kossmann, Boissier 2019, "Efficient Scalable Multi-attribute Index Selection Using Recursive
Strategies" (ICDE), with the width of three columns that Kossmann, Halfpap, Jankrift, Schlosser 2020, "Magic mirror in
my hand, which is the best in the land?" (VLDB) compare at. Every column that a query compares, joins, orders or groups
by may begin an index or be put at the end of one; the step that saves most per byte added is taken until none saves
anything. What a query costs with a set of indexes is asked once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perfkit.database.indexes.costs.model import Costs
from perfkit.database.indexes.definition import Definition, Key, is_covered
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.schema.catalog import Catalog

__all__ = ["extend"]

WIDTH = 3


def extend(demands: Sequence[Demand], costs: Costs, catalog: Catalog, budget: int | None) -> list[Definition]:
    """Return the indexes that Extend chooses within *budget* bytes."""
    columns = [set(_columns(demand)) for demand in demands]
    known: dict[tuple[int, frozenset[Definition]], float] = {}

    def cost(indexes: Sequence[Definition]) -> float:
        total = 0.0
        for number, demand in enumerate(demands):
            relevant = frozenset(each for each in indexes if (each.table, each.columns[0]) in columns[number])
            if (number, relevant) not in known:
                known[number, relevant] = costs.cost(number, relevant)
            total += demand.calls * known[number, relevant]
        return total

    chosen: list[Definition] = []
    now, attributes = cost(chosen), sorted(set().union(*columns))
    while True:
        best: tuple[float, list[Definition], float] | None = None
        size = sum(map(costs.size, chosen))
        for wanted in _steps(chosen, attributes, catalog):
            larger = sum(map(costs.size, wanted))
            if budget is not None and larger > budget:
                continue
            then = cost(wanted)
            ratio = (now - then) / max(1, larger - size)
            if ratio > 0 and (best is None or ratio > best[0]):
                best = ratio, wanted, then
        if best is None:
            return chosen
        _, chosen, now = best


def _columns(demand: Demand) -> Iterator[tuple[str, str]]:
    for access in demand.accesses:
        parts = [*access.predicates, *(each for side in access.alternatives for each in side)]
        names = [name for each in [*parts, *access.orders, *access.groups] for name in each.columns]
        yield from ((access.table, name) for name in [*names, *access.joined])


def _steps(
    chosen: list[Definition], attributes: Sequence[tuple[str, str]], catalog: Catalog
) -> Iterator[list[Definition]]:
    for table, column in attributes:
        key = Key(column, (column,))
        options = [[*chosen, Definition(table, (key,))]]
        for at, each in enumerate(chosen):
            if each.table == table and key not in each.keys and len(each.keys) < WIDTH:
                options.append([*chosen[:at], Definition(table, (*each.keys, key)), *chosen[at + 1 :]])
        for option in options:
            added = set(option) - set(chosen)
            known = catalog.table(table)
            if len(set(option)) == len(option) and known and not any(is_covered(each, known.indexes) for each in added):
                yield option

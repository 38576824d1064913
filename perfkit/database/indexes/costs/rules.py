"""Costs by rules of our own over the server's statistics, where no planner can be asked about an index that is none.

Joins are put in order greedily, from each table in turn: the next one is reached by an index on its joined columns for
each row so far, or read once and hashed, whichever is less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from perfkit.database.indexes.costs.paths import ROW, Path, best_path, definition_of, rows_of
from perfkit.database.indexes.costs.sizes import index_bytes
from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.statements.demand import FILTER, Access, Demand
from perfkit.database.schema.catalog import Catalog, Table

__all__ = ["Rules"]

HASHED = 0.02
"""Units to put a row into a hash table and to look one up."""


class Rules:
    """Costs by a model."""

    verified_by: ClassVar[str] = "rules"

    def __init__(self, catalog: Catalog, demands: Sequence[Demand]) -> None:
        """Weigh *demands* by the statistics of *catalog*."""
        self.calls = 0
        self._catalog, self._demands = catalog, demands
        self._existing = {
            table.name: [
                definition_of(index) for index in table.indexes if index.method in ("btree", "") and index.is_valid
            ]
            for table in catalog.tables.values()
        }
        self._known: dict[tuple[int, frozenset[Definition]], Path] = {}

    def cost(self, number: int, definitions: frozenset[Definition]) -> float:
        """Return the cost of statement *number* with *definitions*."""
        return self._way(number, definitions).cost

    def used(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        """Return which of *definitions* the cheapest way goes by."""
        return self._way(number, definitions).used & definitions

    def size(self, definition: Definition) -> int:
        """Return the bytes of *definition*."""
        table = self._catalog.table(definition.table)
        return index_bytes(table, definition, self._catalog.dialect) if table is not None else 0

    def rows(self, number: int) -> float:
        """Return how many rows statement *number* returns: of one table alone, where nothing is grouped or limited."""
        demand = self._demands[number]
        if not demand.is_plain or len(demand.accesses) != 1:
            return 0.0
        access = demand.accesses[0]
        table = self._catalog.table(access.table)
        is_guess = any(predicate.kind == FILTER for predicate in access.predicates)
        return 0.0 if table is None or is_guess else rows_of(access, table)

    def names(self, number: int) -> frozenset[str]:
        """Return the names of the indexes of today that the cheapest way goes by."""
        used = self._way(number, frozenset()).used
        return frozenset(
            index.name
            for table in self._catalog.tables.values()
            for index in table.indexes
            if definition_of(index) in used
        )

    def _way(self, number: int, definitions: frozenset[Definition]) -> Path:
        key = (number, definitions)
        if key not in self._known:
            self._known[key] = self._found(self._demands[number], sorted(definitions))
        return self._known[key]

    def _found(self, demand: Demand, definitions: list[Definition]) -> Path:
        accesses = [
            (access, table) for access in demand.accesses if (table := self._catalog.table(access.table)) is not None
        ]
        if not accesses:
            return Path(0.0)
        offered = [
            self._existing[table.name] + [each for each in definitions if each.table == table.name]
            for _, table in accesses
        ]
        ways = [self._joined(demand, accesses, offered, start) for start in range(len(accesses))]
        return min(ways, key=lambda way: way.cost)

    def _joined(
        self, demand: Demand, accesses: list[tuple[Access, Table]], offered: list[list[Definition]], start: int
    ) -> Path:
        dialect = self._catalog.dialect

        def way(at: int, bound: frozenset[str]) -> Path:
            return best_path(*accesses[at], offered[at], bound, dialect, orders=False)

        access, table = accesses[start]
        if access.is_limited and len(accesses) > 1:
            # Where the other tables leave a part of the rows alone, more of them are read until enough are found.
            access = replace(access, limit=math.ceil(access.limit / self._kept(demand, accesses, start)))
        first = best_path(access, table, offered[start], frozenset(), dialect, orders=True)
        cost, used, done = first.cost, first.used, {start}
        rows = rows_of(access, table)
        if first.is_ordered and access.is_limited:
            rows = min(rows, max(1, access.limit))
        while len(done) < len(accesses):
            best: tuple[float, int, Path, float] | None = None
            for at in range(len(accesses)):
                if at in done:
                    continue
                bound = self._bound(demand, at, done)
                alone = way(at, frozenset())
                size = rows_of(*accesses[at])
                hashed = alone.cost + HASHED * (size + rows)
                choices = [(hashed, alone)]
                if bound:
                    reached = way(at, bound)
                    choices.append((rows * reached.cost, reached))
                paid, path = min(choices, key=lambda choice: choice[0])
                grown = max(1.0, rows * rows_of(*accesses[at], bound)) if bound else rows
                if best is None or paid < best[0]:
                    best = (paid, at, path, grown)
            assert best is not None
            cost, used = cost + best[0], used | best[2].used
            rows = best[3]
            done.add(best[1])
        return Path(cost + rows * ROW, used)

    def _kept(self, demand: Demand, accesses: list[tuple[Access, Table]], start: int) -> float:
        """Return how many rows of the answer come of one row of access *start*."""
        rows, done = 1.0, {start}
        while len(done) < len(accesses):
            bound = {at: self._bound(demand, at, done) for at in range(len(accesses)) if at not in done}
            at = max(bound, key=lambda each: (len(bound[each]), -each))
            rows *= rows_of(*accesses[at], bound[at], least=1e-9)
            done.add(at)
        return max(1e-9, rows)

    def _bound(self, demand: Demand, at: int, done: set[int]) -> frozenset[str]:
        """Return the columns of access *at* that are joined with those of *done*."""
        return frozenset(
            [join.left_column for join in demand.joins if join.left == at and join.right in done]
            + [join.right_column for join in demand.joins if join.right == at and join.left in done]
        )

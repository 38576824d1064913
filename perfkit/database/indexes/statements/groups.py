"""How many values columns have together: no more than the rows of the table whose unique key they stand for.

Columns depend on each other where they point to a row elsewhere, by a foreign key or because statements join them with
the whole of a unique key. To multiply their own numbers of values would then tell far too many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.schema.catalog import Catalog

__all__ = ["learn_groups"]


def learn_groups(catalog: Catalog, demands: Sequence[Demand]) -> None:
    """Note in the tables of *catalog* which columns belong together, by its foreign keys and the joins of *demands*."""
    found: dict[str, dict[frozenset[str], float]] = defaultdict(dict)
    for table, columns, target in (*_of_foreign_keys(catalog), *_of_joins(catalog, demands)):
        other = catalog.table(target)
        if len(columns) > 1 and other is not None:
            found[table][columns] = min(found[table].get(columns, other.rows), max(1.0, other.rows))
    for name, groups in found.items():
        known = catalog.table(name)
        if known is not None:
            catalog.tables[name.lower()] = replace(known, groups={**known.groups, **groups})


def _of_foreign_keys(catalog: Catalog) -> Iterator[tuple[str, frozenset[str], str]]:
    for table in catalog.tables.values():
        for key in table.foreign_keys:
            yield table.name, frozenset(key.columns), key.target


def _of_joins(catalog: Catalog, demands: Sequence[Demand]) -> Iterator[tuple[str, frozenset[str], str]]:
    for demand in demands:
        pairs: dict[tuple[int, int], dict[str, str]] = defaultdict(dict)
        for join in demand.joins:
            pairs[join.left, join.right][join.right_column] = join.left_column
            pairs[join.right, join.left][join.left_column] = join.right_column
        for (one, other), columns in pairs.items():
            target = catalog.table(demand.accesses[other].table)
            if target is None:
                continue
            for unique in target.unique_keys:
                if unique <= columns.keys():
                    yield demand.accesses[one].table, frozenset(columns[name] for name in unique), target.name

"""What it costs to get the wanted rows of one table: by reading it whole, or by one of its indexes.

Source: PostgreSQL documentation, "Planner Cost Constants" and src/backend/optimizer/path/costsize.c: pages in sequence
and at random, rows, entries of an index; pages fetched by Mackert and Lohman 1989, "Index Scans Using a Finite LRU
Buffer". Deviation: one path a table and no parallel work, so costs are a model's and compare only with each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from perfkit.database.indexes.costs.selectivity import selectivity, selectivity_of_condition
from perfkit.database.indexes.costs.sizes import index_bytes
from perfkit.database.indexes.definition import Definition, Key
from perfkit.database.indexes.statements.demand import EQUAL, FILTER, IN, NULL, Access, Predicate
from perfkit.database.schema.catalog import PAGE, Index, Table

__all__ = ["Path", "best_path", "definition_of", "rows_of"]

PAGE_IN_SEQUENCE, PAGE_AT_RANDOM = 1.0, 4.0
ROW, ENTRY, OPERATION = 0.01, 0.005, 0.0025


@dataclass(frozen=True)
class Path:
    """A way to the rows.

    Attributes:
        cost: Of one time.
        used: The definitions that it goes by; an index that exists is one too.
        is_ordered: Whether the rows come in the wanted order.
    """

    cost: float
    used: frozenset[Definition] = frozenset()
    is_ordered: bool = False


def definition_of(index: Index) -> Definition:
    """Return an index that exists in the form of one to be made."""
    keys = tuple(Key(key, (key,) if re.fullmatch(r"[\w$ ]+", key) else (), "(" in key) for key in index.keys)
    return Definition(index.table, keys, index.where, index.include)


def rows_of(access: Access, table: Table, bound: frozenset[str] = frozenset(), *, least: float = 1.0) -> float:
    """Return the rows of one time, where the columns *bound* are compared with a value from elsewhere."""
    part = 1.0
    for predicate in access.predicates:
        if predicate.kind != FILTER:
            part *= selectivity(table, predicate)
    for sides in access.alternatives:
        part *= min(1.0, sum(selectivity(table, side) for side in sides))
    for name in bound:
        part *= selectivity(table, Predicate(name, EQUAL, (name,)))
    return max(least, table.rows * part)


def best_path(
    access: Access,
    table: Table,
    definitions: Sequence[Definition],
    bound: frozenset[str],
    dialect: str,
    *,
    orders: bool,
) -> Path:
    """Return the cheapest way; with *orders*, the sorting that is left counts too."""
    ways = [_whole(access, table)]
    either = _either(access, table, definitions, dialect)
    if either is not None:
        ways.append(either)
    for definition in definitions:
        way = _by_index(access, table, definition, bound, dialect, orders=orders)
        if way is not None:
            ways.append(way)
    if orders and access.orders:
        rows = rows_of(access, table, bound)
        sort = (
            2 * OPERATION * rows * math.log2(max(2.0, min(rows, access.limit or rows) if access.is_limited else rows))
        )
        ways = [way if way.is_ordered else Path(way.cost + sort, way.used) for way in ways]
    return min(ways, key=lambda way: (way.cost, len(way.used)))


def _whole(access: Access, table: Table) -> Path:
    checks = len(access.predicates) + len(access.alternatives)
    return Path(table.pages * PAGE_IN_SEQUENCE + table.rows * (ROW + OPERATION * checks))


def _either(access: Access, table: Table, definitions: Sequence[Definition], dialect: str) -> Path | None:
    """Return the way by one index for each side of an OR."""
    if not access.alternatives or access.predicates:
        return None
    cost, used = 0.0, frozenset[Definition]()
    for side in access.alternatives[0]:
        part = Access(access.table, access.alias, access.scope, predicates=[side], needed=set(table.columns))
        ways = [_by_index(part, table, each, frozenset(), dialect, orders=False) for each in definitions]
        found = [way for way in ways if way is not None]
        if not found:
            return None
        best = min(found, key=lambda way: way.cost)
        cost, used = cost + best.cost, used | best.used
    return Path(cost, used)


def _by_index(
    access: Access, table: Table, definition: Definition, bound: frozenset[str], dialect: str, *, orders: bool
) -> Path | None:
    if definition.where and not _holds(access, definition.where):
        return None
    rows = table.rows * (selectivity_of_condition(table, definition.where) if definition.where else 1.0)
    scanned, kept, descents, fixed = _matched(access, table, definition, bound)
    is_ordered = orders and _is_ordered(access, definition, fixed)
    # PostgreSQL looks into the table all the same where its rows are not known to be visible to all.
    is_carrying = dialect != "postgresql" and bool(access.needed) and access.needed <= definition.needed | table.carried
    if scanned >= 1.0 and not is_ordered and not is_carrying and not definition.where:
        return None
    pages = max(1.0, index_bytes(table, definition, dialect) / PAGE)
    entries = max(1.0, rows * scanned)
    wanted = max(1.0, rows * scanned * kept)
    cost = descents * (PAGE_AT_RANDOM + OPERATION * math.log2(max(2.0, rows)) * 50)
    cost += max(0.0, pages * scanned - 1) * (PAGE_IN_SEQUENCE if scanned > 0.05 else PAGE_AT_RANDOM) + entries * ENTRY
    cost += wanted * (ROW + OPERATION * len(access.predicates))
    if not is_carrying:
        cost += _fetched(table, definition, wanted, is_random=is_ordered)
    if is_ordered and access.is_limited:
        found = rows_of(access, table, bound)
        first = PAGE_AT_RANDOM * 2
        cost = min(cost, first + (cost - first) * min(1.0, max(1, access.limit) / found)) if cost > first else cost
    return Path(cost, frozenset({definition}), is_ordered)


def _holds(access: Access, where: str) -> bool:
    """Whether the conditions of the statement contain that of a partial index."""
    given = {_normal(predicate.condition) for predicate in access.predicates if predicate.condition}
    return all(_normal(part) in given for part in re.split(r" AND ", where))


def _normal(text: str) -> str:
    return re.sub(r"::[\w ]+|[\s()\"`]", "", text).lower()


def _matched(
    access: Access, table: Table, definition: Definition, bound: frozenset[str]
) -> tuple[float, float, int, frozenset[str]]:
    """Return the part of the index that is read, the part of that which is wanted, descents, and columns held equal."""
    scanned, kept, descents = 1.0, 1.0, 1
    fixed: set[str] = set()
    is_start = True
    for key in definition.keys:
        name = key.text
        predicates = [each for each in access.predicates if _normal(each.key) == _normal(name) and each.kind != FILTER]
        parts = [selectivity(table, each) for each in predicates]
        if name in bound:
            parts.append(selectivity(table, Predicate(name, EQUAL, (name,))))
        if not parts:
            is_start = False
            continue
        is_equal = name in bound or any(each.kind in (EQUAL, NULL) for each in predicates)
        lists = [each.size for each in predicates if each.kind == IN]
        if is_start:
            scanned *= math.prod(parts)
            descents *= max(lists) if lists and not is_equal else 1
            is_start = is_equal or bool(lists)
            if is_equal:
                fixed.add(name)
        else:
            kept *= math.prod(parts)
    for name in definition.include:
        for each in access.predicates:
            if each.key == name and each.kind != FILTER:
                kept *= selectivity(table, each)
    unique = next((keys for keys in table.unique_keys if keys <= fixed), None)
    if unique is not None:
        scanned = min(scanned, 1 / max(1.0, table.rows))
    return scanned, kept, descents, frozenset(fixed)


def _is_ordered(access: Access, definition: Definition, fixed: frozenset[str]) -> bool:
    """Whether the index gives the order, read forwards or backwards, once the columns *fixed* have one value."""
    if not access.orders:
        return False
    keys = list(definition.keys)
    held = {predicate.key for predicate in access.predicates if predicate.kind == EQUAL}
    orders = [order for order in access.orders if order.key not in held]
    while keys and keys[0].text in fixed:
        keys.pop(0)
    if len(keys) < len(orders):
        return False
    turns = {key.is_descending != order.is_descending for key, order in zip(keys, orders, strict=False)}
    return len(turns) <= 1 and all(
        _normal(key.text) == _normal(order.key) for key, order in zip(keys, orders, strict=False)
    )


def _fetched(table: Table, definition: Definition, wanted: float, *, is_random: bool) -> float:
    """Return the cost of the table's own pages for so many rows."""
    pages = max(1.0, table.pages)
    touched = min(pages, 2 * pages * wanted / (2 * pages + wanted))
    at_random = touched * PAGE_AT_RANDOM
    # A bitmap reads the pages in their own order: the more of them there are, the cheaper is each.
    by_bitmap = touched * (PAGE_AT_RANDOM - (PAGE_AT_RANDOM - PAGE_IN_SEQUENCE) * math.sqrt(touched / pages))
    first = table.columns.get(definition.keys[0].text)
    together = (first.correlation if first is not None else 0.0) ** 2
    in_order = PAGE_AT_RANDOM + max(0.0, pages * wanted / max(1.0, table.rows) - 1) * PAGE_IN_SEQUENCE
    by_order = at_random + together * (in_order - at_random)
    return by_order if is_random else min(by_order, by_bitmap)

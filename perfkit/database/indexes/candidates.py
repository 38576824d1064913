"""Which indexes a workload might want: columns compared for equality first, then one range or the order.

Source: Lahdenmaki and Leach 2005, "Relational Database Index Design and the Optimizers", the three stars: equal columns
first, then the order, then the rest of the columns so that the table need not be read. Variants are made for each use
of a table, without regard to cost; what is measured later decides.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from perfkit.database.indexes.costs.selectivity import selectivity
from perfkit.database.indexes.definition import Definition, Key, is_covered
from perfkit.database.indexes.statements.demand import EQUAL, IN, NULL, PREFIX, RANGE, Access, Demand, Order, Predicate
from perfkit.database.schema.catalog import Catalog, Table

__all__ = ["Candidates"]

MOST_KEYS = 4
MOST_OF_ONE = 60
"""Candidates of one use of a table."""

MOST_CARRIED = 4
MOST_CARRIED_BYTES = 80
RARE = 0.3
"""Part of the rows up to which a partial index is thought of."""

FEW = 0.05
"""Part of the rows up to which a condition leaves few."""

MOST_FLAGS, MOST_LISTED = 20, 5
"""Values of a column, and those that a statement lists of them, up to which a partial index is thought of."""

UNINDEXABLE = ("json", "xml", "point", "polygon", "tsvector", "blob", "bytea", "longtext", "array", "text[]")
SMALLEST = 500
"""Rows below which a table is read whole as quickly."""

FEWEST_VALUES = 50
"""Different values from which an index on an expression is thought of."""

MOST_IN = 200


class Candidates:
    """Candidates of each statement of a workload."""

    def __init__(self, catalog: Catalog, demands: Sequence[Demand]) -> None:
        """Look at *demands* as a whole: columns that many of them compare come first in an index."""
        self._catalog = catalog
        self._uses: Counter[tuple[str, str]] = Counter()
        for demand in demands:
            for access in demand.accesses:
                for predicate in access.predicates:
                    self._uses[access.table, predicate.key] += 1
                for joined in set(access.joined):
                    self._uses[access.table, joined] += 1

    def of(self, demand: Demand) -> list[Definition]:
        """Return what could serve *demand*, each once, in a fixed order."""
        found: dict[Definition, None] = {}
        for access in demand.accesses:
            table = self._catalog.table(access.table)
            if table is None or table.rows < SMALLEST:
                continue
            count = 0
            for wanted in self._of_access(access, table, is_hope=self._leaves_few(demand, access)):
                if count >= MOST_OF_ONE:
                    break
                if wanted not in found and self._may(wanted, table):
                    found[wanted] = None
                    count += 1
        return list(found)

    def _may(self, wanted: Definition, table: Table) -> bool:
        names = [name for key in wanted.keys for name in key.columns]
        columns = [table.columns.get(name) for name in names]
        if not columns or any(
            column is None or column.type.lower().startswith(UNINDEXABLE) or column.type.endswith("[]")
            for column, key in zip(columns, wanted.keys, strict=False)
            if not key.is_expression
        ):
            return False
        if self._catalog.dialect in ("mysql", "mariadb") and any(
            column is not None and column.type.lower().endswith("text") for column in columns
        ):
            return False
        return not is_covered(wanted, table.indexes)

    def _leaves_few(self, demand: Demand, access: Access) -> bool:
        """Whether *access*, or what it is joined with, is compared with a value that few rows have.

        To read by the order alone until enough rows are found is then a bet on where those few lie.
        """
        joined = [each for each in demand.accesses if each.scope == access.scope] if access.joined else [access]
        return any(
            predicate.kind in (EQUAL, NULL) and selectivity(table, predicate) <= FEW
            for each in joined
            if (table := self._catalog.table(each.table)) is not None
            for predicate in each.predicates
        )

    def _of_access(self, access: Access, table: Table, *, is_hope: bool) -> Iterator[Definition]:
        equals = self._sorted(access, table, (EQUAL, NULL))
        lists = self._sorted(access, table, (IN,))
        ranges = self._sorted(access, table, (RANGE, PREFIX))
        joins = [self._column(name) for name in dict.fromkeys(access.joined)]
        order = self._ordered(access.orders)
        group = self._ordered(access.groups)
        bases = list(self._bases(equals, lists, ranges, joins, order, group))
        if is_hope:
            bases = [each for each in bases if not order or each != tuple(order)]
        for side in access.alternatives:
            bases.extend((self._key(each),) for each in side if self._is_served(each, table))
        unique: dict[tuple[Key, ...], None] = {}
        for base in bases:
            keys = tuple(dict.fromkeys(base))[:MOST_KEYS]
            if keys:
                unique[keys] = None
        for keys in unique:
            yield Definition(access.table, keys)
        if self._catalog.dialect in ("postgresql", "sqlite"):
            yield from self._partial(access, table, list(unique))
        yield from self._carrying(access, table, list(unique))

    def _bases(
        self,
        equals: list[Key],
        lists: list[Key],
        ranges: list[Key],
        joins: list[Key],
        order: list[Key],
        group: list[Key],
    ) -> Iterator[tuple[Key, ...]]:
        """Yield the orders of keys that are worth a look, the simple ones first."""
        fixed = [*equals, *lists]
        yield from ((key,) for key in fixed)
        yield from ((key,) for key in joins)
        yield from ((key,) for key in ranges)
        yield tuple(order)
        yield tuple(group)
        yield tuple(equals)
        yield tuple(fixed)
        yield from ((*fixed, each) for each in ranges)
        yield from ((*equals, each) for each in ranges)
        yield (*equals, *order)
        yield (*fixed, *order)
        yield from ((*equals, *order, each) for each in [*lists, *ranges] if order)
        yield (*equals, *group)
        for join in joins:
            yield (*equals, join)
            yield (join, *equals)
            yield (*fixed, join)
            yield (join, *fixed)
            yield (join, *equals, *order)
            for each in ranges:
                yield (join, *equals, each)
                yield (each, join)
        if len(joins) > 1:
            yield tuple(joins)
            yield tuple(reversed(joins))
        for one in fixed:
            for other in [*ranges, *fixed]:
                yield (one, other)
            if order:
                yield (one, *order)

    def _carrying(self, access: Access, table: Table, bases: list[tuple[Key, ...]]) -> Iterator[Definition]:
        """Yield the bases with the rest of the columns that the statement reads, where these are few and narrow."""
        for keys in bases:
            inside = {name for key in keys for name in key.columns}
            if any(key.is_expression for key in keys):
                continue
            rest = sorted(access.needed - inside - table.carried)
            if not 1 <= len(rest) <= MOST_CARRIED or any(name not in table.columns for name in rest):
                continue
            if sum(table.columns[name].width for name in rest) > MOST_CARRIED_BYTES:
                continue
            if self._catalog.dialect == "postgresql":
                yield Definition(access.table, keys, include=tuple(rest))
            elif is_covered(Definition(access.table, keys), table.indexes):
                # What the few rows of an index at hand cost to fetch, no planner tells us here.
                continue
            elif len(keys) + len(rest) <= MOST_KEYS + 1:
                yield Definition(access.table, (*keys, *map(self._column, rest)))

    def _partial(self, access: Access, table: Table, bases: list[tuple[Key, ...]]) -> Iterator[Definition]:
        """Yield the bases for the rows alone that rare constants of the statement pick, one by one and together."""
        constants = [each for each in access.predicates if _is_constant(each, table)]
        choices = [[each] for each in constants]
        if len(constants) > 1:
            choices.insert(0, constants)
        for some in choices:
            if math.prod(selectivity(table, each) for each in some) > RARE:
                continue
            where = " AND ".join(sorted(each.condition for each in some))
            held = {each.key for each in some}
            rests: dict[tuple[Key, ...], None] = {}
            for keys in bases:
                rests[tuple(key for key in keys if key.text not in held)] = None
            for rest in filter(None, rests):
                yield Definition(access.table, rest, where=where)
            if len(access.predicates) == len(some) and not access.joined and not access.orders:
                yield Definition(access.table, (self._column(some[0].key),), where=where)

    def _sorted(self, access: Access, table: Table, kinds: Iterable[str]) -> list[Key]:
        """Return the keys of the predicates of *kinds*: what the workload compares most often, then the finest."""
        wanted = [each for each in access.predicates if each.kind in kinds and self._is_served(each, table)]
        wanted.sort(key=lambda each: (-self._uses[access.table, each.key], selectivity(table, each), each.key))
        return list(dict.fromkeys(self._key(each) for each in wanted))

    def _is_served(self, predicate: Predicate, table: Table) -> bool:
        column = table.columns.get(predicate.columns[0]) if predicate.columns else None
        if column is None or (predicate.kind == IN and predicate.size > MOST_IN):
            return False
        if predicate.is_expression:
            return (
                len(predicate.columns) == 1
                and "(" in predicate.key
                and column.distinct >= FEWEST_VALUES
                and self._catalog.dialect in ("postgresql", "sqlite")
            )
        return True

    def _key(self, predicate: Predicate) -> Key:
        opclass = ""
        if predicate.kind == PREFIX and self._catalog.dialect == "postgresql" and not self._catalog.is_byte_ordered:
            opclass = "text_pattern_ops"
        if predicate.kind == PREFIX and self._catalog.dialect == "sqlite":
            opclass = "COLLATE NOCASE"  # its LIKE knows no capitals
        return Key(predicate.key, predicate.columns, predicate.is_expression, opclass=opclass)

    def _column(self, name: str) -> Key:
        return Key(name, (name,))

    def _ordered(self, orders: Sequence[Order]) -> list[Key]:
        """Return the keys of an order; where all run the same way the index is kept upwards, as it reads both ways."""
        is_mixed = len({order.is_descending for order in orders}) > 1
        return [
            Key(order.key, order.columns, order.is_expression, is_descending=is_mixed and order.is_descending)
            for order in orders
        ]


def _is_constant(predicate: Predicate, table: Table) -> bool:
    """Whether it compares a column of few values, or the lack of one, with what is the same each time."""
    if predicate.kind not in (EQUAL, IN, NULL) or not predicate.condition or predicate.is_expression:
        return False
    column = table.columns.get(predicate.key)
    return predicate.kind == NULL or (
        column is not None and 0 < column.distinct <= MOST_FLAGS and predicate.size <= MOST_LISTED
    )

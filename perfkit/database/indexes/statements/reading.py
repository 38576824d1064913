"""Reads statements with sqlglot into what they ask of each table. Off the request path: it takes milliseconds each."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from perfkit.core.errors import MissingDependencyError
from perfkit.database.indexes.statements.conditions import Conditions, bare, keyed
from perfkit.database.indexes.statements.demand import Access, Demand, Order
from perfkit.database.schema.catalog import Catalog

__all__ = ["UnreadError", "read_statement", "sqlglot_modules"]

MOST_CHARACTERS = 50_000
MOST_SCOPES = 40
MOST_TABLES = 24
"""Tables of one statement, each as often as it is named: the work of ordering their joins grows with the cube."""

DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "mysql": "mysql", "sqlite": "sqlite"}
ORDINARY_LIMIT = 20
"""Rows that LIMIT ? stands for."""


class UnreadError(Exception):
    """Why a statement was left out."""


def sqlglot_modules() -> tuple[Any, Any]:
    """Return sqlglot and its scopes.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module("sqlglot"), importlib.import_module("sqlglot.optimizer.scope")
    except ImportError as error:
        raise MissingDependencyError("sqlglot", extra="sql", wanted_by="Advice on indexes") from error


def read_statement(sql: str, calls: float, catalog: Catalog) -> Demand:
    """Return what *sql* asks.

    Raises:
        UnreadError: It cannot be read, or must not be planned; the message says why.
    """
    sqlglot, scopes = sqlglot_modules()
    if len(sql) > MOST_CHARACTERS:
        raise UnreadError("it is too long")
    dialect = DIALECTS.get(catalog.dialect, "")
    text = with_named_places(sql)
    try:
        trees = [tree for tree in sqlglot.parse(text, read=dialect) if tree is not None]
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise UnreadError(f"it cannot be parsed ({type(error).__name__})") from None
    if len(trees) != 1:
        raise UnreadError("it is not one statement")
    reader = _Reader(sqlglot.exp, scopes, catalog, dialect)
    try:
        return reader.read(trees[0], sql, calls)
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise UnreadError(f"its tables cannot be told ({type(error).__name__})") from None


_STRING_OR_PLACE = re.compile(
    r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|%\((\w+)\)s|(?<![%\w])%s|(?<![:\w]):([A-Za-z_]\w*)"
)


def with_named_places(sql: str) -> str:
    """Return *sql* with ``?`` for the drivers' other places for values, as every dialect's grammar knows it."""
    return _STRING_OR_PLACE.sub(lambda match: match[1] or "?", sql)


class _Reader:
    """One statement."""

    def __init__(self, exp: Any, scopes: Any, catalog: Catalog, dialect: str) -> None:
        self.exp, self.scopes, self.catalog, self.dialect = exp, scopes, catalog, dialect

    def read(self, tree: Any, text: str, calls: float) -> Demand:
        exp = self.exp
        self._refuse(tree)
        written, deleted = self._written(tree)
        planned = self._select_of(tree)
        demand = Demand("", text, calls, written=written, deleted=deleted)
        if planned is None:
            return demand
        for limit in planned.find_all(exp.Limit, exp.Offset):
            for place in list(limit.find_all(exp.Placeholder, exp.Parameter)):
                place.replace(exp.Literal.number(ORDINARY_LIMIT if isinstance(limit, exp.Limit) else 0))
        demand.is_query = planned is tree
        aggregates = (exp.AggFunc, exp.Group, exp.Limit, exp.Fetch, exp.Distinct)
        demand.is_plain = demand.is_query and planned.find(*aggregates) is None
        demand.parameters = planned.find(exp.Placeholder, exp.Parameter) is not None
        demand.sql = self._planned_text(planned)
        self._scopes(planned, demand)
        return demand

    def _planned_text(self, tree: Any) -> str:
        """Return the text to be planned, its places numbered as PREPARE wants them."""
        exp = self.exp
        tree = tree.copy()
        for number, place in enumerate(list(tree.find_all(exp.Placeholder, exp.Parameter, bfs=False)), 1):
            mark = exp.Parameter(this=exp.Literal.number(number)) if self.dialect == "postgres" else exp.Null()
            place.replace(mark)
        return str(tree.sql(dialect=self.dialect))

    def _refuse(self, tree: Any) -> None:
        exp = self.exp
        if not isinstance(tree, exp.Query | exp.Insert | exp.Update | exp.Delete):
            raise UnreadError("it neither reads nor writes rows")
        inner = (exp.Insert, exp.Update, exp.Delete, exp.Into, exp.Create, exp.Drop)
        if any(node is not tree for node in tree.find_all(*inner)):
            raise UnreadError("it changes rows within a query")
        for call in tree.find_all(exp.Func):
            name = call.name if isinstance(call, exp.Anonymous) else call.sql_name()
            if str(name).lower() in self.catalog.user_functions:
                raise UnreadError(f"it calls {name}(), which planning might run")

    def _written(self, tree: Any) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
        exp = self.exp
        if isinstance(tree, exp.Query):
            return {}, frozenset()
        target = tree.this.find(exp.Table) if not isinstance(tree.this, exp.Table) else tree.this
        table = self.catalog.table(target.name) if target is not None else None
        if table is None:
            raise UnreadError("it writes to a table that is not known")
        if isinstance(tree, exp.Update):
            return {table.name: frozenset(each.this.name for each in tree.expressions if each.this)}, frozenset()
        return {table.name: frozenset()}, frozenset({table.name} if isinstance(tree, exp.Delete) else ())

    def _select_of(self, tree: Any) -> Any:
        """Return the query that finds the rows which a write changes; None where it looks for none."""
        exp = self.exp
        if isinstance(tree, exp.Query):
            return tree
        if isinstance(tree, exp.Insert):
            source = tree.expression
            return source if isinstance(source, exp.Select) and source.args.get("from_") else None
        where = tree.args.get("where")
        if where is None:
            return None
        select = exp.select("1").from_(tree.this.copy())
        select.set("where", where.copy())
        return select

    def _scopes(self, tree: Any, demand: Demand) -> None:
        outer: dict[str, int] = {}
        found = list(self.scopes.traverse_scope(tree))
        if len(found) > MOST_SCOPES:
            raise UnreadError("it has too many parts")
        uses: list[tuple[int, Any, dict[str, int]]] = []
        for number, scope in enumerate(found):
            own: dict[str, int] = {}
            for alias, (_, source) in scope.selected_sources.items():
                if not isinstance(source, self.exp.Table):
                    continue
                table = self.catalog.table(source.name)
                if table is None:
                    raise UnreadError(f"{source.name} is not a table that is known")
                if len(demand.accesses) >= MOST_TABLES:
                    raise UnreadError("it reads too many tables")
                own[alias.lower()] = len(demand.accesses)
                demand.accesses.append(Access(table.name, alias, number))
            uses.append((number, scope, own))
            outer = {**outer, **own}
        for _, scope, own in uses:
            self._scope(scope, own, {**outer, **own}, demand)

    def _scope(self, scope: Any, own: dict[str, int], known: dict[str, int], demand: Demand) -> None:
        exp, select = self.exp, scope.expression
        conditions = Conditions(exp, self.catalog, self.dialect, demand, own, known)
        for column in scope.columns:
            place = conditions.access_of(column)
            if place is not None:
                demand.accesses[place].needed.add(self._name(demand.accesses[place], column))
        if not isinstance(select, exp.Select):
            return
        if any(
            isinstance(each, exp.Star) or (isinstance(each, exp.Column) and each.is_star) for each in select.selects
        ):
            for place in own.values():
                table = self.catalog.table(demand.accesses[place].table)
                demand.accesses[place].needed.update(table.columns if table else ())
        for clause in self._filters(select):
            conditions.add(clause)
        self._order(select, conditions, own, demand)

    def _name(self, access: Access, column: Any) -> str:
        table = self.catalog.table(access.table)
        wanted = column.name.lower()
        return next((name for name in (table.columns if table else ()) if name.lower() == wanted), column.name)

    def _filters(self, select: Any) -> Iterator[Any]:
        where = select.args.get("where")
        if where is not None:
            yield where.this
        for join in select.args.get("joins") or ():
            if join.args.get("on") is not None:
                yield join.args["on"]
            for column in join.args.get("using") or ():
                yield self._using(select, join, column)

    def _using(self, select: Any, join: Any, column: Any) -> Any:
        exp = self.exp
        left = select.args["from_"].this.alias_or_name
        return exp.EQ(
            this=exp.column(column.name, table=left), expression=exp.column(column.name, table=join.this.alias_or_name)
        )

    def _order(self, select: Any, conditions: Any, own: dict[str, int], demand: Demand) -> None:
        exp = self.exp
        aliases = {each.alias: each.this for each in select.selects if isinstance(each, exp.Alias)}

        def orders(items: list[Any]) -> tuple[int, list[Order]] | None:
            result, places = [], set()
            for item in items:
                is_ordered = isinstance(item, exp.Ordered)
                node = item.this if is_ordered else item
                if isinstance(node, exp.Literal) and node.is_int and 0 < int(node.this) <= len(select.selects):
                    node = select.selects[int(node.this) - 1].unalias()
                if isinstance(node, exp.Column) and not node.table and node.name in aliases:
                    node = aliases[node.name]
                place = conditions.place_of(node)
                if place is None or place not in own.values():
                    return None
                places.add(place)
                key, columns, is_expression = keyed(exp, bare(exp, node), self.dialect)
                result.append(Order(key, columns, bool(is_ordered and item.args.get("desc")), is_expression))
            return (places.pop(), result) if len(places) == 1 else None

        group, order = select.args.get("group"), select.args.get("order")
        grouped = orders(group.expressions) if group is not None and group.expressions else None
        if grouped is None and group is None and select.args.get("distinct") is not None:
            grouped = orders([each.unalias() for each in select.selects])
        if grouped is not None:
            demand.accesses[grouped[0]].groups = grouped[1]
        ordered = orders(order.expressions) if order is not None else None
        limit = select.args.get("limit")
        if ordered is not None and group is None:
            access = demand.accesses[ordered[0]]
            access.orders = ordered[1]
            access.is_limited = limit is not None
            count = limit.expression if isinstance(limit, exp.Limit) else None
            access.limit = int(count.this) if isinstance(count, exp.Literal) and count.is_int else ORDINARY_LIMIT
        # min(a) and max(a) alone are the first row of an order.
        only = select.selects[0].unalias() if len(select.selects) == 1 else None
        if isinstance(only, exp.Min | exp.Max) and group is None and isinstance(only.this, exp.Column):
            place = conditions.place_of(only.this)
            if place is not None and len(own) == 1:
                key, columns, _ = keyed(exp, bare(exp, only.this), self.dialect)
                demand.accesses[place].orders = [Order(key, columns, isinstance(only, exp.Max))]
                demand.accesses[place].is_limited, demand.accesses[place].limit = True, 1

"""Conditions of a statement, each given to the table that it is about."""

from __future__ import annotations

from typing import Any

from perfkit.database.indexes.statements.demand import EQUAL, FILTER, IN, NULL, PREFIX, RANGE, Demand, Join, Predicate
from perfkit.database.schema.catalog import Catalog

__all__ = ["Conditions", "bare", "keyed"]


def bare(exp: Any, node: Any) -> Any:
    """Return a copy of *node* whose columns have no table before them."""

    def without(each: Any) -> Any:
        return exp.column(each.this.copy()) if isinstance(each, exp.Column) else each

    return node.copy().transform(without)


def keyed(exp: Any, node: Any, dialect: str) -> tuple[str, tuple[str, ...], bool]:
    """Return *node* as the key of an index: its text, its columns, and whether it is an expression."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Column):
        return node.name, (node.name,), False
    columns = tuple(sorted({each.name for each in node.find_all(exp.Column)}))
    return str(node.sql(dialect=dialect, normalize_functions="lower")), columns, True


class Conditions:
    """Hands the conditions of one part of a statement to its accesses."""

    def __init__(
        self, exp: Any, catalog: Catalog, dialect: str, demand: Demand, own: dict[str, int], known: dict[str, int]
    ) -> None:
        """Fill the accesses of *demand*: *own* are those of this part, *known* those of the parts around it too."""
        self._exp, self._catalog, self._dialect = exp, catalog, dialect
        self._demand, self._own, self._known = demand, own, known
        self._flips = {exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE}
        self._marks = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}

    def access_of(self, column: Any) -> int | None:
        """Return the number of the access whose column this is; None where it is of no table that is known."""
        if column.table:
            return self._known.get(column.table.lower())
        wanted = column.name.lower()
        for places in (self._own, self._known):
            for place in places.values():
                table = self._catalog.table(self._demand.accesses[place].table)
                if table is not None and wanted in {name.lower() for name in table.columns}:
                    return place
        return None

    def place_of(self, node: Any) -> int | None:
        """Return the one access that *node* is about; None where it is about none or several."""
        places = {self.access_of(column) for column in node.find_all(self._exp.Column)}
        return places.pop() if len(places) == 1 else None

    def add(self, node: Any) -> None:
        """Take the condition *node*: all of its parts that are joined by AND."""
        exp = self._exp
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.And):
            self.add(node.this)
            self.add(node.expression)
        elif isinstance(node, exp.Or):
            self._alternatives(node)
        elif not self._join(node):
            found = self._predicate(node)
            if found is not None:
                self._demand.accesses[found[0]].predicates.append(found[1])

    def _alternatives(self, node: Any) -> None:
        """Take an OR, where each side is a condition of the same table; common parts of all sides hold anyway."""
        exp = self._exp
        sides = list(node.flatten()) if not isinstance(node, exp.Paren) else [node]
        common = None
        found: list[tuple[int, Predicate]] = []
        for side in sides:
            side = side.unnest()
            parts = list(side.flatten()) if isinstance(side, exp.And) else [side]
            texts = {part.unnest().sql(): part.unnest() for part in parts}
            common = texts if common is None else {text: each for text, each in common.items() if text in texts}
            predicates = [each for part in parts if (each := self._predicate(part.unnest())) is not None]
            usable = [each for each in predicates if each[1].kind != FILTER]
            found.extend(usable[:1])
        for each in (common or {}).values():
            self.add(each)
        if not common and len(found) == len(sides) and len({place for place, _ in found}) == 1:
            self._demand.accesses[found[0][0]].alternatives.append([predicate for _, predicate in found])

    def _join(self, node: Any) -> bool:
        """Take *node* if it says that columns of two tables are equal."""
        exp = self._exp
        if isinstance(node, exp.In) and node.args.get("query") is not None and isinstance(node.this, exp.Column):
            inner = node.args["query"].unnest()
            columns = inner.selects if isinstance(inner, exp.Select) else []
            other = columns[0].unalias() if len(columns) == 1 else None
            if isinstance(other, exp.Column):
                return self._joined(node.this, other)
            place = self.access_of(node.this)
            if place is not None:
                self._demand.accesses[place].joined.append(node.this.name)
            return True
        if not isinstance(node, exp.EQ):
            return False
        left, right = node.this.unnest(), node.expression.unnest()
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            return self._joined(left, right)
        for column, other in ((left, right), (right, left)):
            if isinstance(column, exp.Column) and other.find(exp.Column) is not None and not other.find(exp.Select):
                place = self.access_of(column)
                if place is not None and self.place_of(other) != place:
                    self._demand.accesses[place].joined.append(self._name(place, column))
                    return True
        return False

    def _joined(self, left: Any, right: Any) -> bool:
        one, other = self.access_of(left), self.access_of(right)
        for place, column in ((one, left), (other, right)):
            if place is not None and one != other:
                self._demand.accesses[place].joined.append(self._name(place, column))
        if one is not None and other is not None and one != other:
            self._demand.joins.append(Join(one, self._name(one, left), other, self._name(other, right)))
        return one != other

    def _name(self, place: int, column: Any) -> str:
        table = self._catalog.table(self._demand.accesses[place].table)
        wanted = column.name.lower()
        return next((name for name in (table.columns if table else ()) if name.lower() == wanted), column.name)

    def _predicate(self, node: Any) -> tuple[int, Predicate] | None:
        exp = self._exp
        place = self.place_of(node)
        if place is None:
            return None
        kind, subject, value, size, operator = self._kind(node)
        if subject is None or not subject.find(exp.Column) or subject.find(exp.Select):
            return None
        text, columns, is_expression = keyed(exp, bare(exp, subject), self._dialect)
        if not is_expression:
            text = self._name(place, subject.unnest())
            columns = (text,)
        has_place = node.find(exp.Placeholder, exp.Parameter, exp.Select, exp.CurrentTimestamp, exp.CurrentDate)
        condition = "" if has_place else str(self._plainly(bare(exp, node)).sql(dialect=self._dialect))
        return place, Predicate(text, kind, columns, value, size, condition, is_expression, operator)

    def _plainly(self, node: Any) -> Any:
        """Return *node*; for PostgreSQL ``flag = FALSE`` as ``NOT flag``, which is what its planner makes of it."""
        exp = self._exp
        if self._dialect != "postgres" or not isinstance(node, exp.EQ | exp.Is):
            return node
        if not isinstance(node.expression, exp.Boolean) or not isinstance(node.this, exp.Column):
            return node
        if isinstance(node, exp.Is):
            return node
        return node.this if node.expression.this else exp.Not(this=node.this)

    def _kind(self, node: Any) -> tuple[str, Any, str | None, int, str]:
        """Return kind, subject, value, number of values and operator of the condition *node*."""
        exp = self._exp
        if isinstance(node, exp.Binary) and node.this.find(exp.Column) and node.expression.find(exp.Column):
            # Two columns of a row compared with each other: there is no value to look up.
            return FILTER, node.find(exp.Column), None, 1, ""
        if isinstance(node, exp.EQ | exp.NullSafeEQ):
            subject, value, _ = self._sides(node)
            return EQUAL, subject, value, 1, "="
        if isinstance(node, exp.LT | exp.LTE | exp.GT | exp.GTE):
            subject, value, is_flipped = self._sides(node)
            kind = self._flips[type(node)] if is_flipped else type(node)
            return RANGE, subject, value, 1, self._marks[kind]
        if isinstance(node, exp.Between):
            return RANGE, node.this, None, 1, "between"
        if isinstance(node, exp.In):
            values = node.expressions
            return (IN if values else EQUAL), node.this, None, max(1, len(values)), "in"
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return NULL, node.this, None, 1, "null"
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean):
            return EQUAL, node.this, _shown(node.expression.this), 1, "="
        if isinstance(node, exp.Like) and isinstance(node.expression, exp.Literal):
            pattern = node.expression.this
            is_start = bool(pattern) and pattern[0] not in "%_" and "%" in pattern
            return (PREFIX if is_start else FILTER), node.this, pattern, 1, "like"
        if isinstance(node, exp.Column):
            return EQUAL, node, "t", 1, "bool"
        if isinstance(node, exp.Not) and isinstance(node.this.unnest(), exp.Column):
            return EQUAL, node.this.unnest(), "f", 1, "bool"
        if isinstance(node, exp.Not) and isinstance(node.this, exp.Is):
            return FILTER, node.this.this, None, 1, "not null"
        subject = node.find(exp.Column)
        return FILTER, subject, None, 1, ""

    def _sides(self, node: Any) -> tuple[Any, str | None, bool]:
        """Return the side with the column, the literal on the other one, and whether they stand the other way round."""
        exp = self._exp
        left, right = node.this.unnest(), node.expression.unnest()
        is_flipped = left.find(exp.Column) is None
        subject, value = (right, left) if is_flipped else (left, right)
        if isinstance(value, exp.Cast):
            value = value.this
        if isinstance(value, exp.Neg) and isinstance(value.this, exp.Literal):
            return subject, "-" + str(value.this.this), is_flipped
        if isinstance(value, exp.Literal):
            return subject, str(value.this), is_flipped
        if isinstance(value, exp.Boolean):
            return subject, _shown(value.this), is_flipped
        return subject, None, is_flipped


def _shown(value: Any) -> str:
    return "t" if value else "f"

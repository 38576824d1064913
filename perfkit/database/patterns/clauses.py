"""The conditions and the sources of a statement, from its tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from perfkit.database.shapes.tokens import KEYWORD, NAME, OPERATOR, VALUE, Token

__all__ = ["Clauses", "Condition"]

_OPERATORS = frozenset({"=", "<", ">", "<=", ">=", "<>", "!=", "LIKE", "ILIKE", "IN", "BETWEEN"})
_SARGABLE = frozenset({"=", "<", ">", "<=", ">=", "IN", "BETWEEN", "LIKE"})
_HARMLESS = frozenset({"count", "sum", "avg", "min", "max", "coalesce_all", "exists", "any", "all", "some"})
_ENDS = frozenset(
    {"GROUP", "ORDER", "LIMIT", "HAVING", "UNION", "RETURNING", "WINDOW", "OFFSET", "FETCH", "SELECT", "SET"}
)

NEARBY = 20
"""Conditions on each side of an OR that are looked at: of thousands all would be looked at for each."""


class Condition(NamedTuple):
    """One comparison in WHERE or ON.

    Attributes:
        column: Without its table; empty where the left side is none.
        table: The table or alias before the column, or empty.
        function: The function around the column, or empty.
        value: The token on the right.
        depth: Brackets around it.
    """

    column: str
    table: str
    function: str
    operator: str
    value: Token | None
    depth: int

    @property
    def qualified(self) -> str:
        """The column with its table, where it has one."""
        return f"{self.table}.{self.column}" if self.table else self.column


class Clauses:
    """What one pass over the tokens finds.

    Attributes:
        conditions: Comparisons in WHERE and ON.
        alternatives: Columns that stand on both sides of one OR, each compared with a value.
    """

    def __init__(self, tokens: list[Token]) -> None:
        """Look at *tokens*."""
        self._tokens = tokens
        self.conditions: list[Condition] = []
        self._ors: list[tuple[int, int]] = []
        self._at: dict[int, Condition] = {}
        self._links: list[tuple[str, str]] = []
        self._walk()

    def _walk(self) -> None:
        is_filter, depth = False, 0
        for at, (kind, text, _) in enumerate(self._tokens):
            if kind == OPERATOR and text in "()":
                depth += 1 if text == "(" else -1
            if kind == KEYWORD:
                if text in ("WHERE", "ON"):
                    is_filter = True
                elif text in _ENDS or text == "JOIN":
                    is_filter = False
                elif text == "OR" and is_filter:
                    self._ors.append((at, depth))
            if is_filter and text in _OPERATORS and kind in (KEYWORD, OPERATOR):
                condition = self._condition(at, text, depth)
                if condition is not None:
                    self.conditions.append(condition)
                    self._at[at] = condition

    def _condition(self, at: int, operator: str, depth: int) -> Condition | None:
        right = at + 1
        left = at - 1
        if self._text(left) == "NOT":
            left -= 1
        value = self._tokens[right] if right < len(self._tokens) else None
        if value is not None and value.text == "(" and operator == "IN":
            value = self._tokens[right + 1] if right + 1 < len(self._tokens) else None
        column, table, function = self._left(left)
        if value is not None and value.kind == NAME and column:
            other = value.text if self._text(right + 1) == "." else ""
            self._links.append((table, other))
        if not column:
            return None
        is_value = value is not None and value.kind == VALUE
        if function and (function in _HARMLESS or not is_value or operator not in _SARGABLE):
            function = ""
        return Condition(column, table, function, operator, value, depth)

    def _left(self, at: int) -> tuple[str, str, str]:
        """Return column, table and function of the expression that ends at *at*."""
        token = self._tokens[at] if at >= 0 else None
        if token is None:
            return "", "", ""
        if token.kind == NAME:
            if self._text(at - 1) == "::":
                column, table = self._name(at - 2)
                return column, table, "cast" if column else ""
            column, table = self._name(at)
            return column, table, ""
        if token.text != ")":
            return "", "", ""
        start, depth = at, 0
        while start >= 0:
            if self._tokens[start].text == ")":
                depth += 1
            elif self._tokens[start].text == "(":
                depth -= 1
                if depth == 0:
                    break
            start -= 1
        before = self._tokens[start - 1] if start > 0 else None
        if before is None or (before.kind != NAME and before.text != "CAST"):
            return "", "", ""
        inside = [
            place
            for place in range(start + 1, at)
            if self._tokens[place].kind == NAME and self._text(place + 1) not in ("(", ".")
        ]
        if not inside or any(self._tokens[place].text == "SELECT" for place in range(start, at)):
            return "", "", ""
        columns = [place for place in inside if self._text(place - 1) not in ("::", "AS")]
        # extract(year FROM created): the field is no column.
        place = columns[-1] if before.text == "extract" and columns else columns[0] if columns else inside[0]
        column, table = self._name(place)
        return column, table, before.text.lower()

    def _name(self, at: int) -> tuple[str, str]:
        if at < 0 or self._tokens[at].kind != NAME:
            return "", ""
        table = self._tokens[at - 2].text if self._text(at - 1) == "." and at >= 2 else ""
        return self._tokens[at].text, table

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""

    @property
    def alternatives(self) -> set[str]:
        """Return the columns of the first OR that compares different columns with values."""
        places = sorted(self._at)
        for at, depth in self._ors:
            nearest = bisect_left(places, at)
            before = self._nearest(reversed(places[max(0, nearest - NEARBY) : nearest]), depth)
            after = self._nearest(places[nearest : nearest + NEARBY], depth)
            if before is None or after is None or not self._joined(before, at):
                continue
            pair = (self._at[before], self._at[after])
            names = {each.qualified for each in pair}
            if len(names) == 2 and all(each.value is not None and each.value.kind == VALUE for each in pair):
                return names
        return set()

    def _nearest(self, places: Iterable[int], depth: int) -> int | None:
        """Return the first of *places* whose condition lies within so many brackets."""
        return next((place for place in places if self._at[place].depth == depth), None)

    def _joined(self, start: int, end: int) -> bool:
        """Whether no AND stands between a condition and the OR: then it is one side of it."""
        words = [token.text for token in self._tokens[start:end]]
        return "AND" not in words or "BETWEEN" in words

    def unconnected(self) -> list[str]:
        """Return tables of a plain SELECT that no condition connects; empty where that is unknown or meant."""
        sources = self._sources()
        if len(sources) < 2:
            return []
        groups = {name: {name} for name in sources}
        for left, right in self._links:
            if left in groups and right in groups:
                merged = groups[left] | groups[right]
                for name in merged:
                    groups[name] = merged
            elif not right or not left:
                return []  # a column without its table may be anybody's
        first = next(iter(sources))
        others = [name for name in sources if name not in groups[first]]
        return [sources[first], sources[others[0]]] if others else []

    def _sources(self) -> dict[str, str]:
        """Return alias → table of a FROM with commas or plain JOINs; empty where there is anything unusual."""
        words = {token.text for token in self._tokens if token.kind == KEYWORD}
        texts = [token.text for token in self._tokens]
        if texts[:1] != ["SELECT"] or texts.count("SELECT") > 1 or texts.count("FROM") != 1:
            return {}
        if words & {"CROSS", "NATURAL", "USING", "LATERAL", "UNION", "WITH"}:
            return {}
        at, sources = texts.index("FROM") + 1, {}
        while at < len(texts):
            if self._tokens[at].kind != NAME:
                return {}
            table = texts[at]
            while self._text(at + 1) == ".":
                at += 2
                table = self._text(at)
            if self._text(at + 1)[:1] == "(":
                return {}
            at += 1
            if self._text(at) == "AS":
                at += 1
            alias = table
            if at < len(texts) and self._tokens[at].kind == NAME:
                alias, at = texts[at], at + 1
            sources[alias] = table
            while (
                at < len(texts)
                and texts[at] not in (",", "JOIN", "STRAIGHT_JOIN")
                and texts[at] not in _ENDS | {"WHERE"}
            ):
                at += 1
                if texts[at - 1] == "ON":
                    at = self._after_on(at)
            if at >= len(texts) or texts[at] in _ENDS or texts[at] == "WHERE":
                break
            at += 1
        return sources

    def _after_on(self, at: int) -> int:
        depth = 0
        while at < len(self._tokens):
            text = self._tokens[at].text
            depth += (text == "(") - (text == ")")
            if depth == 0 and (text in ("JOIN", "LEFT", "RIGHT", "INNER", "FULL", "WHERE", ",") or text in _ENDS):
                return at
            at += 1
        return at

"""What a statement says about itself: its verb, where its values stand, what it limits. From tokens, in one pass."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from perfkit.database.shapes.shape import QueryShape, shape_of
from perfkit.database.shapes.tokens import KEYWORD, NAME, OPERATOR, ROWS, VALUE, Token, tokenize

__all__ = ["Facts", "Role", "Slot", "facts_of", "param_of", "values_of"]


class Role(StrEnum):
    """What a value is for."""

    EQUAL = "equal"
    RANGE = "range"
    LIKE = "like"
    IN = "in"
    LIMIT = "limit"
    OFFSET = "offset"
    ROW = "row"
    OTHER = "other"


class Slot(NamedTuple):
    """A place for a value.

    Attributes:
        column: The column it is compared with, or empty.
        sources: Where the values come from: positions or names of parameters; literals come as `Literal`.
        size: Values in a list, 1 otherwise.
    """

    role: Role
    column: str
    sources: tuple[int | str | Literal, ...]
    size: int = 1


class Literal(NamedTuple):
    """A value that stands in the text."""

    text: str


class Facts(NamedTuple):
    """One statement.

    Attributes:
        shape: Its shape.
        verb: The first keyword: ``SELECT``, ``INSERT``…; of WITH the main statement's.
        slots: The places of its values, in order.
        is_limited: Whether it has LIMIT, FETCH FIRST or TOP.
        is_locking: Whether it is a SELECT … FOR UPDATE and the like.
        is_count: Whether it only counts rows.
        source: ``FROM … WHERE …`` of the shape without order and limit, for telling equal filters.
        rows: Rows that an INSERT brings.
        in_size: The longest list after IN.
    """

    shape: QueryShape
    verb: str
    slots: tuple[Slot, ...] = ()
    is_limited: bool = False
    is_locking: bool = False
    is_count: bool = False
    source: str = ""
    rows: int = 0
    in_size: int = 0

    @property
    def is_write(self) -> bool:
        """Whether it changes rows."""
        return self.verb in ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")


class _Unknown:
    """Stands for a parameter that was not handed on."""

    __slots__ = ()


UNKNOWN = _Unknown()

_COMPARISONS = {
    "=": Role.EQUAL,
    "<": Role.RANGE,
    ">": Role.RANGE,
    "<=": Role.RANGE,
    ">=": Role.RANGE,
    "<=>": Role.EQUAL,
}
_NUMBERED = re.compile(r"[$?:](\d+)\Z")
_NAMED = re.compile(r"%\((\w+)\)s\Z|[:@$]([A-Za-z_]\w*)\Z")
_PLACEHOLDER = re.compile(r"%s|%\(\w+\)s|\?\d*|(?<![:\w]):\w+|\$\d+|@\w+|'(?:[^']|'')*'|[^,()\s]+")
_AFTER_FILTER = re.compile(r" (?:ORDER BY|LIMIT|OFFSET|FETCH|FOR UPDATE|FOR SHARE)\b.*", re.DOTALL)
MOST_SLOTS = 60


def facts_of(sql: str, dialect: str | None = None) -> Facts:
    """Return what *sql* says."""
    tokens = tokenize(sql, dialect)
    shape = shape_of(tokens)
    verb = _verb(tokens)
    text = shape.text
    slots = _Slots(tokens)
    slots.go()
    words = {token.text for token in tokens if token.kind == KEYWORD}
    is_count = verb == "SELECT" and bool(
        re.match(r"SELECT count\((?:\*|\?|DISTINCT [\w.]+|[\w.]+)\)(?: AS \w+)? FROM", text)
    )
    return Facts(
        shape=shape,
        verb=verb,
        slots=tuple(slots.slots),
        is_limited=bool(words & {"LIMIT", "FETCH", "TOP"}),
        is_locking=verb == "SELECT" and "FOR" in words and bool(re.search(r" FOR (?:UPDATE|SHARE|NO KEY|KEY)\b", text)),
        is_count=is_count and "GROUP" not in words,
        source=_source(text) if verb == "SELECT" else "",
        rows=_rows(tokens, slots.slots) if verb in ("INSERT", "REPLACE") else 0,
        in_size=max((slot.size for slot in slots.slots if slot.role is Role.IN), default=0),
    )


def values_of(facts: Facts, params: Any) -> tuple[Hashable, ...]:
    """Return for each slot something that is equal for equal values; what cannot be told apart is None."""
    return tuple(_value(slot, params) for slot in facts.slots)


def _value(slot: Slot, params: Any) -> Hashable:
    values = tuple(param_of(source, params) for source in slot.sources)
    if any(value is UNKNOWN for value in values):
        return None
    return _identity(values[0]) if len(values) == 1 else hash(tuple(map(_identity, values)))


def param_of(source: int | str | Literal, params: Any) -> Any:
    """Return what *source* says: the text of a literal, a parameter, or `UNKNOWN`."""
    if isinstance(source, Literal):
        return source.text
    try:
        if isinstance(params, Mapping):
            return params[source]
        if isinstance(source, int) and isinstance(params, Sequence) and not isinstance(params, str | bytes):
            return params[source]
    except (LookupError, TypeError):
        return UNKNOWN
    return UNKNOWN


def _identity(value: Any) -> Hashable:
    """Return what stands for *value*: its type and hash, so that 1, True and '1' are three and nothing is kept."""
    try:
        return type(value).__name__, hash(value)
    except TypeError:
        return type(value).__name__, hash(repr(value)[:10_000])


def _verb(tokens: list[Token]) -> str:
    """Return the word that says what the statement does."""
    depth = 0
    is_with = False
    for kind, text, _ in tokens:
        if text == "(" and kind == OPERATOR:
            depth += 1
        elif text == ")" and kind == OPERATOR:
            depth -= 1
        elif not is_with and text == "WITH":
            is_with = True
            depth = 0
        elif not is_with and kind in (KEYWORD, NAME):
            return text.upper()
        elif is_with and depth == 0 and text in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"):
            return text
    return ""


def _source(text: str) -> str:
    at = text.find(" FROM ")
    return _AFTER_FILTER.sub("", text[at:]) if at >= 0 else ""


def _rows(tokens: list[Token], slots: list[Slot]) -> int:
    """Return the rows of an INSERT: its values over its columns."""
    columns, depth = 0, 0
    for kind, text, _ in tokens:
        if text == "VALUES" and kind == KEYWORD:
            break
        if text == "(" and kind == OPERATOR:
            depth += 1
        elif depth == 1 and kind == NAME:
            columns += 1
    values = sum(slot.size for slot in slots if slot.role is Role.ROW)
    more = sum(size for kind, _, size in tokens if kind == ROWS)
    return max(1, values // columns if columns else 1) + more


class _Slots:
    """One pass over the tokens for the places of values."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._is_in: list[bool] = []
        self._clause = ""
        self.slots: list[Slot] = []

    def go(self) -> None:
        """Fill `slots`."""
        tokens = self._tokens
        for at, (kind, text, size) in enumerate(tokens):
            if kind == KEYWORD:
                if text in ("WHERE", "ON", "HAVING", "SET", "VALUES", "SELECT", "LIMIT", "OFFSET", "FETCH", "TOP"):
                    self._clause = text
            elif kind == OPERATOR:
                if text == "(":
                    self._is_in.append(at > 0 and tokens[at - 1].text == "IN" and tokens[at - 1].kind == KEYWORD)
                elif text == ")" and self._is_in:
                    self._is_in.pop()
            elif kind == VALUE:
                sources = self._sources(text, size)
                if len(self.slots) < MOST_SLOTS:
                    role, column = self._role(at)
                    self.slots.append(Slot(role, column, sources, size))

    def _role(self, at: int) -> tuple[Role, str]:
        before = self._tokens[at - 1] if at else Token(OPERATOR, "")
        text = before.text
        if self._clause == "LIMIT":
            # MySQL's LIMIT offset, count has a comma after the first.
            after = self._tokens[at + 1].text if at + 1 < len(self._tokens) else ""
            return (Role.OFFSET if after == "," else Role.LIMIT), ""
        if self._clause in ("FETCH", "TOP"):
            return Role.LIMIT, ""
        if self._clause == "OFFSET":
            return Role.OFFSET, ""
        if text == "IN" and before.kind == KEYWORD:
            return Role.IN, self._column(at - 1)
        if self._is_in and self._is_in[-1]:
            return Role.IN, ""
        if self._clause == "VALUES":
            return Role.ROW, ""
        if self._clause in ("WHERE", "ON", "HAVING"):
            if text in _COMPARISONS:
                return _COMPARISONS[text], self._column(at - 1)
            if text == "BETWEEN" or (text == "AND" and at > 2 and self._tokens[at - 3].text == "BETWEEN"):
                return Role.RANGE, self._column(at - 1 if text == "BETWEEN" else at - 3)
            if text in ("LIKE", "ILIKE"):
                return Role.LIKE, self._column(at - 1)
            return self._role_before(at)
        return Role.OTHER, ""

    def _role_before(self, at: int) -> tuple[Role, str]:
        """Return the role of a value that stands before its column: SQLAlchemy loads collections by ``? = column``."""
        operator, name = (*self._tokens[at + 1 : at + 3], Token(OPERATOR, ""), Token(OPERATOR, ""))[:2]
        if operator.text not in _COMPARISONS or name.kind != NAME:
            return Role.OTHER, ""
        after = at + 3
        while self._tokens[after : after + 1] == [Token(OPERATOR, ".")] and after + 1 < len(self._tokens):
            name, after = self._tokens[after + 1], after + 2
        return _COMPARISONS[operator.text], name.text if name.kind == NAME else ""

    def _column(self, at: int) -> str:
        """Return the column before the operator at *at*."""
        at -= 1
        if at >= 0 and self._tokens[at].text == "NOT":
            at -= 1
        return self._tokens[at].text if at >= 0 and self._tokens[at].kind == NAME else ""

    def _sources(self, text: str, size: int) -> tuple[int | str | Literal, ...]:
        if size <= 1:
            return (self._source(text),)
        if size > 1000:
            self._next += text.count("?") + text.count("%s")
            return (Literal(str(hash(text))),)
        return tuple(self._source(each) for each in _PLACEHOLDER.findall(text))

    def _source(self, text: str) -> int | str | Literal:
        if text in ("?", "%s"):
            self._next += 1
            return self._next - 1
        numbered = _NUMBERED.match(text)
        if numbered is not None:
            return int(numbered[1]) - 1
        named = _NAMED.match(text)
        if named is not None:
            return named[1] or named[2]
        return Literal(text)

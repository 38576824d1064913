"""The shape of a statement: the same for all statements that differ in values, comments, white space and letter case.

Values and parameters of every style become ``?``; a list after IN, and the rows of an insert, however long, become
one. So a shape holds nothing that a visitor typed. The idea is that of pg_stat_statements (PostgreSQL documentation,
appendix F), which hashes the parse tree; ours hashes tokens, as no parser of all dialects is fast enough for a request.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from perfkit.database.shapes.keywords import KEYWORDS
from perfkit.database.shapes.remembered import Remembered
from perfkit.database.shapes.summary import summarize
from perfkit.database.shapes.tokens import CUT, KEYWORD, NAME, OPERATOR, ROWS, VALUE, Token, tokenize

__all__ = ["MAX_KNOWN_TEXT", "MAX_SHAPE", "QueryShape", "fingerprint", "shape_of"]

MAX_SHAPE = 2_000
"""Characters of a shape's text; its id is that of the whole."""

MAX_KNOWN = 5_000
MAX_KNOWN_TEXT = 20_000
"""Texts remembered, and characters of one: what is longer is cut anew each time."""

MAX_DIALECTS = 8

BIND = "?"
_NO_SPACE_BEFORE = frozenset({",", ")", ".", ";", "::", "]"})
_NO_SPACE_AFTER = frozenset({"(", ".", "::", "["})
_NAMES_OF_ONE_USE = frozenset({"SAVEPOINT", "DECLARE", "CLOSE", "DEALLOCATE", "PREPARE", "EXECUTE"})
"""Keywords whose name a driver makes up anew each time."""


class QueryShape(NamedTuple):
    """What all statements of one kind have in common.

    Attributes:
        text: The statement without values, at most `MAX_SHAPE` characters.
        id: 16 hexadecimal digits: equal for equal shapes, in all processes.
        summary: Operation and tables, as OpenTelemetry's ``db.query.summary``.
        tables: The tables, in the order in which they are named.
    """

    text: str
    id: str
    summary: str
    tables: tuple[str, ...]


_known: dict[str | None, Remembered[QueryShape]] = {}
_shapes: Remembered[QueryShape] = Remembered(MAX_KNOWN)


def fingerprint(sql: str, dialect: str | None = None) -> QueryShape:
    """Return the shape of *sql*; a text seen before costs one look-up.

    Args:
        sql: One statement, with or without parameters.
        dialect: ``postgresql``, ``mysql``, ``mariadb``, ``sqlite``; where None, what can be told is.
    """
    known = _known.get(dialect)
    if known is None:
        if len(_known) >= MAX_DIALECTS:
            _known.clear()
        known = _known.setdefault(dialect, Remembered(MAX_KNOWN))
    shape = known.get(sql)
    if shape is None:
        shape = shape_of(tokenize(sql, dialect))
        if len(sql) <= MAX_KNOWN_TEXT:
            known.remember(sql, shape)
    return shape


def shape_of(tokens: list[Token]) -> QueryShape:
    """Return the shape of a statement that is cut into *tokens*."""
    text = _text(tokens)
    shape = _shapes.get(text)
    if shape is None:
        summary, tables = summarize(tokens)
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        shown = text if len(text) <= MAX_SHAPE else text[: MAX_SHAPE - 1] + CUT
        shape = QueryShape(shown.encode("utf-8", "replace").decode(), digest, summary, tables)
        if len(text) <= MAX_KNOWN_TEXT:
            _shapes.remember(text, shape)
    return shape


def _text(tokens: list[Token]) -> str:
    """Return the tokens in one canonical spelling."""
    parts: list[str] = []
    add = parts.append
    before, before_kind, glue, is_listing = "", OPERATOR, True, False
    for kind, text, size in tokens:
        if kind == VALUE:
            if before in "+-" and before and _is_sign(parts):
                parts.pop()
                if parts and parts[-1] == " ":
                    parts.pop()
                before = parts[-1] if parts else ""
                glue = before in _NO_SPACE_AFTER
            if size > 1:
                text = "(?)" if before == "IN" else "(" + ", ".join(BIND * min(size, 20)) + ")"
                if before == "," and parts[-2:] == [text, ","]:
                    parts.pop()
                    before, before_kind = text, kind
                    continue
                glue = glue or (before_kind == NAME and before != "")
            elif is_listing and before == "," and parts[-2] == BIND:
                parts.pop()
                before = BIND
                continue
            else:
                text = BIND
        elif kind == NAME:
            if before in _NAMES_OF_ONE_USE and before_kind == KEYWORD:
                text = BIND
            else:
                text = _spelled.get(text) or _spell(text)
        elif kind == ROWS:
            continue
        elif kind == OPERATOR:
            if text == ";":
                continue
            is_listing = (text == "(" and before == "IN") or (is_listing and text in ",+-")
        if not glue and text not in _NO_SPACE_BEFORE and not (text == "(" and before_kind == NAME):
            add(" ")
        add(text)
        before, before_kind, glue = text, kind, text in _NO_SPACE_AFTER
    return "".join(parts)


_spelled: dict[str, str] = {}


def _spell(name: str) -> str:
    """Return *name* as shapes have it: in quotes only where it needs them."""
    is_plain = name.isidentifier() and name.upper() not in KEYWORDS and name == name.lower()
    spelled = name if is_plain else '"' + name.replace('"', '""') + '"'
    if len(_spelled) < MAX_KNOWN and len(name) < 100:
        _spelled[name] = spelled
    return spelled


def _is_sign(parts: list[str]) -> bool:
    """Whether the plus or minus at the end belongs to the value that follows: no operand stands before it."""
    at = len(parts) - 2
    while at >= 0 and parts[at] == " ":
        at -= 1
    if at < 0:
        return True
    last = parts[at]
    return last in KEYWORDS or last in "=<>(,+-*/" or last in (">=", "<=", "<>", "!=")

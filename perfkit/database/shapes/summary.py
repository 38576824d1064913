"""What a statement does to which tables, in a few words.

Source: OpenTelemetry semantic conventions, database spans, ``db.query.summary``: operations and targets in the order in
which they appear, without values, at most 255 characters, not cut within a word.
"""

from __future__ import annotations

from perfkit.database.shapes.tokens import KEYWORD, NAME, OPERATOR, Token

__all__ = ["MAX_SUMMARY", "summarize"]

MAX_SUMMARY = 255

_OPERATIONS = frozenset(
    """SELECT INSERT UPDATE DELETE MERGE REPLACE TRUNCATE CREATE ALTER DROP COPY EXPLAIN ANALYZE VACUUM BEGIN COMMIT
    ROLLBACK SAVEPOINT RELEASE SET SHOW PRAGMA LOCK DECLARE FETCH CLOSE PREPARE EXECUTE DEALLOCATE USE START WITH
    VALUES""".split()  # noqa: SIM905 - a table of words reads better
)
_STARTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
"""Operations that also count when they come later, in a subquery or after WITH."""

_NOT_AFTER = {"UPDATE": frozenset({"FOR", "DO", "KEY", "ON", "OF"}), "DELETE": frozenset({"ON"}), "INSERT": frozenset()}
_TARGETS = frozenset({"FROM", "JOIN", "INTO", "UPDATE", "TABLE", "STRAIGHT_JOIN", "TRUNCATE", "ONLY", "USING", "COPY"})
_WITH_FROM_INSIDE = frozenset({"extract", "substring", "trim", "overlay", "position", "ltrim", "rtrim"})


def summarize(tokens: list[Token]) -> tuple[str, tuple[str, ...]]:
    """Return the summary of a statement that is cut into *tokens*, and its tables in order."""
    walk = _Walk(tokens)
    walk.go()
    return _joined(walk.words), tuple(dict.fromkeys(walk.tables))


class _Walk:
    """One pass over the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._names = _common_tables(tokens)
        self._deep: list[str] = []
        self.words: list[str] = []
        self.tables: list[str] = []

    def go(self) -> None:
        """Fill `words` and `tables`."""
        tokens = self._tokens
        before = Token(OPERATOR, "")
        for at, token in enumerate(tokens):
            kind, text, _ = token
            if kind == OPERATOR:
                if text == "(":
                    self._deep.append(before.text if before.kind == NAME else "")
                elif text == ")" and self._deep:
                    self._deep.pop()
            elif kind == KEYWORD:
                self._keyword(at, text, before.text)
            elif at == 0 and kind == NAME:
                self.words.append(text.upper())
            before = token

    def _keyword(self, at: int, text: str, before: str) -> None:
        is_first = not self.words
        if text in _OPERATIONS and (is_first or (text in _STARTS and before not in _NOT_AFTER.get(text, ()))):
            if not (is_first and text == "WITH"):
                self.words.append(text)
        elif at == 0 or (
            self.words and self.words[-1] in ("CREATE", "DROP", "ALTER") and text in ("TABLE", "INDEX", "VIEW")
        ):
            self.words.append(text)
        if text in _TARGETS and not self._is_other_from(text, before, at):
            self._take_targets(at + 1, is_from=text in ("FROM", "JOIN", "USING", "STRAIGHT_JOIN"))

    def _is_other_from(self, text: str, before: str, at: int) -> bool:
        if text == "UPDATE":
            return before in _NOT_AFTER["UPDATE"]
        if text == "USING":
            # After JOIN it names columns, in a list; after DELETE and MERGE tables.
            return self._text(at + 1) == "(" or not any(word in ("DELETE", "MERGE") for word in self.words)
        if text == "FROM":
            return (before == "DISTINCT" and self._text(at - 2) in ("IS", "NOT")) or bool(
                self._deep and self._deep[-1] in _WITH_FROM_INSIDE
            )
        return False

    def _take_targets(self, at: int, *, is_from: bool) -> None:
        """Take the names from *at* on: one, or with commas between them those of a FROM."""
        while True:
            while self._text(at) in ("ONLY", "LATERAL", "TABLE", "IF", "NOT", "EXISTS", "if"):
                at += 1
            name, at = self._name(at)
            if name is None:
                return
            if not (is_from and self._text(at)[:1] == "(") and name not in self._names:
                self.tables.append(name)
                self.words.append(name)
            if not is_from:
                return
            at = self._after_alias(at)
            if self._text(at) != ",":
                return
            at += 1

    def _name(self, at: int) -> tuple[str | None, int]:
        parts = []
        while at < len(self._tokens) and self._tokens[at].kind == NAME:
            parts.append(self._tokens[at].text)
            at += 1
            if self._text(at) != ".":
                break
            at += 1
        return (".".join(parts) or None), at

    def _after_alias(self, at: int) -> int:
        if self._text(at) == "AS":
            at += 1
        if at < len(self._tokens) and self._tokens[at].kind == NAME:
            at += 1
        return at

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""


def _common_tables(tokens: list[Token]) -> frozenset[str]:
    """Return the names that WITH gives to subqueries: they are no tables."""
    if not any(token.text == "WITH" and token.kind == KEYWORD for token in tokens):
        return frozenset()
    names = set()
    for at, token in enumerate(tokens[:-2]):
        if token.kind == NAME and tokens[at + 1].text == "AS":
            after = 3 if tokens[at + 2].text in ("MATERIALIZED",) else 4 if tokens[at + 2].text == "NOT" else 2
            if at + after < len(tokens) and tokens[at + after].text == "(":
                names.add(token.text)
        elif token.kind == NAME and tokens[at + 1].text == "(" and _is_named_columns(tokens, at + 1):
            names.add(token.text)
    return frozenset(names)


def _is_named_columns(tokens: list[Token], at: int) -> bool:
    """Whether the bracket at *at* lists columns and is followed by AS and another one, as in ``WITH a (b) AS (…)``."""
    at += 1
    while at < len(tokens) and tokens[at].text != ")":
        # A bracket within is no list of names: and to stop there keeps a text of nothing but brackets linear.
        if tokens[at].kind not in (NAME, OPERATOR) or tokens[at].text == "(":
            return False
        at += 1
    return [token.text for token in tokens[at + 1 : at + 3]] == ["AS", "("]


def _joined(words: list[str]) -> str:
    summary = ""
    for word in words:
        longer = f"{summary} {word}" if summary else word
        if len(longer) > MAX_SUMMARY:
            break
        summary = longer
    return summary

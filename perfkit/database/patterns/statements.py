"""What one statement itself says is wrong with it: conditions that no plain index can serve, and answers without bound.

Works on tokens, so on every dialect and on what no parser knows. Where a rule needs to know values or column types, it
is silent without them: a finding that nobody can check is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from perfkit.core.findings import Finding, Priority
from perfkit.database.patterns.clauses import Clauses, Condition
from perfkit.database.patterns.facts import Facts, Role, facts_of, param_of
from perfkit.database.patterns.found import found
from perfkit.database.shapes.tokens import KEYWORD, OPERATOR, VALUE, Token, tokenize

__all__ = ["DEEP_OFFSET", "MANY_ROWS", "Columns", "find_statement_patterns"]

Columns = Mapping[str, Mapping[str, str]]
"""Table → column → type, as the database names it."""

DEEP_OFFSET = 1_000
"""Rows skipped from which it is told."""

MANY_ROWS = 1_000
"""Rows of one answer from which a missing limit is told."""

_TEXTUAL = re.compile(r"char|text|string|clob|uuid|enum", re.IGNORECASE)
_NUMERIC = re.compile(r"int|numeric|decimal|float|double|real|serial", re.IGNORECASE)


def find_statement_patterns(
    sql: str,
    params: Any = None,
    *,
    dialect: str | None = None,
    rows: int | None = None,
    site: str | None = None,
    columns: Columns | None = None,
    has_wildcard: bool = False,
) -> list[Finding]:
    """Return what is wrong with the statement *sql* as it stands.

    Args:
        sql: One statement.
        params: Its parameters, where they are known.
        dialect: ``postgresql``, ``mysql``, ``mariadb``, ``sqlite``.
        rows: Rows that it returned.
        site: ``path:line`` that sent it.
        columns: Table → column → type, where they are known.
        has_wildcard: Whether a parameter of LIKE was seen to begin with ``%``.
    """
    facts = facts_of(sql, dialect)
    if facts.verb not in ("SELECT", "UPDATE", "DELETE"):
        return []
    tokens = tokenize(sql, dialect)
    clauses = Clauses(tokens)
    about = _About(facts, site, dialect or "")
    return [
        *_functions(about, clauses.conditions),
        *_wildcards(about, clauses.conditions, params, has_wildcard),
        *_casts(about, clauses.conditions, params, columns),
        *_not_in(about, tokens),
        *_alternatives(about, clauses),
        *_random(about, tokens),
        *_cartesian(about, clauses),
        *_star(about, tokens, rows),
        *_unbounded(about, clauses, rows),
        *_offset(about, params),
    ]


class _About:
    """The statement that findings are about."""

    def __init__(self, facts: Facts, site: str | None, dialect: str) -> None:
        self.facts, self.site, self.dialect = facts, site, dialect
        self.table = facts.shape.tables[0] if facts.shape.tables else None

    def found(self, kind: str, message: str, action: str, **more: Any) -> Finding:
        return found(
            kind,
            message,
            action,
            site=self.site,
            object=more.pop("object", self.table),
            shape=self.facts.shape,
            confidence=more.pop("confidence", "likely"),
            **more,
        )


def _functions(about: _About, conditions: list[Condition]) -> Iterator[Finding]:
    for condition in conditions:
        if not condition.function or not condition.column:
            continue
        call = f"{condition.function}({condition.column})"
        yield about.found(
            "function_on_column",
            f"{call} is compared with a value: an index on {condition.column} cannot be used.",
            "Compare the bare column (a range, for dates), or make an index on the expression.",
            object=condition.qualified,
            evidence={"expression": call},
            fix={
                "sql": _expression_index(about, condition),
                "django": f"{condition.column}__gte=start, {condition.column}__lt=end"
                if condition.function in ("date", "year", "extract", "date_trunc", "cast", "strftime")
                else f'Index({condition.function.title()}("{condition.column}"), name="…")',
                "sqlalchemy": f"Index('…', func.{condition.function}(Model.{condition.column}))",
            },
        )
        return


_OF_DATES = frozenset({"date", "year", "month", "day", "extract", "date_trunc", "strftime"})


def _expression_index(about: _About, condition: Condition) -> str:
    """Return the SQL that lets an index serve a *condition* on a function of a column."""
    column, call = condition.column, f"{condition.function}({condition.column})"
    if condition.function in _OF_DATES:
        return f"… WHERE {column} >= ? AND {column} < ?  -- and an index on {column}"
    if condition.function == "cast":
        return f"… WHERE {column} = ?  -- a value of the column's own type"
    if about.dialect in ("mysql", "mariadb"):
        return f"-- add a generated column for {call} and an index on it"
    # Only PostgreSQL makes up a name by itself.
    name = "" if about.dialect == "postgresql" else f"ix_{(about.table or '').rpartition('.')[2]}_{column}_expr "
    return f"CREATE INDEX {name}ON {about.table} ({call});"


def _wildcards(about: _About, conditions: list[Condition], params: Any, has_wildcard: bool) -> Iterator[Finding]:
    likes = [condition for condition in conditions if condition.operator in ("LIKE", "ILIKE")]
    starts = [_wildcard_column(condition) for condition in likes]
    column = next((each for each in starts if each), "")
    if not column and likes:
        slots = [slot for slot in about.facts.slots if slot.role is Role.LIKE]
        values = [param_of(slot.sources[0], params) for slot in slots]
        if has_wildcard or any(isinstance(value, str) and value[:1] in ("%", "_") for value in values):
            column = likes[0].column
    if column:
        yield about.found(
            "leading_wildcard_like",
            f"A LIKE on {column} begins with a wildcard: no ordinary index can be used, each row is read.",
            "Search from the start of the text, or use a trigram or full-text index.",
            object=column,
            fix={
                "sql": f"CREATE INDEX ON {about.table} USING gin ({column} gin_trgm_ops);  -- PostgreSQL, pg_trgm"
                if about.dialect in ("", "postgresql")
                else f"-- a FULLTEXT index on {column} and MATCH"
                if about.dialect in ("mysql", "mariadb")
                else f"-- an FTS5 table for {column}",
                "django": f"{column}__istartswith=…, or SearchVector",
                "sqlalchemy": f"Model.{column}.startswith(…)",
            },
        )


def _wildcard_column(condition: Condition) -> str:
    text = condition.value.text if condition.value is not None and condition.value.kind == VALUE else ""
    return condition.column if re.match(r"[eEnN]?['\"][%_]", text) else ""


def _casts(about: _About, conditions: list[Condition], params: Any, columns: Columns | None) -> Iterator[Finding]:
    if not columns:
        return
    for condition in conditions:
        kind = next(
            (
                columns[table][condition.column]
                for table in about.facts.shape.tables
                if condition.column in columns.get(table, {})
            ),
            "",
        )
        value = condition.value
        if not kind or value is None or value.kind != VALUE or value.size > 1 or condition.function:
            continue
        is_number = bool(re.match(r"[\d.]", value.text))
        is_text = value.text.startswith("'")
        if not is_number and not is_text:
            given = param_of(_source_of(about.facts, condition.column), params)
            is_number = isinstance(given, int | float) and not isinstance(given, bool)
            is_text = isinstance(given, str)
        if (is_number and _TEXTUAL.search(kind)) or (
            is_text and _NUMERIC.search(kind) and about.dialect in ("mysql", "mariadb")
        ):
            yield about.found(
                "implicit_cast",
                f"{condition.column} is of type {kind}, compared with a {'number' if is_number else 'text'}: each "
                "row is converted, and an index may be passed by.",
                "Send a value of the column's type.",
                object=condition.column,
                evidence={"type": kind},
                fix={"sql": f"{condition.column} = {'CAST(? AS ' + kind + ')'}"},
            )
            return


def _source_of(facts: Facts, column: str) -> Any:
    return next((slot.sources[0] for slot in facts.slots if slot.column == column and slot.sources), "")


def _not_in(about: _About, tokens: list[Token]) -> Iterator[Finding]:
    words = [token.text if token.kind in (KEYWORD, OPERATOR) else "" for token in tokens]
    for at in range(len(words) - 3):
        if words[at : at + 4] == ["NOT", "IN", "(", "SELECT"]:
            yield about.found(
                "not_in_subquery",
                "NOT IN (SELECT …) finds nothing at all once the subquery has a NULL, and hinders an anti-join.",
                "Use NOT EXISTS.",
                fix={
                    "sql": "WHERE NOT EXISTS (SELECT 1 FROM … WHERE …)",
                    "django": "filter(~Exists(Other.objects.filter(field=OuterRef('pk'))))",
                    "sqlalchemy": "where(~exists().where(Other.field == Model.id))",
                },
                confidence="sure",
            )
            return


def _alternatives(about: _About, clauses: Clauses) -> Iterator[Finding]:
    columns = clauses.alternatives
    if len(columns) > 1:
        yield about.found(
            "or_over_columns",
            f"OR over the columns {' and '.join(sorted(columns))}: one index cannot serve both sides.",
            "Index each column, so that the planner can combine them, or use UNION of two queries.",
            object=sorted(columns)[0],
            fix={
                "sql": "SELECT … WHERE a = ? UNION SELECT … WHERE b = ?",
                "django": "Model.objects.filter(a=…).union(Model.objects.filter(b=…))",
                "sqlalchemy": "union(select(…).where(Model.a == …), select(…).where(Model.b == …))",
            },
            priority=Priority.LOW,
        )


def _random(about: _About, tokens: list[Token]) -> Iterator[Finding]:
    texts = [token.text for token in tokens]
    for at in range(len(texts) - 3):
        if texts[at] == "BY" and texts[at - 1] == "ORDER" and texts[at + 1] in ("random", "rand", "newid"):
            yield about.found(
                "order_by_random",
                "ORDER BY random() reads and sorts every row to return a few.",
                "Choose random keys first, or sample the table.",
                fix={
                    "sql": f"SELECT … FROM {about.table} WHERE id >= (SELECT floor(random() * max(id)) FROM "
                    f"{about.table}) ORDER BY id LIMIT 1",
                    "django": "Model.objects.filter(pk__in=random.sample(known_ids, 5)) instead of order_by('?')",
                    "sqlalchemy": "select(Model).where(Model.id.in_(random.sample(known_ids, 5)))",
                },
                confidence="sure",
                priority=Priority.MEDIUM,
            )
            return


def _cartesian(about: _About, clauses: Clauses) -> Iterator[Finding]:
    lonely = clauses.unconnected()
    if lonely:
        yield about.found(
            "cartesian_join",
            f"Nothing connects {' and '.join(lonely)}: every row of one is paired with every row of the other.",
            "Add the condition that joins them.",
            object=lonely[-1],
            fix={"sql": f"… JOIN {lonely[-1]} ON {lonely[-1]}.… = {lonely[0]}.…"},
            evidence={"tables": lonely},
        )


def _star(about: _About, tokens: list[Token], rows: int | None) -> Iterator[Finding]:
    if about.facts.verb != "SELECT":
        return
    for at, token in enumerate(tokens):
        if (
            token.text == "*"
            and token.kind == OPERATOR
            and at
            and tokens[at - 1].text in ("SELECT", "DISTINCT", ".", ",")
        ):
            after = tokens[at + 1].text if at + 1 < len(tokens) else ""
            # Within EXISTS nobody reads the columns.
            is_inner = at >= 3 and tokens[at - 2].text == "(" and tokens[at - 3].text == "EXISTS"
            if after in ("FROM", ",", "") and not is_inner and about.table:
                yield about.found(
                    "select_star",
                    "SELECT * reads all columns, and those that are added later.",
                    "Name the columns that are used.",
                    evidence={} if rows is None else {"rows": rows},
                    fix={
                        "sql": f"SELECT a, b FROM {about.table}",
                        "django": ".only('a', 'b')",
                        "sqlalchemy": "load_only(…)",
                    },
                    confidence="sure",
                )
                return


def _unbounded(about: _About, clauses: Clauses, rows: int | None) -> Iterator[Finding]:
    if about.facts.verb == "SELECT" and rows is not None and rows >= MANY_ROWS and not about.facts.is_limited:
        yield about.found(
            "unbounded_result",
            f"{rows} rows are returned at once, and nothing bounds their number.",
            "Add a LIMIT and page by key, or read the rows as a stream.",
            evidence={"rows": rows, "has_condition": bool(clauses.conditions)},
            fix={
                "sql": "… WHERE id > ? ORDER BY id LIMIT 100",
                "django": "queryset[:100], or queryset.iterator()",
                "sqlalchemy": "select(…).limit(100), or .execution_options(yield_per=100)",
            },
            confidence="sure",
        )


def _offset(about: _About, params: Any) -> Iterator[Finding]:
    for slot in about.facts.slots:
        if slot.role is not Role.OFFSET:
            continue
        value = param_of(slot.sources[0], params)
        skipped = int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0
        if skipped >= DEEP_OFFSET:
            yield about.found(
                "offset_pagination",
                f"OFFSET {skipped}: as many rows are read and thrown away for one page.",
                "Page by key: remember the last row of the page before.",
                evidence={"offset": skipped},
                fix={
                    "sql": "… WHERE (created, id) < (?, ?) ORDER BY created DESC, id DESC LIMIT 20",
                    "django": "queryset.filter(pk__gt=last_pk).order_by('pk')[:20]",
                    "sqlalchemy": "select(…).where(Model.id > last_id).order_by(Model.id).limit(20)",
                },
                confidence="sure",
            )
            return

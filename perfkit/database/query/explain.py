"""EXPLAIN of a shape that is stored: only of statements that read, never ANALYZE, in a read-only transaction.

What is explained is the shape, whose values are gone, never a text from outside. PostgreSQL plans it generically
(``GENERIC_PLAN`` from 16 on, before that a prepared statement with ``plan_cache_mode``), SQLite and MariaDB with NULL
for each value. Planning may call functions, so only those of the database itself are allowed.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from perfkit.core.context import Context
from perfkit.core.privacy.redaction import redacted
from perfkit.database.query.result import Plan
from perfkit.database.query.target import Target, beside
from perfkit.database.settings import DatabaseSettings
from perfkit.database.shapes.tokens import CUT, KEYWORD, NAME, OPERATOR, VALUE, Token, tokenize

__all__ = ["Explainer", "refusal_of"]

FUNCTIONS = frozenset(
    """abs avg cast ceil char_length coalesce concat count date date_part date_trunc dense_rank extract first_value
    floor greatest group_concat ifnull json_agg jsonb_agg lag last_value lead least left length lower ltrim max min mod
    now nullif position power rank replace right round row_number rtrim strftime string_agg substr substring sum
    to_char trim upper year month day hour array_agg percentile_cont stddev variance""".split()  # noqa: SIM905
)
"""Functions that planning may call."""

_WRITES = frozenset(
    {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "LOCK", "CREATE", "DROP", "ALTER", "TRUNCATE", "COPY"}
)
NAME_OF_PLAN = "perfkit_explained"


def refusal_of(tokens: list[Token]) -> str:
    """Return why a statement that is cut into *tokens* is not explained; empty if it may be."""
    if not tokens or tokens[0].text not in ("SELECT", "WITH"):
        return "it is no SELECT"
    if tokens[-1].text == CUT:
        return "it is too long to be stored whole"
    for at, (kind, text, _) in enumerate(tokens):
        if text == ";" and kind == OPERATOR and at < len(tokens) - 1:
            return "it is more than one statement"
        if kind == KEYWORD and (
            text in _WRITES or (text == "FOR" and _next(tokens, at) in ("UPDATE", "share", "NO", "KEY"))
        ):
            return f"it has {text}"
        if kind == NAME and _next(tokens, at) == "(" and text.lower() not in FUNCTIONS and not _is_alias(tokens, at):
            return f"it calls {text}(), which planning might run"
    return ""


def _next(tokens: list[Token], at: int) -> str:
    return (
        tokens[at + 1].text[:1]
        if at + 1 < len(tokens) and tokens[at + 1].kind == VALUE
        else (tokens[at + 1].text if at + 1 < len(tokens) else "")
    )


def _is_alias(tokens: list[Token], at: int) -> bool:
    """Whether the name before a bracket is that of a common table with its columns, not a function."""
    return at > 0 and tokens[at - 1].text in ("WITH", ",", "RECURSIVE") and any(t.text == "WITH" for t in tokens[:at])


class Explainer:
    """Explains shapes, a few a minute. Thread-safe."""

    def __init__(self, context: Context, settings: DatabaseSettings) -> None:
        """Take the time from *context*."""
        self._clock, self._settings = context.clock, settings
        self._lock = threading.Lock()
        self._asked: deque[float] = deque()

    def explain(self, target: Target, shape: str, text: str) -> Plan:
        """Return the plan of the shape *text* whose id is *shape*; a plan that says why not where it cannot be had."""
        refusal = self._refusal(text, target.system)
        if refusal:
            return Plan(shape=shape, reason=refusal)
        try:
            with target.connection() as connection, _not_the_apps(target, connection) as own:
                if own is None:
                    return Plan(shape=shape, reason=_NO_OTHER)
                return _Asking(own, target.system, self._settings.explain_timeout).plan(shape, text)
        except Exception as error:  # noqa: BLE001 - why there is no plan is the answer
            return Plan(shape=shape, reason=_refused(error))

    async def aexplain(self, target: Target, shape: str, text: str) -> Plan:
        """Do what `explain` does over an async engine, in its loop."""
        refusal = self._refusal(text, target.system)
        if refusal:
            return Plan(shape=shape, reason=refusal)
        timeout = self._settings.explain_timeout
        try:
            async with target.engine.connect() as connection:
                plan: Plan = await connection.run_sync(
                    lambda sync: _Asking(sync.connection, target.system, timeout).plan(shape, text)
                )
                return plan
        except Exception as error:  # noqa: BLE001 - why there is no plan is the answer
            return Plan(shape=shape, reason=_refused(error))

    def _refusal(self, text: str, system: str) -> str:
        if not self._settings.explain:
            return "database.explain is off"
        refusal = refusal_of(tokenize(text, system))
        if refusal:
            return refusal
        now = self._clock.monotonic()
        with self._lock:
            while self._asked and now - self._asked[0] >= 60.0:
                self._asked.popleft()
            if len(self._asked) >= self._settings.explain_per_minute:
                return "there were enough in this minute (database.explain_per_minute)"
            self._asked.append(now)
        return ""


_NO_OTHER = (
    "the connection that was given is the app's own, and a plan is asked for in a transaction of ours; "
    "call system.initialize(database) with an engine, a URL or a function that returns a connection"
)


@contextlib.contextmanager
def _not_the_apps(target: Target, connection: Any) -> Iterator[Any]:
    """Give a connection whose transaction is ours to begin and undo; None where there is none.

    SQLite plans without a transaction, so the one that was given will do: one in memory has no other.
    """
    if target.is_owner or target.system == "sqlite":
        yield connection
        return
    own = beside(connection)
    try:
        yield own
    finally:
        if own is not None:
            own.close()


def _refused(error: Exception) -> str:
    return "the database refused: " + redacted(f"{type(error).__name__}: {error}", most=300)


class _Asking:
    """One EXPLAIN over one connection."""

    def __init__(self, connection: Any, system: str, timeout: float) -> None:
        self._connection, self._system, self._timeout = connection, system, timeout

    def plan(self, shape: str, text: str) -> Plan:
        if self._system == "postgresql":
            return self._postgresql(shape, text)
        if self._system in ("mysql", "mariadb"):
            return self._mysql(shape, text)
        if self._system == "sqlite":
            return self._sqlite(shape, text)
        return Plan(shape=shape, reason=f"EXPLAIN of {self._system} is not known here")

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def _postgresql(self, shape: str, text: str) -> Plan:
        numbered, count = _numbered(text)
        milliseconds = max(1, int(self._timeout * 1000))
        # Without a transaction neither "read only" nor a time limit would hold.
        begins_itself = bool(getattr(self._connection, "autocommit", False))
        is_prepared = False
        with self._cursor() as cursor:
            try:
                for setting in (
                    "BEGIN READ ONLY" if begins_itself else "SET TRANSACTION READ ONLY",
                    f"SET LOCAL statement_timeout = {milliseconds}",
                    f"SET LOCAL lock_timeout = {min(50, milliseconds)}",
                    "SET LOCAL plan_cache_mode = force_generic_plan",
                ):
                    cursor.execute(setting)
                cursor.execute(f"PREPARE {NAME_OF_PLAN} AS {numbered}")
                is_prepared = True
                nulls = f"({', '.join(['NULL'] * count)})" if count else ""
                cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {NAME_OF_PLAN}{nulls}")
                told = cursor.fetchone()[0]
            finally:
                if begins_itself:
                    cursor.execute("ROLLBACK")
                self._connection.rollback()
                if is_prepared:
                    # It outlives the transaction, and the connection goes back to its pool.
                    cursor.execute(f"DEALLOCATE {NAME_OF_PLAN}")
                    self._connection.rollback()
        plan = told if isinstance(told, list) else json.loads(told)
        return Plan(shape=shape, text=json.dumps(plan, indent=1), format="json", scans=tuple(_scans(plan)))

    def _mysql(self, shape: str, text: str) -> Plan:
        with self._cursor() as cursor:
            try:
                cursor.execute("START TRANSACTION READ ONLY")
                prefix = f"SET STATEMENT max_statement_time = {self._timeout:g} FOR " if _is_mariadb(cursor) else ""
                asked = _quoted_for_mysql(_filled(text))
                try:
                    cursor.execute(f"{prefix}EXPLAIN FORMAT=JSON {asked}")
                    told = cursor.fetchone()[0]
                except Exception:  # noqa: BLE001 - drivers have no error in common; if the table fails too, that is told
                    return self._mysql_table(cursor, shape, f"{prefix}EXPLAIN {asked}")
            finally:
                self._connection.rollback()
        plan = json.loads(told)
        return Plan(shape=shape, text=json.dumps(plan, indent=1), format="json", scans=tuple(_mysql_scans(plan)))

    @staticmethod
    def _mysql_table(cursor: Any, shape: str, asked: str) -> Plan:
        """Ask for a plan as a table: servers before MySQL 5.6 and MariaDB 10.1 know no other."""
        cursor.execute(asked)
        names = [str(column[0]).lower() for column in cursor.description]
        lines = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        text = "\n".join(" ".join(f"{key}={line[key]}" for key in line if line[key] is not None) for line in lines)
        return Plan(shape=shape, text=text, scans=tuple(str(line["table"]) for line in lines if line["type"] == "ALL"))

    def _sqlite(self, shape: str, text: str) -> Plan:
        with self._cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {_filled(text)}")
            lines = [str(row[3]) for row in cursor.fetchall()]
        scans = (
            match[1] for line in lines if (match := re.match(r"SCAN (\S+)(?! USING)", line)) and "USING" not in line
        )
        return Plan(shape=shape, text="\n".join(lines), scans=tuple(scans))


def _numbered(text: str) -> tuple[str, int]:
    """Return *text* with ``$1``, ``$2``… in place of its question marks, and their number."""
    parts = re.split(r"(?<![\w?])\?(?![?|&])", text)
    return "".join(part + (f"${at + 1}" if at < len(parts) - 1 else "") for at, part in enumerate(parts)), len(
        parts
    ) - 1


def _filled(text: str) -> str:
    """Return *text* with a value in place of each question mark: 1 for limits, which may not be NULL."""
    text = re.sub(r"\b(LIMIT|OFFSET) \?", r"\1 1", text)
    return re.sub(r"(?<![\w?])\?(?![?|&])", "NULL", text)


def _quoted_for_mysql(text: str) -> str:
    return re.sub(r'"((?:[^"]|"")*)"', lambda match: "`" + match[1].replace('""', '"') + "`", text)


def _is_mariadb(cursor: Any) -> bool:
    cursor.execute("SELECT version()")
    return "mariadb" in str(cursor.fetchone()[0]).lower()


def _scans(plan: Any) -> Iterator[str]:
    """Yield the tables that a plan of PostgreSQL reads from end to end."""
    if isinstance(plan, list):
        for each in plan:
            yield from _scans(each)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan":
            yield str(plan.get("Relation Name", ""))
        yield from _scans(plan.get("Plan", []))
        yield from _scans(plan.get("Plans", []))


def _mysql_scans(plan: Any) -> Iterator[str]:
    """Yield the tables that a plan of MySQL or MariaDB reads from end to end."""
    if isinstance(plan, list):
        for each in plan:
            yield from _mysql_scans(each)
    elif isinstance(plan, dict):
        if plan.get("access_type") == "ALL":
            yield str(plan.get("table_name", ""))
        for value in plan.values():
            yield from _mysql_scans(value)

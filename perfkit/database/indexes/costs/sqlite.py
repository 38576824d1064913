"""Asks SQLite's planner, on a copy of the schema without rows whose statistics are filled in from those of the tables.

EXPLAIN QUERY PLAN names the indexes that a plan takes, but no cost; so the costs are those of our rules, and an index
counts only where SQLite itself would take it.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from perfkit.database.indexes.costs.rules import Rules
from perfkit.database.indexes.costs.selectivity import selectivity_of_condition
from perfkit.database.indexes.costs.sizes import distinct_keys
from perfkit.database.indexes.definition import Definition, Key
from perfkit.database.indexes.session import Session
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.schema.catalog import Catalog, Table

__all__ = ["SQLitePlanner"]

_NAME = re.compile(r"USING (?:COVERING )?INDEX (\S+)")
PREFIX = "perfkit_what_if_"


class SQLitePlanner:
    """Costs of our rules for what SQLite's planner takes."""

    verified_by: ClassVar[str] = "planner"

    def __init__(self, session: Session, catalog: Catalog, demands: Sequence[Demand]) -> None:
        """Copy the schema of *session* into memory."""
        self._catalog, self._demands = catalog, demands
        self._rules = Rules(catalog, demands)
        self.calls = 0
        self._copy = _copied(session, catalog)
        self._made: dict[Definition, str] = {}
        self._numbers = 0
        self._refused: set[Definition] = set()
        self._taken: dict[tuple[int, frozenset[Definition]], frozenset[Definition]] = {}

    def cost(self, number: int, definitions: frozenset[Definition]) -> float:
        """Return the cost of statement *number* with those of *definitions* that its plan takes."""
        return self._rules.cost(number, self.used(number, definitions))

    def used(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        """Return which of *definitions* its plan takes."""
        if not definitions:
            return definitions
        key = (number, definitions)
        if key not in self._taken:
            self._taken[key] = self._asked(number, definitions)
        return self._taken[key]

    def size(self, definition: Definition) -> int:
        """Return the bytes of *definition*."""
        return self._rules.size(definition)

    def rows(self, number: int) -> float:
        """Return how many rows statement *number* returns."""
        return self._rules.rows(number)

    def names(self, number: int) -> frozenset[str]:
        """Return the names of the indexes of today that its plan uses."""
        return self._rules.names(number)

    def _asked(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        self._have(definitions)
        self.calls += 1
        sqlite3 = importlib.import_module("sqlite3")
        try:
            lines = self._copy.execute(f"EXPLAIN QUERY PLAN {self._demands[number].sql}").fetchall()
        except sqlite3.Error:
            return frozenset()
        names = {match[1] for line in lines for match in _NAME.finditer(str(line[3]))}
        return frozenset(each for each in definitions if self._made.get(each) in names)

    def _have(self, definitions: frozenset[Definition]) -> None:
        sqlite3 = importlib.import_module("sqlite3")
        changed = False
        for definition in [each for each in self._made if each not in definitions]:
            name = self._made.pop(definition)
            self._copy.execute(f"DROP INDEX {name}")
            self._copy.execute("DELETE FROM sqlite_stat1 WHERE idx = ?", (name,))
            changed = True
        for definition in sorted(definitions - self._made.keys() - self._refused):
            self._numbers += 1
            name = f"{PREFIX}{self._numbers}"
            try:
                self._copy.execute(definition.ddl("sqlite", name=name))
            except sqlite3.Error:  # an expression that it takes in no index: no candidate
                self._refused.add(definition)
                continue
            table = self._catalog.table(definition.table)
            assert table is not None
            self._copy.execute(
                "INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table.name, name, _stat(table, definition))
            )
            self._made[definition] = name
            changed = True
        if changed:
            self._copy.execute("ANALYZE sqlite_schema")


def _stat(table: Table, definition: Definition) -> str:
    """Return the row of sqlite_stat1: all rows, then how many share the first key, the first two…"""
    rows = max(1.0, table.rows * (selectivity_of_condition(table, definition.where) if definition.where else 1.0))
    shared = [
        max(1, round(rows / distinct_keys(table, definition.keys[:length], rows)))
        for length in range(1, len(definition.keys) + 1)
    ]
    return " ".join(map(str, [round(rows), *shared]))


def _copied(session: Session, catalog: Catalog) -> Any:
    """Return a database in memory with the tables and indexes of *session*, no rows, and their statistics."""
    sqlite3 = importlib.import_module("sqlite3")
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    texts = session.rows(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('table', 'index', 'view') "
        "AND name NOT LIKE 'sqlite_%' ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END"
    )
    for (text,) in texts:
        with contextlib.suppress(sqlite3.Error):  # a module or a function that is registered with the original alone
            copy.execute(text)
    copy.execute("ANALYZE")
    for table in catalog.tables.values():
        copy.execute("DELETE FROM sqlite_stat1 WHERE tbl = ?", (table.name,))
        copy.execute("INSERT INTO sqlite_stat1 VALUES (?, NULL, ?)", (table.name, str(max(1, round(table.rows)))))
        for index in table.indexes:
            if index.name:
                keys = tuple(Key(key, (key,)) for key in index.keys)
                stat = _stat(table, Definition(table.name, keys, index.where))
                copy.execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table.name, index.name, stat))
    copy.execute("ANALYZE sqlite_schema")
    return copy

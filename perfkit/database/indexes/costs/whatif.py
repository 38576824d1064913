"""Asks PostgreSQL what a statement would cost with indexes that do not exist, by the extension HypoPG.

Hypothetical indexes live in one backend, so all questions go over one connection, and they are gone with `reset`. Each
question stands in a savepoint of a transaction that only reads: a statement that cannot be planned spoils none of the
others. What has places for values is prepared anew each time, as a plan that is kept does not learn of new indexes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from perfkit.database.indexes.costs.sizes import index_bytes
from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.schema.catalog import Catalog

__all__ = ["HypoPG", "Planner", "UnplannedError"]

PREPARED = "perfkit_what_if"
_HYPOTHETICAL = re.compile(r"<(\d+)>")


class UnplannedError(Exception):
    """The database would not plan a statement."""


class Planner:
    """PostgreSQL's planner over one connection, within its transaction."""

    def __init__(self, cursor: Any, version: int) -> None:
        """Ask over *cursor*; *version* is ``server_version_num``."""
        self._cursor, self._version = cursor, version
        self.calls = 0

    def plan(self, demand: Demand) -> dict[str, Any]:
        """Return the plan of *demand*.

        Raises:
            UnplannedError: The server refused, or took too long.
        """
        self.calls += 1
        self._cursor.execute("SAVEPOINT perfkit")
        try:
            told = self._explained(demand)
        except Exception as error:  # noqa: BLE001 - drivers have no error in common; why there is no plan is told
            self._cursor.execute("ROLLBACK TO SAVEPOINT perfkit")
            raise UnplannedError(f"{type(error).__name__}: {error}".splitlines()[0][:200]) from None
        self._cursor.execute("ROLLBACK TO SAVEPOINT perfkit")
        plan: dict[str, Any] = (told if isinstance(told, list) else json.loads(told))[0]["Plan"]
        return plan

    def _explained(self, demand: Demand) -> Any:
        execute = self._cursor.execute
        if not demand.parameters:
            execute(f"EXPLAIN (FORMAT JSON) {demand.sql}")
            return self._cursor.fetchone()[0]
        if self._version >= 160000:
            execute(f"EXPLAIN (FORMAT JSON, GENERIC_PLAN) {demand.sql}")
            return self._cursor.fetchone()[0]
        execute(f"PREPARE {PREPARED} AS {demand.sql}")
        try:
            count = len(set(re.findall(r"\$(\d+)", demand.sql)))
            execute(f"EXPLAIN (FORMAT JSON) EXECUTE {PREPARED} ({', '.join(['NULL'] * count)})")
            return self._cursor.fetchone()[0]
        finally:
            # A failed transaction takes no more statements; the name is freed once its savepoint is gone.
            self._release()

    def _release(self) -> None:
        self._cursor.execute("ROLLBACK TO SAVEPOINT perfkit")
        self._cursor.execute(f"DEALLOCATE {PREPARED}")


class HypoPG:
    """Costs by hypothetical indexes."""

    verified_by: ClassVar[str] = "hypopg"

    def __init__(self, cursor: Any, planner: Planner, demands: Sequence[Demand], catalog: Catalog) -> None:
        """Ask over *cursor* about *demands*."""
        self._cursor, self._planner, self._demands, self._catalog = cursor, planner, demands, catalog
        self._made: dict[Definition, int] = {}
        self._refused: set[Definition] = set()
        self._today: dict[int, tuple[float, frozenset[str]]] = {}
        self._plans: dict[tuple[int, frozenset[Definition]], tuple[float, frozenset[Definition]]] = {}

    @property
    def calls(self) -> int:
        """How often the planner was asked."""
        return self._planner.calls

    def cost(self, number: int, definitions: frozenset[Definition]) -> float:
        """Return the cost of statement *number* with *definitions*."""
        return self._asked(number, definitions)[0]

    def used(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        """Return which of *definitions* its plan would use."""
        return self._asked(number, definitions)[1]

    def size(self, definition: Definition) -> int:
        """Return the bytes of *definition*, by our own model: HypoPG knows nothing of shared keys."""
        table = self._catalog.table(definition.table)
        return index_bytes(table, definition, "postgresql") if table is not None else 0

    def rows(self, number: int) -> float:
        """Return how many rows statement *number* returns."""
        self.cost(number, frozenset())
        return self._today[number][0]

    def names(self, number: int) -> frozenset[str]:
        """Return the names of the indexes of today that its plan uses."""
        self.cost(number, frozenset())
        return self._today[number][1]

    def reset(self) -> None:
        """Forget every hypothetical index of this backend."""
        self._cursor.execute("SELECT hypopg_reset()")
        self._made.clear()

    def _asked(self, number: int, definitions: frozenset[Definition]) -> tuple[float, frozenset[Definition]]:
        key = (number, definitions)
        known = self._plans.get(key)
        if known is None:
            try:
                self._have(definitions)
                plan = self._planner.plan(self._demands[number])
                names = {int(each) for name in _index_names(plan) for each in _HYPOTHETICAL.findall(name)}
                if not definitions:
                    self._today[number] = float(plan["Plan Rows"]), frozenset(_index_names(plan))
                known = float(plan["Total Cost"]), frozenset(d for d in definitions if self._made.get(d) in names)
            except UnplannedError:
                # What cannot be planned in time gains nothing, so nothing is advised for it.
                if not definitions:
                    raise
                known = self._asked(number, frozenset())[0], frozenset()
            self._plans[key] = known
        return known

    def _have(self, definitions: frozenset[Definition]) -> None:
        """Make the hypothetical indexes *definitions*, and take the others away."""
        for definition in [each for each in self._made if each not in definitions]:
            self._cursor.execute(f"SELECT hypopg_drop_index({self._made.pop(definition)})")
        for definition in sorted(definitions - self._made.keys() - self._refused):
            ddl = definition.ddl("postgresql", concurrently=False).replace("'", "''")
            self._cursor.execute("SAVEPOINT perfkit_index")
            try:
                self._cursor.execute(f"SELECT indexrelid FROM hypopg_create_index('{ddl}')")
                self._made[definition] = int(self._cursor.fetchone()[0])
                self._cursor.execute("RELEASE SAVEPOINT perfkit_index")
            except Exception:  # noqa: BLE001 - an expression that is not immutable, a type without order: no candidate
                self._cursor.execute("ROLLBACK TO SAVEPOINT perfkit_index")
                self._refused.add(definition)


def _index_names(plan: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in plan:
        yield str(plan["Index Name"])
    for each in plan.get("Plans", ()):
        yield from _index_names(each)

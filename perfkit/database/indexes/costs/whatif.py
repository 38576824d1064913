"""Asks PostgreSQL what a statement would cost with indexes that do not exist, by the extension HypoPG.

Hypothetical indexes live in one backend, so all questions go over one connection, and they are gone with `reset`. Each
question stands in a savepoint of a transaction that only reads: a statement that cannot be planned spoils none of the
others. What has places for values is prepared anew each time, as a plan that is kept does not learn of new indexes.

Few questions are asked: a plan that was found among many indexes and uses some of them is also the one found among any
choice of them that still holds those it uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from perfkit.database.indexes.costs.sizes import index_bytes
from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.indexes.statements.leading import with_table_first
from perfkit.database.schema.catalog import Catalog

__all__ = ["MOST_CALLS", "HypoPG", "Planner", "UnplannedError"]

MOST_CALLS = 500
"""Plans of one search, those without hypothetical indexes among them. Then the cheapest known that holds has to do."""

CALLS_EACH = 2
"""Plans with hypothetical indexes that a statement adds where there are very many."""

PREPARED = "perfkit_what_if"
_HYPOTHETICAL = re.compile(r"<(\d+)>")
_VALUE = re.compile(r"'((?:[^']|'')*)'|(-?[\d.]+)")
_LIST = re.compile(r" IN \(((?:'(?:[^']|'')*'|-?[\d.]+|, )+)\)")


class UnplannedError(Exception):
    """The database would not plan a statement."""


class _Plan(NamedTuple):
    """What a statement costs, by which hypothetical indexes, and whether nobody could say."""

    cost: float
    used: frozenset[Definition]
    is_guess: bool = False

    def is_that_of(self, had: frozenset[Definition], definitions: frozenset[Definition]) -> bool:
        """Whether the plan among *had* is the one among *definitions* too."""
        return not self.is_guess and self.used <= definitions <= had


class Planner:
    """PostgreSQL's planner over one connection, within its transaction."""

    def __init__(self, cursor: Any, version: int) -> None:
        """Ask over *cursor*; *version* is ``server_version_num``."""
        self._cursor, self._version = cursor, version
        self._is_begun = False
        self.calls = 0

    def plan(self, demand: Demand, sql: str | None = None) -> dict[str, Any]:
        """Return the plan of *demand*, or of *sql*, another text of it.

        Raises:
            UnplannedError: The server refused, or took too long.
        """
        self.calls += 1
        if not self._is_begun:
            # To go back to it keeps it, undoes a failure, and frees the tables for whoever waits to change them.
            self._cursor.execute("SAVEPOINT perfkit")
            self._is_begun = True
        try:
            told = self._explained(sql or demand.sql, demand.parameters)
        except Exception as error:  # noqa: BLE001 - drivers have no error in common; why there is no plan is told
            self._cursor.execute("ROLLBACK TO SAVEPOINT perfkit")
            raise UnplannedError(f"{type(error).__name__}: {error}".splitlines()[0][:200]) from None
        self._cursor.execute("ROLLBACK TO SAVEPOINT perfkit")
        plan: dict[str, Any] = (told if isinstance(told, list) else json.loads(told))[0]["Plan"]
        return plan

    def _explained(self, sql: str, has_places: bool) -> Any:
        execute = self._cursor.execute
        if not has_places:
            execute(f"EXPLAIN (FORMAT JSON) {sql}")
            return self._cursor.fetchone()[0]
        if self._version >= 160000:
            execute(f"EXPLAIN (FORMAT JSON, GENERIC_PLAN) {sql}")
            return self._cursor.fetchone()[0]
        execute(f"PREPARE {PREPARED} AS {sql}")
        try:
            count = len(set(re.findall(r"\$(\d+)", sql)))
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

    def __init__(
        self,
        cursor: Any,
        planner: Planner,
        demands: Sequence[Demand],
        catalog: Catalog,
        *,
        today: Sequence[dict[str, Any]],
    ) -> None:
        """Ask over *cursor* about *demands*.

        Args:
            today: Their plans without any hypothetical index.
        """
        self._most_calls = max(MOST_CALLS, planner.calls + CALLS_EACH * len(demands))
        self._today = [(float(plan["Plan Rows"]), frozenset(_index_names(plan))) for plan in today]
        self._plans = [
            {frozenset[Definition](): _Plan(float(plan["Total Cost"]), frozenset[Definition]())} for plan in today
        ]
        self._cursor, self._planner, self._demands, self._catalog = cursor, planner, demands, catalog
        self._made: dict[Definition, int] = {}
        self._refused: set[Definition] = set()
        self._accepted: set[Definition] = set()
        self._firsts: dict[tuple[int, str], str | None] = {}

    @property
    def calls(self) -> int:
        """How often the planner was asked."""
        return self._planner.calls

    @property
    def left(self) -> int:
        """How often it may still be asked."""
        return max(0, self._most_calls - self.calls)

    def cost(self, number: int, definitions: frozenset[Definition]) -> float:
        """Return the cost of statement *number* with *definitions*."""
        return self._asked(number, definitions).cost

    def used(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        """Return which of *definitions* its plan would use."""
        return self._asked(number, definitions).used

    def size(self, definition: Definition) -> int:
        """Return the bytes of *definition*, by our own model: HypoPG knows nothing of shared keys."""
        table = self._catalog.table(definition.table)
        return index_bytes(table, definition, "postgresql") if table is not None else 0

    def rows(self, number: int) -> float:
        """Return how many rows statement *number* returns."""
        return self._today[number][0]

    def names(self, number: int) -> frozenset[str]:
        """Return the names of the indexes of today that its plan uses."""
        return self._today[number][1]

    def reset(self) -> None:
        """Forget every hypothetical index of this backend."""
        self._cursor.execute("SELECT hypopg_reset()")
        self._made.clear()

    def _asked(self, number: int, definitions: frozenset[Definition]) -> _Plan:
        plans = self._plans[number]
        known = plans.get(definitions)
        if known is None:
            known = next((plan for had, plan in plans.items() if plan.is_that_of(had, definitions)), None)
            if known is None and self.left:
                known = self._planned(number, definitions)
            if known is None:
                known = self._at_most(number, definitions)
            plans[definitions] = known
        return known

    def _at_most(self, number: int, definitions: frozenset[Definition]) -> _Plan:
        """Return the cheapest of the known plans that goes by *definitions* alone: more of them make none dearer."""
        fitting = [plan for plan in self._plans[number].values() if plan.used <= definitions]
        return min(fitting, key=lambda plan: plan.cost)._replace(is_guess=True)

    def _planned(self, number: int, definitions: frozenset[Definition]) -> _Plan:
        try:
            self._have(definitions)
            plans = [self._planner.plan(self._demands[number], sql) for sql in self._texts(number, definitions)]
        except UnplannedError:
            # What cannot be planned in time gains nothing, so nothing is advised for it.
            return self._plans[number][frozenset()]._replace(is_guess=True)
        plan = min(plans, key=lambda each: float(each["Total Cost"]))
        names = {int(each) for name in _index_names(plan) for each in _HYPOTHETICAL.findall(name)}
        return _Plan(
            float(plan["Total Cost"]), frozenset(each for each in definitions if self._made.get(each) in names)
        )

    def _texts(self, number: int, definitions: frozenset[Definition]) -> list[str]:
        """Return statement *number* as it is to be asked: with each table first whose indexes are seen there alone."""
        demand = self._demands[number]
        found = []
        for table in sorted({each.table for each in definitions if each.is_special}):
            if (number, table) not in self._firsts:
                self._firsts[number, table] = with_table_first(demand.sql, table) if len(demand.accesses) > 1 else None
            found.append(self._firsts[number, table] or demand.sql)
        return list(dict.fromkeys(found)) or [demand.sql]

    def _have(self, definitions: frozenset[Definition]) -> None:
        """Make the hypothetical indexes *definitions*, and take the others away, in few questions."""
        gone = [self._made.pop(each) for each in list(self._made) if each not in definitions]
        if gone:
            numbers = ",".join(map(str, gone))
            self._cursor.execute(f"SELECT hypopg_drop_index(each) FROM unnest('{{{numbers}}}'::oid[]) AS each")
        wanted = sorted(definitions - self._made.keys() - self._refused)
        if not wanted:
            return
        if self._could(wanted):
            return
        # One of them is refused, and the others of its question may be there all the same.
        self.reset()
        for definition in sorted(definitions - self._refused):
            if not self._could([definition]):
                # An expression that is not immutable, a type without an order: no candidate.
                self._refused.add(definition)

    def _could(self, definitions: Sequence[Definition]) -> bool:
        """Make *definitions* with one question; return False where one of them is refused."""
        ddl = ", ".join("'" + _hypothetical(each).replace("'", "''") + "'" for each in definitions)
        is_new = not self._accepted.issuperset(definitions)
        if is_new:
            self._cursor.execute("SAVEPOINT perfkit_index")
        try:
            self._cursor.execute(
                f"SELECT t.number, made.indexrelid FROM unnest(ARRAY[{ddl}]) WITH ORDINALITY AS t(ddl, number), "
                "hypopg_create_index(t.ddl) AS made"
            )
            made = {definitions[int(number) - 1]: int(oid) for number, oid in self._cursor.fetchall()}
        except Exception:  # drivers have no error in common
            if not is_new:
                raise
            self._cursor.execute("ROLLBACK TO SAVEPOINT perfkit_index")
            return False
        if is_new:
            self._cursor.execute("RELEASE SAVEPOINT perfkit_index")
        self._made.update(made)
        self._accepted.update(definitions)
        return True


def _index_names(plan: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in plan:
        yield str(plan["Index Name"])
    for each in plan.get("Plans", ()):
        yield from _index_names(each)


def _hypothetical(definition: Definition) -> str:
    """Return the text that makes *definition* in HypoPG.

    It leaves ``IN (…)`` as it stands, which is another condition to the planner than the constant of the statement.
    """
    folded = replace(definition, where=_LIST.sub(_as_constant, definition.where))
    return folded.ddl("postgresql", concurrently=False)


def _as_constant(match: re.Match[str]) -> str:
    """Return ``IN ('a', 'b')`` as ``= ANY ('{"a","b"}')``, which is one constant."""
    values = (text or number for text, number in _VALUE.findall(match[1]))
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return f" = ANY ('{{{','.join(quoted)}}}')"

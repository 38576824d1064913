"""What a set of indexes is worth to a workload: costs asked once each, the floors, and what writes pay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from perfkit.database.indexes.costs.model import Costs
from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.pool import Pool
from perfkit.database.indexes.statements.demand import Demand

__all__ = ["LEAST_PART", "LEAST_PART_WITHIN", "Weighing", "with_one_more", "write_cost"]

LEAST_PART = 0.2
"""Part of a statement's cost that an index must save to count for it."""

LEAST_PART_WITHIN = 0.05
"""The same where a budget is given: it bounds what indexes may burden, so each byte of it is to be used."""

LEAST_SAVING = 40.0
"""Units of the planner that it must save a call, ten pages: what saves less is small, or good already."""

LEAST_WIDER = 20.0
"""The same where an index that is advised anyway is only made wider."""

LEAST_OF_FIRST = 0.01
"""Part of a statement's first cost that one more index beside others must save."""

WRITE_COST = 2.0
"""Units that keeping one index up takes for a row: a descent, a changed page, its log."""


class Weighing:
    """The scales of one search.

    Attributes:
        demands: The statements; their calls are the weights.
        pool: The candidates that are weighed.
        of: For each statement, those that may serve it.
    """

    def __init__(
        self, demands: Sequence[Demand], costs: Costs, writes: Mapping[Definition, float], most_calls: int, part: float
    ) -> None:
        """Weigh by *costs*; *part* of a statement's cost is the least that counts for it."""
        self.demands, self.part = demands, part
        self.pool, self.of = Pool(), list[frozenset[Definition]]()
        self._costs, self._writes = costs, writes
        self._most_calls, self._began = most_calls, costs.calls
        self._known: dict[tuple[int, frozenset[Definition]], float] = {}

    def offer(self, candidates: Sequence[Sequence[Definition]]) -> None:
        """Take from *candidates*, one list a statement, those that some plan takes."""
        self.pool = Pool.of(
            self.demands, candidates, self._costs, is_gain=self.is_gain, may_ask=lambda: self.may_ask(0.5)
        )
        self.of = [frozenset(bounds) for bounds in self.pool.bounds]

    def may_ask(self, part: float = 1.0) -> bool:
        """Whether less than *part* of the questions to the planner are used up."""
        return self._costs.calls - self._began < part * self._most_calls

    def size(self, definitions: Iterable[Definition]) -> int:
        """Return the bytes of *definitions* together."""
        return sum(map(self._costs.size, definitions))

    def written(self, definition: Definition) -> float:
        """Return the units that the writes of the period pay for *definition*."""
        return self._writes.get(definition, 0.0)

    def cost(self, number: int, chosen: frozenset[Definition]) -> float:
        """Return the cost of statement *number* with *chosen*."""
        relevant = chosen & self.of[number]
        key = (number, relevant)
        if key not in self._known:
            self._known[key] = self._costs.cost(number, relevant)
        return self._known[key]

    def saving(self, before: frozenset[Definition], after: frozenset[Definition]) -> float:
        """Return the units of the period that *after* saves over *before*, less what writes pay."""
        changed = before ^ after
        total = sum(
            demand.calls * (self.cost(number, before) - self.cost(number, after))
            for number, demand in enumerate(self.demands)
            if changed & self.of[number]
        )
        return total - sum(map(self.written, after - before)) + sum(map(self.written, before - after))

    def is_gain(self, before: float, after: float, least: float = LEAST_SAVING) -> bool:
        """Whether a statement that cost *before* and now costs *after* is the better for it, by *least* units."""
        return before - after >= max(least, self.part * before)

    def is_felt(self, before: frozenset[Definition], after: frozenset[Definition]) -> bool:
        """Whether some statement gains enough by the step.

        Where another index is to stand beside those chosen, and none is only widened, it must also gain a part of what
        the statement cost at first: what is a hundredth of it already is fast enough.
        """
        changed, is_wider = before ^ after, bool(before - after)
        for number, own in enumerate(self.of):
            if changed & own:
                old, new = self.cost(number, before), self.cost(number, after)
                least = max(LEAST_SAVING, LEAST_OF_FIRST * self.cost(number, frozenset()))
                if self.is_gain(old, new, LEAST_WIDER if is_wider else least):
                    return True
        return False


def with_one_more(chosen: Sequence[Definition], wanted: Definition) -> list[Definition]:
    """Return *chosen* with *wanted*, which takes the place of what it begins with."""
    return [each for each in chosen if not wanted.starts_with(each)] + [wanted]


def write_cost(definition: Definition, demands: Sequence[Demand], given: Mapping[str, float] | None) -> float:
    """Return the units that the writes of the period pay for *definition*.

    Args:
        given: Table → rows written; of tables that are not in it, the writes among *demands* count.
    """
    for table, rows in (given or {}).items():
        if table.lower().rpartition(".")[2] == definition.table.lower():
            return WRITE_COST * rows
    rows = 0.0
    for demand in demands:
        if definition.table in demand.written:
            columns = demand.written[definition.table]
            touched = not columns or bool({each.lower() for each in columns} & {e.lower() for e in definition.needed})
            rows += demand.calls if touched else 0.0
    return WRITE_COST * rows

"""Which of the candidates to make: step by step the one that saves most per byte, until none is worth its place.

Source: Schlosser, Kossmann, Boissier 2019, "Efficient Scalable Multi-attribute Index Selection Using Recursive
Strategies" (ICDE; the algorithm is called Extend): each step either adds an index or widens one that was chosen, by
the ratio of the cost saved to the bytes added. Ours deviates in three ways. What a planner takes when it has all
candidates of one statement at hand is looked at first, so that few are left to weigh. The ratios of the last step are
bounds for the next one, and only the highest is measured anew (Minoux 1978, "Accelerated greedy algorithms"). Each
chosen index must be worth its place beside the others: a part of a statement's cost, an amount of it, and more than the
writes pay for keeping it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.statements.demand import Demand

__all__ = ["Chosen", "Costs", "Selection", "write_cost"]

LEAST_PART = 0.2
"""Part of a statement's cost that an index must save to count for it."""

LEAST_SAVING = 20.0
"""Units of the planner that it must save a call: below that a table is so small that nobody notices."""

LEAST_OF_FIRST = 0.01
"""Part of a statement's first cost that one more index beside others must save."""

WRITE_COST = 2.0
"""Units that keeping one index up takes for a row: a descent, a changed page, its log."""

GROWING = 0.8
"""Part of the questions that may be asked until all are chosen; the others tell what each of them is worth."""

POWERS = (1.0, 0.6, 0.3)
"""How much the bytes of an index count: one is the saving per byte, zero the saving alone."""

A_COLUMN = 0.15
"""Part of its bytes that each further column of an index counts more."""

ROUNDS = 3

MOST_TOGETHER = 4
"""Indexes that one statement may need at once (the sides of an OR, the steps of a join)."""


class Costs(Protocol):
    """Answers what a statement would cost.

    Attributes:
        verified_by: How it knows, as in `IndexAdvice.verified_by`.
    """

    @property
    def verified_by(self) -> str:
        """``hypopg``, ``planner`` or ``rules``."""
        ...

    @property
    def calls(self) -> int:
        """How often a planner was asked so far."""
        ...

    def cost(self, number: int, definitions: frozenset[Definition]) -> float:
        """Return the cost of statement *number* with *definitions* beside the indexes that exist."""
        ...

    def used(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        """Return which of *definitions* its plan would use."""
        ...

    def size(self, definition: Definition) -> int:
        """Return the bytes of *definition*."""
        ...

    def rows(self, number: int) -> float:
        """Return how many rows statement *number* returns, 0 where that is not known."""
        ...

    def names(self, number: int) -> frozenset[str]:
        """Return the names of the indexes of today that its plan uses."""
        ...


@dataclass
class Chosen:
    """An index worth making, with what it does for each statement that it serves."""

    definition: Definition
    size: int
    before: dict[int, float] = field(default_factory=dict)
    after: dict[int, float] = field(default_factory=dict)
    written: float = 0.0


class Selection:
    """One search. Deterministic: equal questions have equal answers."""

    def __init__(
        self,
        demands: Sequence[Demand],
        candidates: Sequence[Sequence[Definition]],
        costs: Costs,
        *,
        writes: Mapping[Definition, float] | None = None,
        most_calls: int = 500,
    ) -> None:
        """Search among *candidates* (one list a statement).

        Args:
            demands: The statements; their calls are the weights.
            candidates: What might serve each.
            costs: Who knows what they cost.
            writes: Units that the writes of the period would pay for each definition.
            most_calls: Questions to the planner after which the search ends with what it has.
        """
        self._demands, self._candidates, self._costs = demands, candidates, costs
        self._writes, self._most_calls = writes or {}, most_calls
        self._known: dict[tuple[int, frozenset[Definition]], float] = {}
        self._of: list[frozenset[Definition]] = []
        self._least: list[float] = []
        self._bundles: dict[frozenset[Definition], None] = {}

    def choose(self, budget: int | None = None) -> list[Chosen]:
        """Return what to make within *budget* bytes, in the order of being chosen."""
        pool = self._pool()
        chosen: list[Definition] = []
        # With a budget, the best per byte may leave no room for what saves most: other weights are tried too.
        for power in (1.0,) if budget is None else POWERS:
            found = self._pruned(self._bundled(self._grown(pool, budget, power), budget))
            if not chosen or self._saving(frozenset(chosen), frozenset(found)) > 0:
                chosen = found
            if self._costs.calls >= self._most_calls * GROWING:
                break
        return [self._told(definition, chosen) for definition in chosen]

    def _pool(self) -> list[Definition]:
        """Return the candidates that some plan uses, and the parts of them that are candidates too."""
        pool: dict[Definition, None] = {}
        self._of, self._least = [], []
        for number, candidates in enumerate(self._candidates):
            mine: dict[Definition, None] = {}
            base = least = self._costs.cost(number, frozenset())
            for some in (
                [each for each in candidates if not each.include and not each.where],
                [each for each in candidates if each.where],
                [each for each in candidates if each.include],
            ):
                left = list(some)
                for _ in range(ROUNDS):
                    if not left or self._costs.calls >= self._most_calls // 2:
                        break
                    used = self._costs.used(number, frozenset(left))
                    reached = self._costs.cost(number, frozenset(left)) if used else base
                    if not _is_gain(base, reached):
                        break
                    least = min(least, reached)
                    mine.update(dict.fromkeys(each for each in left if each in used))
                    if 1 < len(used) <= MOST_TOGETHER:
                        self._bundles[used] = None
                    left = [each for each in left if each not in used]
            offered = set(candidates)
            for each in list(mine):
                # One of its keys alone, and not the first perhaps, may do nearly all that it does.
                parts = [(key,) for key in each.keys] + [each.keys[:length] for length in range(2, len(each.keys))]
                for keys in parts:
                    part = Definition(each.table, keys, each.where)
                    if part in offered:
                        mine[part] = None
                plain = Definition(each.table, each.keys, each.where)
                if each.include and plain in offered:
                    mine[plain] = None
            self._of.append(frozenset(mine))
            self._least.append(least)
            pool.update(mine)
        # Whatever begins like a candidate of a statement may serve it as well as the candidate.
        everything = list(pool)
        for number, own in enumerate(self._of):
            wider = {one for one in everything for other in own if one.starts_with(other)}
            wider |= pool.keys() & set(self._candidates[number])
            tables = self._demands[number].tables
            self._of[number] = frozenset(each for each in own | wider if each.table in tables)
        return everything

    def _cost(self, number: int, chosen: frozenset[Definition]) -> float:
        relevant = chosen & self._of[number]
        key = (number, relevant)
        if key not in self._known:
            self._known[key] = self._costs.cost(number, relevant)
        return self._known[key]

    def _saving(self, before: frozenset[Definition], after: frozenset[Definition]) -> float:
        """Return the units of the period that *after* saves over *before*, less what writes pay."""
        changed = before ^ after
        total = 0.0
        for number, demand in enumerate(self._demands):
            if changed & self._of[number]:
                total += demand.calls * (self._cost(number, before) - self._cost(number, after))
        return total - sum(self._write(each) for each in after - before) + sum(self._write(e) for e in before - after)

    def _is_felt(self, before: frozenset[Definition], after: frozenset[Definition]) -> bool:
        """Whether some statement gains enough by the step.

        Where another index is to stand beside those chosen, and none is only widened, it must also gain a part of what
        the statement cost at first: what is a hundredth of it already is fast enough.
        """
        changed, is_wider = before ^ after, bool(before - after)
        for number, own in enumerate(self._of):
            if changed & own:
                old, new = self._cost(number, before), self._cost(number, after)
                least = 0.0 if is_wider else LEAST_OF_FIRST * self._cost(number, frozenset())
                if _is_gain(old, new) and old - new >= least:
                    return True
        return False

    def _write(self, definition: Definition) -> float:
        return self._writes.get(definition, 0.0)

    def _grown(self, pool: list[Definition], budget: int | None, power: float) -> list[Definition]:
        chosen: list[Definition] = []
        left = dict.fromkeys(range(len(pool)))
        measured: dict[int, float] = {}
        fresh: set[int] = set()
        potential = self._potential(pool, chosen)
        while self._costs.calls < self._most_calls * GROWING:
            ranked = [
                (min(measured.get(at, potential[at]), potential[at]) / _weight(pool[at], grown) ** power, -at)
                for at in left
                if (grown := self._grown_bytes(chosen, pool[at], budget)) is not None
            ]
            if not ranked or max(ranked)[0] <= 0:
                break
            best = -max(ranked)[1]
            wanted = pool[best]
            after = self._with(chosen, wanted)
            if best in fresh:
                chosen = after
                del left[best]
                fresh.clear()
                potential = self._potential(pool, chosen)
                # A wider one now costs no more than the bytes that it adds: what was measured of it is no bound.
                measured = {at: each for at, each in measured.items() if not pool[at].starts_with(wanted)}
                continue
            saving = self._saving(frozenset(chosen), frozenset(after))
            if saving > 0 and self._is_felt(frozenset(chosen), frozenset(after)):
                measured[best] = saving
                fresh.add(best)
            else:
                del left[best]
        return chosen

    def _potential(self, pool: list[Definition], chosen: list[Definition]) -> list[float]:
        """Return for each of *pool* what it could save at most: all that its statements cost above their least."""
        now = frozenset(chosen)
        above = [
            demand.calls * max(0.0, self._cost(number, now) - self._least[number])
            for number, demand in enumerate(self._demands)
        ]
        return [
            sum(above[number] for number, own in enumerate(self._of) if each in own) - self._write(each)
            for each in pool
        ]

    def _grown_bytes(self, chosen: list[Definition], wanted: Definition, budget: int | None) -> int | None:
        """Return the bytes that *wanted* adds to *chosen*; None where they are above *budget*."""
        before, after = sum(map(self._costs.size, chosen)), self._bytes(chosen, wanted)
        return None if budget is not None and after > budget else after - before

    def _bundled(self, chosen: list[Definition], budget: int | None) -> list[Definition]:
        """Return *chosen* with those that save nothing one by one, and much together."""
        for bundle in self._bundles:
            if self._costs.calls >= self._most_calls:
                break
            after = chosen
            for wanted in sorted(bundle - frozenset(chosen)):
                after = self._with(after, wanted)
            fits = budget is None or sum(map(self._costs.size, after)) <= budget
            steps = frozenset(chosen), frozenset(after)
            if fits and self._saving(*steps) > 0 and self._is_felt(*steps):
                chosen = after
        return chosen

    def _with(self, chosen: list[Definition], wanted: Definition) -> list[Definition]:
        """Return *chosen* with *wanted*, which takes the place of what it begins with."""
        return [each for each in chosen if not wanted.starts_with(each)] + [wanted]

    def _bytes(self, chosen: list[Definition], wanted: Definition) -> int:
        return sum(map(self._costs.size, self._with(chosen, wanted)))

    def _pruned(self, chosen: list[Definition]) -> list[Definition]:
        """Return *chosen* without what the others make needless, the least worth first."""
        kept = list(chosen)
        while kept:
            worth = [(self._worth(each, kept), -at, each) for at, each in enumerate(kept)]
            least, _, definition = min(worth)
            if least > 0:
                break
            kept.remove(definition)
        return kept

    def _worth(self, definition: Definition, kept: list[Definition]) -> float:
        """Return what *definition* is worth beside the others of *kept*; 0 where it is under a floor."""
        everything = frozenset(kept)
        without = everything - {definition}
        saved, is_felt = 0.0, False
        for number, demand in enumerate(self._demands):
            if definition in self._of[number]:
                before, after = self._cost(number, without), self._cost(number, everything)
                saved += demand.calls * (before - after)
                is_felt = is_felt or _is_gain(before, after)
        return max(0.0, saved - self._write(definition)) if is_felt else 0.0

    def _told(self, definition: Definition, chosen: list[Definition]) -> Chosen:
        everything = frozenset(chosen)
        told = Chosen(definition, self._costs.size(definition), written=self._write(definition))
        for number in range(len(self._demands)):
            if definition in self._of[number]:
                before = self._cost(number, everything - {definition})
                after = self._cost(number, everything)
                if _is_gain(before, after):
                    told.before[number], told.after[number] = before, after
        return told


def _weight(definition: Definition, grown: int) -> float:
    """Return the bytes that count: of two that are alike, the one with fewer columns serves more statements to come."""
    return max(8192.0, grown) * (1 + A_COLUMN * (len(definition.keys) + len(definition.include) - 1))


def _is_gain(before: float, after: float) -> bool:
    """Whether a statement that cost *before* and now costs *after* is the better for it by more than nothing."""
    return before - after >= LEAST_SAVING and before - after >= LEAST_PART * before


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

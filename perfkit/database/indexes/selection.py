"""Which of the candidates to make: step by step the one that saves most per byte, until none is worth its place.

Source: Schlosser, Kossmann, Boissier 2019, "Efficient Scalable Multi-attribute Index Selection Using Recursive
Strategies" (ICDE; the algorithm is called Extend): each step either adds an index or widens one that was chosen, by
the ratio of the cost saved to the bytes added. Ours deviates in three ways. What a planner takes when it has all
candidates of one statement at hand is looked at first, so that few are left to weigh. What was measured in one step
bounds the next, so that few are measured anew. Each chosen index must be worth its place beside the others: a part of a
statement's cost, an amount of it, and more than the writes pay for keeping it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perfkit.database.indexes.costs.model import Costs
from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.growth import GROWING, Growth
from perfkit.database.indexes.statements.demand import Demand
from perfkit.database.indexes.weighing import LEAST_PART, LEAST_PART_WITHIN, Weighing, with_one_more

__all__ = ["Chosen", "Selection"]

POWERS = (1.0, 0.6, 0.3)
"""How much the bytes of an index count: one is the saving per byte, zero the saving alone."""


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
        budget: int | None = None,
    ) -> None:
        """Search among *candidates* (one list a statement).

        Args:
            demands: The statements; their calls are the weights.
            candidates: What might serve each.
            costs: Who knows what they cost.
            writes: Units that the writes of the period would pay for each definition.
            most_calls: Questions to the planner after which the search ends with what it has.
            budget: Bytes that may be used in all.
        """
        self._budget = budget
        part = LEAST_PART if budget is None else LEAST_PART_WITHIN
        self._weighing = Weighing(demands, costs, writes or {}, most_calls, part)
        self._weighing.offer(candidates)

    def choose(self) -> list[Chosen]:
        """Return what to make, in the order of being chosen."""
        chosen: list[Definition] = []
        # With a budget, the best per byte may leave no room for what saves most: other weights are tried too.
        for power in (1.0,) if self._budget is None else POWERS:
            found = self._pruned(self._bundled(Growth(self._weighing, self._budget, power).grown()))
            if not chosen or self._weighing.saving(frozenset(chosen), frozenset(found)) > 0:
                chosen = found
            if not self._weighing.may_ask(GROWING):
                break
        if self._budget is not None:
            chosen = self._swapped(chosen)
        return [self._told(definition, chosen) for definition in chosen]

    def _swapped(self, chosen: list[Definition]) -> list[Definition]:
        """Return *chosen*, or better what grows in the room that one of them takes, as long as that saves more."""
        tried: set[frozenset[Definition]] = set()
        while True:
            worth = {each: self._worth(each, chosen) for each in chosen}
            for each in sorted(chosen, key=lambda definition: (worth[definition], definition)):
                rest = [other for other in chosen if other != each]
                if frozenset(rest) in tried or not self._weighing.may_ask(GROWING):
                    continue
                tried.add(frozenset(rest))
                found = self._pruned(Growth(self._weighing, self._budget, 1.0, start=rest, without=each).grown())
                if self._weighing.saving(frozenset(chosen), frozenset(found)) > 0:
                    chosen = found
                    break
            else:
                return chosen

    def _bundled(self, chosen: list[Definition]) -> list[Definition]:
        """Return *chosen* with those that save nothing one by one, and much together."""
        for bundle in self._weighing.pool.bundles:
            if not self._weighing.may_ask():
                break
            after, added = chosen, bundle - frozenset(chosen)
            for wanted in sorted(added):
                after = with_one_more(after, wanted)
            fits = self._budget is None or self._weighing.size(after) <= self._budget
            steps = frozenset(chosen), frozenset(after)
            if fits and added and self._weighing.saving(*steps) > 0 and self._weighing.is_felt(*steps):
                after = self._pruned(after)
                # Where one of them will do, it was weighed before, by its bytes too.
                chosen = after if added <= frozenset(after) else chosen
        return chosen

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
        weighing, everything = self._weighing, frozenset(kept)
        saved, is_felt = 0.0, False
        for number, before, after in self._changes(definition, everything):
            saved += weighing.demands[number].calls * (before - after)
            is_felt = is_felt or weighing.is_gain(before, after)
        return max(0.0, saved - weighing.written(definition)) if is_felt else 0.0

    def _changes(self, definition: Definition, everything: frozenset[Definition]) -> list[tuple[int, float, float]]:
        """Return the statements that *definition* may serve, with their costs without it and with it."""
        weighing, without = self._weighing, everything - {definition}
        return [
            (number, weighing.cost(number, without), weighing.cost(number, everything))
            for number, own in enumerate(weighing.of)
            if definition in own
        ]

    def _told(self, definition: Definition, chosen: list[Definition]) -> Chosen:
        weighing = self._weighing
        told = Chosen(definition, weighing.size([definition]), written=weighing.written(definition))
        for number, before, after in self._changes(definition, frozenset(chosen)):
            if weighing.is_gain(before, after):
                told.before[number], told.after[number] = before, after
        return told

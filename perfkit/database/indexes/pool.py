"""What is left of the candidates once the planner has seen them: those that some plan takes, and what each may save.

Each statement is planned with all its candidates at once, then without those that were taken, and so on. What is passed
by in a round can save no more than that round did, which bounds the search that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from perfkit.database.indexes.costs.model import Costs
from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.statements.demand import Demand

__all__ = ["Pool"]

ROUNDS = 3

MOST_TOGETHER = 4
"""Indexes that one statement may need at once (the sides of an OR, the steps of a join)."""


@dataclass
class Pool:
    """The candidates worth weighing.

    Attributes:
        definitions: All of them, in a fixed order.
        bounds: For each statement, what each of those that may serve it can save a call at most.
        least: The least that each statement can cost.
        bundles: What a plan took together.
    """

    definitions: list[Definition] = field(default_factory=list)
    bounds: list[dict[Definition, float]] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    bundles: dict[frozenset[Definition], None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        demands: Sequence[Demand],
        candidates: Sequence[Sequence[Definition]],
        costs: Costs,
        *,
        is_gain: Callable[[float, float], bool],
        may_ask: Callable[[], bool],
    ) -> Pool:
        """Look at the *candidates* of each statement as long as *may_ask*."""
        pool = cls(bounds=[{} for _ in demands], least=[0.0] * len(demands))
        found: dict[Definition, None] = {}
        # Where there are more statements than questions, the dearest are looked at.
        dear = [-demand.calls * costs.cost(number, frozenset()) for number, demand in enumerate(demands)]
        for number in sorted(range(len(demands)), key=lambda number: (dear[number], number)):
            found.update(pool._look(number, candidates[number], costs, is_gain, may_ask))
        pool.definitions = list(found)
        for number, demand in enumerate(demands):
            pool._share(number, demand, candidates[number], costs.cost(number, frozenset()))
        return pool

    def _look(
        self,
        number: int,
        candidates: Sequence[Definition],
        costs: Costs,
        is_gain: Callable[[float, float], bool],
        may_ask: Callable[[], bool],
    ) -> dict[Definition, None]:
        """Offer *candidates* to statement *number*; return those that it takes, and what they are made of."""
        base = least = costs.cost(number, frozenset())
        bounds: dict[Definition, float] = {}
        taken: dict[Definition, None] = {}
        for group in _groups(candidates):
            left = group
            for _ in range(ROUNDS):
                if not left or not may_ask():
                    break
                offered = frozenset(left)
                used, reached = costs.used(number, offered), costs.cost(number, offered)
                bounds.update((each, min(bounds.get(each, base), base - reached)) for each in left)
                if not is_gain(base, reached):
                    bounds.update(dict.fromkeys(left, 0.0))
                    break
                least = min(least, reached)
                taken.update(dict.fromkeys(each for each in left if each in used))
                if 1 < len(used) <= MOST_TOGETHER:
                    self.bundles[used] = None
                left = [each for each in left if each not in used]
        offered = frozenset(candidates)
        for each in list(taken):
            taken.update(dict.fromkeys(part for part in _parts(each) if part in offered))
        self.bounds[number], self.least[number] = bounds, least
        return taken

    def _share(self, number: int, demand: Demand, candidates: Sequence[Definition], base: float) -> None:
        """Keep the bounds of what is weighed; whatever begins like what serves a statement may serve it as well."""
        known, own = self.bounds[number], frozenset(candidates)
        kept = {each: known.get(each, base) for each in self.definitions if each in own}
        for one in self.definitions:
            if one not in own and one.table in demand.tables:
                begun = [bound for each, bound in kept.items() if each in own and one.starts_with(each)]
                if begun and max(begun) > 0:
                    kept[one] = base
        self.bounds[number] = {each: bound for each, bound in kept.items() if bound > 0}


def _groups(candidates: Sequence[Definition]) -> Iterator[list[Definition]]:
    """Yield the candidates that are alike: a narrow one is passed by where a wide one beside it does a little more."""
    yield [each for each in candidates if not each.include and not each.where]
    yield [each for each in candidates if each.where]
    yield [each for each in candidates if each.include]


def _parts(wanted: Definition) -> Iterator[Definition]:
    """Yield what *wanted* is made of: one of its keys alone, and not the first perhaps, may do nearly all it does."""
    for keys in [*((key,) for key in wanted.keys), *(wanted.keys[:length] for length in range(2, len(wanted.keys)))]:
        yield Definition(wanted.table, keys, wanted.where)
    if wanted.include:
        yield Definition(wanted.table, wanted.keys, wanted.where)

"""The growth of a set of indexes: step by step the one that saves most per byte, asked about as little as may be.

A gain that was measured beside fewer indexes bounds the gain beside more (Minoux 1978, "Accelerated greedy algorithms
for maximizing submodular set functions"). The bounds are kept for each statement: of the candidate that promises most,
the statement that promises most is asked about, and often enough that already puts another candidate before it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from perfkit.database.indexes.definition import Definition
from perfkit.database.indexes.weighing import LEAST_PART, Weighing, with_one_more

__all__ = ["Growth"]

GROWING = 0.8
"""Part of the questions that may be asked until all are chosen; the others tell what each of them is worth."""

A_COLUMN = 0.15
"""Part of its bytes that each further column of an index counts more."""

PAGE = 8192.0


class Growth:
    """One growth up to the budget."""

    def __init__(
        self,
        weighing: Weighing,
        budget: int | None,
        power: float,
        *,
        start: Sequence[Definition] = (),
        without: Definition | None = None,
    ) -> None:
        """Prepare to grow.

        Args:
            weighing: The scales.
            budget: Bytes in all; None for no bound.
            power: How much bytes count: at one the saving per byte, at zero the saving alone.
            start: What is chosen already.
            without: What must not be chosen.
        """
        self._weighing, self._budget, self._power = weighing, budget, power
        self._pool = weighing.pool.definitions
        self._statements = [
            [number for number, own in enumerate(weighing.of) if definition in own] for definition in self._pool
        ]
        self._chosen = list(start)
        self._left = {at: None for at, each in enumerate(self._pool) if each != without and each not in self._chosen}
        self._aside: set[int] = set()
        self._gains: list[dict[int, float]] = [
            {number: weighing.pool.bounds[number][definition] for number in numbers}
            for definition, numbers in zip(self._pool, self._statements, strict=True)
        ]
        self._open: list[set[int]] = [set(numbers) for numbers in self._statements]

    def grown(self) -> list[Definition]:
        """Return what was chosen, in the order of being chosen."""
        while (best := self._best()) is not None:
            self._take(best)
        return self._chosen

    def _best(self) -> int | None:
        """Return the candidate that saves most per byte; None where none saves anything, or no question is left."""
        above = self._above()
        bytes_of = {at: size for at in self._left if (size := self._bytes(self._pool[at])) is not None}
        heap = [(-self._promise(at, above) / size, at) for at, size in bytes_of.items()]
        heapq.heapify(heap)
        while heap and self._weighing.may_ask(GROWING):
            ratio, at = heapq.heappop(heap)
            if ratio >= 0:
                break
            if not self._open[at]:
                if self._is_felt(at):
                    return at
                self._left.pop(at)
                self._aside.add(at)
                continue
            self._ask(at, max(self._open[at], key=lambda number: (self._share(at, number, above), -number)))
            heapq.heappush(heap, (-self._promise(at, above) / bytes_of[at], at))
        return None

    def _above(self) -> list[float]:
        """Return for each statement what it costs above the least it can."""
        weighing, now = self._weighing, frozenset(self._chosen)
        return [
            max(0.0, weighing.cost(number, now) - least) if self._may_gain(number) else 0.0
            for number, least in enumerate(weighing.pool.least)
        ]

    def _may_gain(self, number: int) -> bool:
        return bool(self._weighing.of[number])

    def _promise(self, at: int, above: list[float]) -> float:
        """Return the units of the period that candidate *at* saves at most."""
        total = sum(self._share(at, number, above) for number in self._statements[at])
        replaced = [each for each in self._chosen if self._pool[at].starts_with(each)]
        return total - self._weighing.written(self._pool[at]) + sum(map(self._weighing.written, replaced))

    def _share(self, at: int, number: int, above: list[float]) -> float:
        gain = self._gains[at][number]
        if number in self._open[at]:
            gain = min(gain, above[number])
        return self._weighing.demands[number].calls * gain

    def _ask(self, at: int, number: int) -> None:
        before = frozenset(self._chosen)
        after = frozenset(with_one_more(self._chosen, self._pool[at]))
        self._gains[at][number] = self._weighing.cost(number, before) - self._weighing.cost(number, after)
        self._open[at].discard(number)

    def _is_felt(self, at: int) -> bool:
        return self._weighing.is_felt(frozenset(self._chosen), frozenset(with_one_more(self._chosen, self._pool[at])))

    def _bytes(self, wanted: Definition) -> float | None:
        """Return what the bytes that *wanted* adds count; None where they are above the budget.

        Of two that are alike, the one with fewer columns serves more statements to come, so each column adds a part.
        """
        before = self._weighing.size(self._chosen)
        after = self._weighing.size(with_one_more(self._chosen, wanted))
        if self._budget is not None and after > self._budget:
            return None
        columns = len(wanted.keys) + len(wanted.include)
        return float((max(PAGE, after - before) * (1 + A_COLUMN * (columns - 1))) ** self._power)

    def _take(self, best: int) -> None:
        wanted, before = self._pool[best], frozenset(self._chosen)
        self._chosen = with_one_more(self._chosen, wanted)
        self._left.pop(best)
        after, weighing = frozenset(self._chosen), self._weighing
        changed, cheaper = set[int](), set[int]()
        for number in self._statements[best]:
            old, new = weighing.cost(number, before), weighing.cost(number, after)
            if new != old:
                changed.add(number)
            if new < (1 - LEAST_PART) * old:
                cheaper.add(number)
        # What was too little before may be a part that counts of what is left to pay now.
        again = {at for at in self._aside if cheaper.intersection(self._statements[at])}
        self._aside -= again
        self._left.update(dict.fromkeys(sorted(again)))
        for at in self._left:
            self._open[at] |= changed.intersection(self._statements[at])
            if self._pool[at].starts_with(wanted):
                # It now takes the place of another one: what was measured of it is no bound.
                self._gains[at] = {
                    number: weighing.pool.bounds[number][self._pool[at]] for number in self._statements[at]
                }
                self._open[at] = set(self._statements[at])

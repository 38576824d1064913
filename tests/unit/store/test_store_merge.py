"""The sum of all workers against the obvious one, whatever changed in between."""

from __future__ import annotations

import math
from array import array

from hypothesis import given
from hypothesis.strategies import DataObject, booleans, data, floats, integers, lists

from perfkit.store.series.merge import Merge

SLOTS = 700


def test_nothing_adds_up_to_nothing() -> None:
    assert list(Merge().update((), [])) == []
    assert list(Merge().update((1,), [b""])) == []


@given(data(), integers(1, 4), booleans())
def test_sums_are_those_of_a_fresh_addition_in_the_order_of_workers(
    draw: DataObject, workers: int, polite: bool
) -> None:
    merge = Merge()
    rows = [array("d", bytes(8 * SLOTS)) for _ in range(workers)]
    for _ in range(4):
        for slot in draw.draw(lists(integers(0, SLOTS - 1), max_size=3)):
            row = rows[draw.draw(integers(0, len(rows) - 1))]
            row[slot] += draw.draw(floats(0, 1e15))
        if draw.draw(booleans()):
            rows.append(array("d", bytes(8 * SLOTS)))
        numbers = tuple(range(1, len(rows) + 1))
        expected = [math.fsum(slot) for slot in zip(*rows, strict=True)]
        found = merge.update(numbers, [row.tobytes() for row in rows], polite=polite)
        assert all(math.isclose(one, other, rel_tol=1e-15) for one, other in zip(found, expected, strict=True))
        again = Merge().update(numbers, [row.tobytes() for row in rows])
        assert found == again


@given(lists(lists(floats(0, 1e9), min_size=3, max_size=3), min_size=1, max_size=30))
def test_a_sum_never_falls_when_its_parts_rise(additions: list[list[float]]) -> None:
    merge = Merge()
    rows = [array("d", bytes(8)) for _ in range(3)]
    before = 0.0
    for amounts in additions:
        for row, amount in zip(rows, amounts, strict=True):
            row[0] += amount
            (now,) = merge.update((1, 2, 3), [row.tobytes() for row in rows])
            assert now >= before
            before = now


def test_a_worker_that_leaves_or_grows_is_noticed() -> None:
    merge = Merge()
    one, two = array("d", [1.0, 2.0]).tobytes(), array("d", [10.0, 20.0]).tobytes()
    assert list(merge.update((1, 2), [one, two])) == [11.0, 22.0]
    assert list(merge.update((2,), [two])) == [10.0, 20.0]
    assert list(merge.update((1, 2), [one, array("d", [10.0, 20.0, 30.0]).tobytes()])) == [11.0, 22.0, 30.0]
    assert list(merge.update((1, 3), [one, two])) == [11.0, 22.0]


def test_infinities_of_both_signs_do_not_break_a_scrape() -> None:
    rows = [array("d", [value, 1.0]).tobytes() for value in (math.inf, -math.inf)]
    nothing, two = Merge().update((1, 2), rows)
    assert math.isnan(nothing)
    assert two == 2.0

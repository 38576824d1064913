"""What the store does not do: keep numbers four times as large, read what nobody asked for, add up zeros."""

from __future__ import annotations

import math
import os
import tracemalloc
from array import array
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists

from perfkit.core.families import Histogram, Point
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Store, StoreSettings
from perfkit.store.history.snapshots import Buckets, Snapshots
from perfkit.store.history.summaries import STEPS, SummaryWindow
from perfkit.store.history.window import buckets_of, difference
from perfkit.store.layout import HEADER_BYTES
from perfkit.store.series.merge import GROUP, Merge
from perfkit.testing import FakeClock

LABELS = ("GET", "/a", "200", "http", "")
SERIES, BUCKETS = 50, 120


def many(offset: float = 0.0) -> dict[tuple[str, ...], Buckets]:
    """Return series of which no two numbers are the same."""
    return {
        ("GET", f"/{number}", "200", "http", ""): Buckets(
            array("d", (offset + number * BUCKETS + bucket for bucket in range(BUCKETS))), 1.0
        )
        for number in range(SERIES)
    }


def test_a_snapshot_in_use_takes_eight_bytes_a_bucket() -> None:
    snapshots = Snapshots()
    snapshots.take(1e9, many())
    tracemalloc.start()
    try:
        found = snapshots.nearest(1e9)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert found is not None
    assert taken < 12 * SERIES * BUCKETS + 1000 * SERIES


def test_the_state_of_the_last_record_takes_eight_bytes_a_bucket() -> None:
    points = [Point(labels, Histogram((), list(b.counts), b.sum)) for labels, b in many(1e6).items()]
    tracemalloc.start()
    try:
        kept = buckets_of(points)
        # The numbers themselves go with the reading that they came from.
        points.clear()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(kept) == SERIES
    assert taken < 10 * SERIES * BUCKETS + 1000 * SERIES


def test_what_did_not_change_is_kept_once() -> None:
    points = [Point(LABELS, Histogram((1.0,), [1.0, 2.0], 3.0)), Point(("POST",), Histogram((1.0,), [1.0, 0.0], 0.5))]
    before = buckets_of(points)
    points[1] = Point(("POST",), Histogram((1.0,), [2.0, 0.0], 1.0))
    after = buckets_of(points, before)
    assert after[LABELS] is before[LABELS]
    assert difference(after["POST",], before["POST",]) == Buckets([1.0, 0.0], 0.5)


@pytest.mark.parametrize("kinds", [(list, list), (list, array), (array, list), (array, array)])
def test_buckets_that_are_equal_differ_by_nothing(kinds: tuple[type, type]) -> None:
    one, other = (Buckets(array("d", [1.0, 2.0]) if kind is array else [1.0, 2.0], 0.5) for kind in kinds)
    assert difference(one, other) is None


def test_without_summaries_nobody_looks_for_them_more_than_once_a_step() -> None:
    asked = 0

    def read() -> dict[tuple[str, ...], Buckets]:
        nonlocal asked
        asked += 1
        return {}

    window = SummaryWindow(600.0)
    for second in range(600):
        window.tick(1_700_000_000.0 + second, read, born=0.0)
    assert asked <= STEPS + 1


def test_a_leader_reads_no_other_worker_in_a_second_without_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    stores = [Store(StoreSettings(directory=str(tmp_path)), clock=clock) for _ in range(3)]
    for store in stores:
        store.open()
        store.observe(store.row(REQUEST_DURATION, LABELS), 0.1)
    leader = stores[0]
    leader.tick(clock.advance(1.0))
    assert leader.is_leader
    leader._ground._recorder._credit = -math.inf  # as after a round that cost much
    real, large = os.pread, list[int]()

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        if size >= HEADER_BYTES:
            large.append(size)
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    for _ in range(3):
        leader.tick(clock.advance(1.0))
    assert large == []
    for store in stores:
        store.close()


def packed(rows: Sequence[Sequence[float]]) -> list[bytes]:
    return [array("d", row).tobytes() for row in rows]


def test_numbers_that_come_and_go_are_noticed_wherever_they_are() -> None:
    slots = 5 * GROUP
    merge, empty = Merge(), [0.0] * slots
    for slot in (0, 7, 8, slots // 2, slots - 1):
        one = [*empty[:slot], 1.5, *empty[slot + 1 :]]
        assert list(merge.update((1, 2), packed([one, empty]))) == one
        assert list(merge.update((1, 2), packed([one, one]))) == [2.0 * number for number in one]
        assert list(merge.update((1, 2), packed([empty, empty]))) == empty


@given(lists(integers(1, 200), min_size=1, max_size=6))
def test_a_table_that_grows_or_begins_anew_is_added_up_to_its_end(sizes: list[int]) -> None:
    merge = Merge()
    for size in sizes:
        rows = [[float(slot % 5) for slot in range(size)], [float(slot % 3) for slot in range(size)]]
        assert list(merge.update((1, 2), packed(rows))) == [a + b for a, b in zip(*rows, strict=True)]

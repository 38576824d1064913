"""Slices of time add up to the window that they cover, whatever the numbers did before."""

from __future__ import annotations

from array import array

import pytest

from perfkit.core.families import Histogram, Point
from perfkit.store import Store
from perfkit.store.history.slices import Slices
from perfkit.store.history.snapshots import Buckets, Snapshots
from perfkit.testing import FakeClock

BOUNDARIES = (0.1, 1.0)


def points(*counts: tuple[float, float, float]) -> list[Point]:
    return [Point((str(n),), Histogram(BOUNDARIES, list(each), 1.0)) for n, each in enumerate(counts)]


def kept(*moments: tuple[float, tuple[tuple[float, float, float], ...]]) -> Snapshots:
    snapshots = Snapshots()
    for at, series in moments:
        snapshots.take(at, {(str(n),): Buckets(array("d", counts), 1.0) for n, counts in enumerate(series)})
    return snapshots


def test_each_slice_is_what_was_added_between_two_moments() -> None:
    past = kept((970.0, ((1, 0, 0), (1, 1, 0))), (1000.0, ((4, 0, 0), (1, 1, 2))))
    boundaries, slices = Slices().read(points((5, 0, 0), (1, 3, 2)), past, 60.0, 1010.0, born=0.0)
    assert boundaries == BOUNDARIES
    assert [(each.start, each.end, each.counts) for each in slices] == [
        (970.0, 1000.0, (3.0, 0.0, 2.0)),
        (1000.0, 1010.0, (1.0, 2.0, 0.0)),
    ]


def test_a_young_service_begins_with_nothing() -> None:
    _, slices = Slices().read(points((5, 0, 0)), kept((1000.0, ((2, 0, 0),))), 300.0, 1010.0, born=980.0)
    assert [each.counts[0] for each in slices] == [2.0, 3.0]
    assert slices[0].start == 980.0


def test_without_requests_there_are_no_slices() -> None:
    assert Slices().read([], kept(), 300.0, 1010.0, born=980.0) == ((), ())


def test_a_count_that_went_back_is_no_negative_number() -> None:
    _, slices = Slices().read(points((1, 0, 0)), kept((1000.0, ((9, 0, 0),))), 60.0, 1010.0, born=0.0)
    assert slices[-1].counts == (0.0, 0.0, 0.0)


def test_only_the_range_is_told_and_a_snapshot_is_unpacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    past = kept(*((at, ((at, 0, 0),)) for at in (100.0, 700.0, 730.0, 760.0, 790.0)))
    asked: list[float] = []
    nearest = past.nearest
    monkeypatch.setattr(past, "nearest", lambda at, **more: asked.append(at) or nearest(at, **more))
    reader = Slices()
    for _ in range(3):
        _, slices = reader.read(points((800, 0, 0)), past, 70.0, 800.0, born=0.0)
    assert [each.start for each in slices] == [730.0, 760.0, 790.0]
    assert asked == [730.0, 760.0, 790.0]


def test_the_store_tells_what_was_recorded_and_the_slices_add_up_to_its_window() -> None:
    from perfkit.core.names import REQUEST_DURATION

    clock = FakeClock()
    store = Store(clock=clock)
    store.open()
    try:
        row = store.row(store.define(REQUEST_DURATION), ("GET", "/", "200", "http", ""))
        for _ in range(200):
            store.observe(row, 0.02)
            clock.advance(1.0)
            store.tick(clock.monotonic())
        boundaries, slices = store.past.slices(120.0)
        assert len(slices[0].counts) == len(boundaries) + 1
        assert len(slices) >= 4
        total = sum(sum(each.counts) for each in slices)
        assert abs(total - (slices[-1].end - slices[0].start)) <= 2.0
    finally:
        store.close()

"""Summaries look back a while, for all workers, over restarts of the leader."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.core.families import Definition, MetricType, Summary
from perfkit.store import Store, StoreSettings
from perfkit.store.history.snapshots import Buckets
from perfkit.store.history.summaries import SummaryWindow
from perfkit.testing import FakeClock

WEIGHT = Definition(name="weight", type=MetricType.SUMMARY, labels=("of",))
OTHER = Definition(name="other", type=MetricType.SUMMARY)


def value(store: Store, name: str = "weight") -> Summary:
    (family,) = store.families({name})
    (point,) = family.points
    assert isinstance(point.value, Summary)
    return point.value


def p50(store: Store, name: str = "weight") -> float:
    return dict(value(store, name).quantiles)[0.5]


def run(clock: FakeClock, store: Store, seconds: int) -> None:
    for _ in range(seconds):
        clock.advance(1.0)
        store.tick(clock.monotonic())


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    clock = FakeClock()
    directory = str(tmp_path) if request.param == "files" else ""
    store = Store(StoreSettings(directory=directory, summary_window=60.0), clock=clock)
    store.open()
    yield store
    store.close()


def record(store: Store, value: float, count: int = 100) -> None:
    row = store.row(WEIGHT, ("x",))
    for _ in range(count):
        store.observe(row, value)


def test_old_values_leave_the_quantiles_and_stay_in_count_and_sum(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    record(store, 1000.0)
    run(clock, store, 30)
    assert p50(store) == pytest.approx(1000.0, rel=0.05)
    record(store, 1.0, 150)
    assert p50(store) == pytest.approx(1.0, rel=0.05)
    run(clock, store, 45)
    assert dict(value(store).quantiles)[0.99] == pytest.approx(1.0, rel=0.05)
    assert (value(store).count, value(store).sum) == (250.0, 100_150.0)


def test_what_was_counted_before_the_first_tick_is_in_the_first_window(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    record(store, 5.0)
    assert p50(store) == pytest.approx(5.0, rel=0.05)
    run(clock, store, 20)
    assert p50(store) == pytest.approx(5.0, rel=0.05)


def test_without_anything_new_there_is_no_quantile(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    record(store, 5.0)
    run(clock, store, 100)
    assert all(math.isnan(at) for _, at in value(store).quantiles)
    assert value(store).count == 100.0


def test_a_summary_that_is_new_does_not_wait(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    record(store, 5.0)
    run(clock, store, 100)
    store.observe(store.row(OTHER), 7.0)
    assert p50(store, "other") == pytest.approx(7.0, rel=0.05)


def test_all_workers_and_a_new_leader_look_back_equally(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = StoreSettings(directory=str(tmp_path), summary_window=60.0)
    leader, other = (Store(settings, clock=clock) for _ in range(2))
    for store in (leader, other):
        store.open()
    record(leader, 1000.0)
    record(other, 1000.0)
    for _ in range(30):
        clock.advance(1.0)
        for store in (leader, other):
            store.tick(clock.monotonic())
    assert (leader.is_leader, other.is_leader) == (True, False)
    record(other, 1.0, 50)
    leader.close()
    run(clock, other, 45)
    assert p50(other) == pytest.approx(1.0, rel=0.05)
    third = Store(settings, clock=clock)
    third.open()
    assert value(third) == value(other)
    assert value(third).count == 250.0
    for store in (other, third):
        store.close()


def test_after_a_long_pause_old_values_are_not_counted_as_new(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = StoreSettings(directory=str(tmp_path), summary_window=60.0)
    store = Store(settings, clock=clock)
    store.open()
    record(store, 1000.0)
    run(clock, store, 30)
    store.close()
    clock.advance(86_400.0)
    later = Store(settings, clock=clock)
    later.open()
    run(clock, later, 2)
    record(later, 1.0, 10)
    assert p50(later) == pytest.approx(1.0, rel=0.05)
    later.close()


def test_the_file_stays_small(tmp_path: Path) -> None:
    window = SummaryWindow(60.0)
    window.open(tmp_path)
    counts = [float(n % 7) for n in range(642)]
    for second in range(1000):
        window.tick(1_700_000_000.0 + second, lambda: {("weight", "x"): Buckets(counts, 1.0)}, born=0.0)
    assert len(window._snapshots.times()) <= 14
    assert (tmp_path / "summaries.bin").stat().st_size < 20_000


def test_nothing_is_written_without_summaries(tmp_path: Path) -> None:
    window = SummaryWindow(60.0)
    window.open(tmp_path)
    for second in range(100):
        window.tick(1_700_000_000.0 + second, dict, born=0.0)
    assert list(tmp_path.iterdir()) == []
    assert window.base(1_700_000_100.0) == {}


def test_numbers_that_began_anew_are_all_new(tmp_path: Path) -> None:
    clock = FakeClock()
    store = Store(StoreSettings(summary_window=60.0), clock=clock)
    record(store, 1000.0)
    run(clock, store, 100)
    row = store.row(WEIGHT, ("x",))
    for offset in range(row.width):
        store.values[row.index + offset] = 0.0
    record(store, 1.0, 10)
    assert p50(store) == pytest.approx(1.0, rel=0.05)

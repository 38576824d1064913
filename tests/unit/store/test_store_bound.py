"""Bound series: the same numbers as by the store's own updates, found through openings, closings and threads."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from haste import hasty

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, Histogram, MetricType, Summary
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import BoundCounter, BoundGauge, BoundHistogram, BoundSummary, Store, StoreSettings
from perfkit.store.series.updates import UPDATE_LOCK
from perfkit.testing import FakeClock

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))
DEPTH = Definition(name="depth", type=MetricType.GAUGE)
SIZES = Definition(name="sizes", type=MetricType.HISTOGRAM, boundaries=(1.0, 10.0))
DELAYS = Definition(name="delays", type=MetricType.SUMMARY)
HANDLES = {HITS: BoundCounter, DEPTH: BoundGauge, SIZES: BoundHistogram, DELAYS: BoundSummary}


@pytest.fixture
def store() -> Store:
    return Store(StoreSettings(mode="memory"), clock=FakeClock())


@pytest.fixture
def busy_switching() -> Iterator[None]:
    with hasty(1e-6):
        yield


def value_of(store: Store, definition: Definition) -> Any:
    (family,) = store.families((definition.name,))
    (point,) = family.points
    return point.value


def labels_of(definition: Definition) -> tuple[str, ...]:
    return ("home",) * len(definition.labels)


def test_a_counter_grows_by_one_or_by_what_is_said(store: Store) -> None:
    hits = BoundCounter(store, store.row(HITS, ("home",)))
    hits.add()
    hits.add(2.5)
    hits.add(amount=3)
    assert value_of(store, HITS) == 6.5


def test_a_gauge_is_set_and_moved_both_ways(store: Store) -> None:
    depth = BoundGauge(store, store.row(DEPTH))
    depth.set(10)
    depth.add(-4)
    depth.add()
    assert value_of(store, DEPTH) == 7.0


def test_a_gauge_at_zero_counts_as_set(store: Store) -> None:
    BoundGauge(store, store.row(DEPTH)).set(0.0)
    assert value_of(store, DEPTH) == 0.0


def test_a_bucket_holds_its_upper_bound(store: Store) -> None:
    sizes = BoundHistogram(store, store.row(SIZES))
    for value in (0.5, 1, 1.5, 10.0, 11.0):
        sizes.observe(value)
    found = value_of(store, SIZES)
    assert isinstance(found, Histogram)
    assert (found.count, found.sum) == (5, 24.0)
    assert list(found.counts) == [2, 2, 1]


def test_a_summary_is_counted_like_by_the_store_itself(store: Store) -> None:
    other = Store(StoreSettings(mode="memory"))
    bound, row = BoundSummary(store, store.row(DELAYS)), other.row(DELAYS)
    for value in (-1.0, 0.0, 0.002, 3.0, 3.1, 1e9):
        bound.observe(value)
        other.observe(row, value)
    found = value_of(store, DELAYS)
    assert isinstance(found, Summary)
    assert found == value_of(other, DELAYS)


@pytest.mark.parametrize("definition", [SIZES, DELAYS], ids=lambda each: each.name)
def test_what_is_not_a_number_is_not_observed(store: Store, definition: Definition) -> None:
    bound: Any = HANDLES[definition](store, store.row(definition))
    bound.observe(math.nan)
    bound.observe(2.0)
    assert (value_of(store, definition).count, value_of(store, definition).sum) == (1, 2.0)


@pytest.mark.parametrize("amount", [-1, -0.5, math.nan, -math.inf])
def test_a_counter_never_goes_down(store: Store, amount: float) -> None:
    hits = BoundCounter(store, store.row(HITS, ("home",)))
    hits.add()
    with pytest.raises(MetricError, match="never goes down"):
        hits.add(amount)
    assert value_of(store, HITS) == 1.0


@pytest.mark.parametrize("definition", HANDLES, ids=lambda each: each.name)
@pytest.mark.parametrize("handle", HANDLES.values(), ids=lambda each: each.__name__)
def test_only_a_series_of_its_type_can_be_bound(store: Store, handle: type, definition: Definition) -> None:
    row = store.row(definition, labels_of(definition))
    if HANDLES[definition] is handle:
        handle(store, row)
        return
    with pytest.raises(MetricError, match=rf"{definition.name} was bound .* It is a {definition.type.value}"):
        handle(store, row)


def test_numbers_of_other_types_are_counted_as_floats(store: Store) -> None:
    hits = BoundCounter(store, store.row(HITS, ("home",)))
    sizes = BoundHistogram(store, store.row(SIZES))
    hits.add(Fraction(1, 2))  # type: ignore[arg-type]  # a type checker refuses it, a program may still do it
    hits.add(True)
    sizes.observe(Fraction(5, 2))  # type: ignore[arg-type]
    assert (value_of(store, HITS), value_of(store, SIZES).sum) == (1.5, 2.5)


def test_a_handle_outlives_opening_and_closing(tmp_path: Path) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    hits = BoundCounter(store, store.row(HITS, ("home",)))
    times = BoundHistogram(store, store.row(REQUEST_DURATION, ("GET", "/", "200", "http", "")))
    for step in (store.open, store.close, store.open):
        hits.add()
        times.observe(0.25)
        step()
    hits.add()
    assert store.is_shared
    assert value_of(store, HITS) == 4.0
    assert value_of(store, REQUEST_DURATION).count == 3
    store.close()


@pytest.mark.usefixtures("busy_switching")
@pytest.mark.parametrize("amounts", [(), (1.0,), (1,)], ids=["one", "float", "integer"])
def test_no_update_of_any_thread_is_lost_through_handles(store: Store, amounts: tuple[float, ...]) -> None:
    hits = BoundCounter(store, store.row(HITS, ("home",)))
    depth = BoundGauge(store, store.row(DEPTH))
    sizes = BoundHistogram(store, store.row(SIZES))

    def work() -> None:
        for _ in range(2000):
            hits.add(*amounts)
            depth.add(*amounts)
            sizes.observe(5)

    in_threads(work, times=8)
    assert value_of(store, HITS) == value_of(store, DEPTH) == 16_000.0
    assert (value_of(store, SIZES).count, value_of(store, SIZES).sum) == (16_000, 80_000.0)


def in_threads(work: Callable[[], None], *, times: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_without_the_interpreters_lock_handles_take_ours(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    from importlib.util import module_from_spec, spec_from_file_location

    from perfkit.store.series import bound

    spec = spec_from_file_location("perfkit_store_bound_unlocked", bound.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    hits = module.BoundCounter(store, store.row(HITS, ("home",)))
    thread = threading.Thread(target=hits.add)
    with UPDATE_LOCK:
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
    thread.join(20)
    assert value_of(store, HITS) == 1.0

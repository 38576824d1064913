"""Definitions, rows, updates and families of one store in memory."""

from __future__ import annotations

import math

import pytest

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, Family, GaugeMode, Histogram, MetricType, Point, Summary
from perfkit.core.names import ABANDONED, ACTIVE_REQUESTS, HTTP_BOUNDARIES, REQUEST_DURATION
from perfkit.store import Store, StoreSettings
from perfkit.store.boundaries import FINE
from perfkit.store.layout import FINISHED, STARTED
from perfkit.testing import FakeClock

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))
SIZE = Definition(name="size_bytes", type=MetricType.SUMMARY)
LEVEL = Definition(name="level", type=MetricType.GAUGE)
TIMES = Definition(name="times_seconds", type=MetricType.HISTOGRAM, boundaries=(0.1, 1.0, 10.0))
GET = ("GET", "/", "200", "http", "")


def store(**settings: int) -> Store:
    return Store(StoreSettings(mode="memory", **settings), clock=FakeClock())


def family(store: Store, name: str, *, detailed: bool = False) -> Family:
    (found,) = store.families({name}, detailed=detailed)
    return found


def histogram(point: Point) -> Histogram:
    assert isinstance(point.value, Histogram)
    return point.value


def test_a_counter_adds_up() -> None:
    mine = store()
    row = mine.row(HITS, ("home",))
    mine.add(row, 1)
    mine.add(row, 2.5)
    assert family(mine, "hits_total").points == [Point(("home",), 3.5)]


def test_a_new_series_reads_zero() -> None:
    mine = store()
    mine.row(HITS, ("home",))
    assert family(mine, "hits_total").points == [Point(("home",), 0.0)]


def test_the_same_labels_are_the_same_row() -> None:
    mine = store()
    assert mine.row(HITS, ("home",)) is mine.row(HITS, ("home",))
    assert mine.row(HITS, ("home",)) is not mine.row(HITS, ("away",))


def test_defining_counts_nothing_and_shows_nothing() -> None:
    mine = store()
    assert mine.define(HITS) is HITS
    assert mine.define(Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))) is HITS
    assert mine.families({"hits_total"}) == []


@pytest.mark.parametrize(
    "other",
    [
        Definition(name="hits_total", type=MetricType.GAUGE, labels=("page",)),
        Definition(name="hits_total", type=MetricType.COUNTER, labels=("site",)),
    ],
)
def test_a_clash_says_what_it_was_and_is(other: Definition) -> None:
    mine = store()
    mine.define(HITS)
    with pytest.raises(MetricError, match=r"hits_total is defined with (type gauge|labels \('site',\))"):
        mine.row(other, ("home",))


def test_another_description_is_no_clash() -> None:
    mine = store()
    mine.add(mine.row(HITS, ("home",)), 1)
    described = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",), description="Hits.")
    mine.add(mine.row(described, ("home",)), 1)
    assert family(mine, "hits_total").points == [Point(("home",), 2.0)]


def test_a_wrong_number_of_label_values_is_refused() -> None:
    with pytest.raises(MetricError, match="one value for each"):
        store().row(HITS, ("home", "away"))


@pytest.mark.parametrize("boundaries", [(1.0, 0.5), (1.0, 1.0), (1.0, math.inf), (math.nan,)])
def test_boundaries_must_ascend_and_be_finite(boundaries: tuple[float, ...]) -> None:
    with pytest.raises(MetricError, match="finite and ascending"):
        store().define(Definition(name="h", type=MetricType.HISTOGRAM, boundaries=boundaries))


def test_too_many_boundaries_are_refused() -> None:
    many = tuple(float(bound) for bound in range(1023))
    with pytest.raises(MetricError, match="At most 1022"):
        store().define(Definition(name="h", type=MetricType.HISTOGRAM, boundaries=many))


def test_a_bound_belongs_to_its_bucket() -> None:
    mine = store()
    row = mine.row(TIMES)
    for value in (0.1, 0.1001, 1.0, 10.0, 10.1):
        mine.observe(row, value)
    value = histogram(family(mine, "times_seconds").points[0])
    assert value.counts == [1.0, 2.0, 1.0, 1.0]
    assert value.sum == pytest.approx(21.3001)
    assert value.count == 5.0


def test_not_a_number_is_not_observed() -> None:
    mine = store()
    mine.observe(mine.row(TIMES), math.nan)
    value = histogram(family(mine, "times_seconds").points[0])
    assert (value.count, value.sum) == (0.0, 0.0)


def test_a_histogram_without_boundaries_has_opentelemetrys() -> None:
    mine = store()
    mine.observe(mine.row(Definition(name="h", type=MetricType.HISTOGRAM)), 0.3)
    assert tuple(histogram(family(mine, "h").points[0]).boundaries) == HTTP_BOUNDARIES


def test_fine_buckets_add_up_to_the_shown_ones_exactly() -> None:
    mine = store()
    detailed, plain = (
        mine.row(REQUEST_DURATION, GET),
        mine.row(Definition(name="plain", type=MetricType.HISTOGRAM, boundaries=HTTP_BOUNDARIES)),
    )
    for step in range(400):
        value = 0.00005 * 1.04**step
        mine.observe(detailed, value)
        mine.observe(plain, value)
    shown = histogram(family(mine, REQUEST_DURATION.name).points[0])
    assert (shown.boundaries, shown.counts) == (HTTP_BOUNDARIES, histogram(family(mine, "plain").points[0]).counts)
    fine = histogram(family(mine, REQUEST_DURATION.name, detailed=True).points[0])
    assert (tuple(fine.boundaries), fine.count) == (FINE, 400.0)


def test_odd_boundaries_of_a_detailed_histogram_are_exact_too() -> None:
    mine = store()
    odd = Definition(name="odd", type=MetricType.HISTOGRAM, boundaries=(0.0123, 0.77), detailed=True)
    for value in (0.0122, 0.0123, 0.0124, 0.77, 0.78):
        mine.observe(mine.row(odd), value)
    assert histogram(family(mine, "odd").points[0]).counts == [2.0, 2.0, 1.0]


def test_a_gauge_is_set_and_added_to() -> None:
    mine = store()
    row = mine.row(LEVEL)
    assert mine.families({"level"}) == []
    mine.set(row, 5)
    mine.add(row, -2)
    assert family(mine, "level").points == [Point((), 3.0)]


def test_a_gauge_of_each_worker_has_its_number_as_label() -> None:
    mine = store()
    each = Definition(name="each", type=MetricType.GAUGE, labels=("a",), mode=GaugeMode.PER_WORKER)
    mine.set(mine.row(each, ("x",)), 4)
    found = family(mine, "each")
    assert found.definition.labels == ("a", "worker")
    assert found.points == [Point(("x", str(mine.number)), 4.0)]


def test_a_summary_knows_values_of_any_size() -> None:
    mine = store()
    row = mine.row(SIZE)
    for value in (-1.0, 0.0, 1e-40, 1e40, math.inf, 3.0, 1000.0):
        mine.observe(row, value)
    value = family(mine, "size_bytes").points[0].value
    assert isinstance(value, Summary)
    assert value.count == 7.0
    assert dict(value.quantiles)[0.5] == pytest.approx(3.0, rel=0.06)


def test_a_row_is_only_used_as_what_it_is() -> None:
    mine = store()
    for misuse in (
        lambda: mine.add(mine.row(TIMES), 1.0),
        lambda: mine.set(mine.row(HITS, ("home",)), 1.0),
        lambda: mine.observe(mine.row(HITS, ("home",)), 1.0),
        lambda: mine.observe(mine.row(LEVEL), 1.0),
    ):
        with pytest.raises(MetricError, match="It is a"):
            misuse()
    assert mine.families({"level"}) == []
    assert family(mine, "hits_total").points == [Point(("home",), 0.0)]


def test_series_beyond_the_familys_bound_go_to_other_and_are_counted() -> None:
    mine = store(max_series_per_family=3)
    for number in range(10):
        mine.add(mine.row(HITS, (f"p{number}",)), 1)
    points = {point.labels: point.value for point in family(mine, "hits_total").points}
    assert points == {("_other",): 7.0, ("p0",): 1.0, ("p1",): 1.0, ("p2",): 1.0}
    assert family(mine, "perfkit_store_overflow_total").points[0].value == 7.0


def test_rows_beyond_the_slots_go_to_other_without_growing_anything() -> None:
    mine = store(max_slots=4096, max_series_per_family=1_000_000)
    for number in range(10_000):
        mine.add(mine.row(HITS, (f"p{number}",)), 1)
    points = family(mine, "hits_total").points
    assert sum(point.value for point in points if isinstance(point.value, float)) == 10_000.0
    assert len(points) <= 4096
    assert len(mine._rows) <= 4096


def test_where_not_even_other_fits_the_sink_takes_it() -> None:
    mine = store(max_slots=4096)
    for number in range(10):
        big = Definition(name=f"big{number}", type=MetricType.SUMMARY)
        mine.observe(mine.row(big), 1.0)
    assert len(mine.families([f"big{number}" for number in range(10)])) == 4096 // 643
    assert family(mine, "perfkit_store_overflow_total").points[0].value == 10 - 4096 // 643


def test_other_is_not_shown_before_it_is_needed() -> None:
    mine = store()
    mine.add(mine.row(HITS, ("home",)), 1)
    assert [point.labels for point in family(mine, "hits_total").points] == [("home",)]


def test_label_values_are_cut_and_made_storable() -> None:
    mine = store()
    mine.add(mine.row(HITS, ("\ud800" + "x" * 5000,)), 1)
    (point,) = family(mine, "hits_total").points
    assert point.labels == ("?" + "x" * 1023,)


def test_exchanges_in_flight_are_a_family_of_their_own() -> None:
    mine = store()
    mine.values[STARTED] += 3.0
    mine.values[FINISHED] += 1.0
    assert mine.in_flight() == 2
    assert family(mine, ACTIVE_REQUESTS.name).points[0].value == 2.0
    assert family(mine, ABANDONED.name).points[0].value == 0.0


def test_per_worker_tells_one_worker_from_another() -> None:
    mine = store()
    mine.set(mine.row(LEVEL), 5)
    ((number, found),) = mine.per_worker("level")
    assert (number, found.points) == (mine.number, [Point((), 5.0)])


def test_opening_and_closing_in_memory_keeps_the_numbers() -> None:
    mine = store()
    row = mine.row(HITS, ("home",))
    for _ in range(3):
        mine.open()
        mine.open()
        mine.add(row, 1)
        mine.close()
        mine.close()
        mine.add(row, 1)
    assert family(mine, "hits_total").points == [Point(("home",), 6.0)]
    assert (mine.is_shared, mine.degraded, mine.directory) == (False, "", None)


def test_several_metrics_of_each_worker_are_told_at_once() -> None:
    mine = store()
    mine.set(mine.row(LEVEL), 5)
    mine.add(mine.row(HITS, ("home",)), 2)
    found = mine.per_worker("level", ACTIVE_REQUESTS.name)
    assert sorted(family.definition.name for _, family in found) == [ACTIVE_REQUESTS.name, "level"]

"""One family that cannot be shown never costs the others; what is kept is bounded."""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import pytest

from perfkit.core.families import Definition, Family, Histogram, MetricType, Point, Summary
from perfkit.metrics.exposition import Escaping, Exposition, Format, render
from perfkit.testing.exposition import problems

GOOD = Family(Definition(name="good", type=MetricType.GAUGE), [Point((), 1.0)])


def family(type: MetricType, value: Any, *, name: str = "bad", labels: tuple[str, ...] = ()) -> Family:
    return Family(Definition(name=name, type=type, labels=labels), [Point(("x",) * len(labels), value)])


BROKEN = [
    family(MetricType.COUNTER, -1.0),
    family(MetricType.COUNTER, math.nan),
    family(MetricType.INFO, 2.0),
    family(MetricType.GAUGE, "much"),
    family(MetricType.GAUGE, None),
    family(MetricType.GAUGE, Summary((), 0.0, 0.0)),
    family(MetricType.HISTOGRAM, 1.0),
    family(MetricType.SUMMARY, 1.0),
    family(MetricType.SUMMARY, Summary(((50, 1.0),), 1.0, 1.0)),
    family(MetricType.HISTOGRAM, Histogram((1.0,), (1.0,), 0.0)),
    family(MetricType.HISTOGRAM, Histogram((1.0,), (1.0, -1.0), 0.0)),
    family(MetricType.HISTOGRAM, Histogram((1.0,), (1.0, math.nan), 0.0)),
    family(MetricType.HISTOGRAM, Histogram((2.0, 1.0), (1.0, 1.0, 1.0), 0.0)),
    family(MetricType.HISTOGRAM, Histogram((1.0, math.inf), (1.0, 1.0, 1.0), 0.0)),
    family(MetricType.HISTOGRAM, Histogram((1.0,), (1.0, 1.0), 0.0), labels=("le",)),
    family(MetricType.SUMMARY, Summary((), 1.0, 1.0), labels=("quantile",)),
    family(MetricType.GAUGE, 1.0, labels=("__name__",)),
    family(MetricType.GAUGE, 1.0, labels=("",)),
    family(MetricType.COUNTER, 1.0, name="_total"),
    Family(Definition(name="bad", type=MetricType.GAUGE, labels=("a", "b")), [Point(("x",), 1.0)]),
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("format", list(Format))
def test_a_broken_family_is_left_out_and_reported(broken: Family, format: Format) -> None:
    reports: list[str] = []
    page = render([broken, GOOD], format, on_error=lambda name, error: reports.append(name))
    assert reports == [broken.definition.name]
    assert page == render([GOOD], format)


def test_without_a_listener_a_broken_family_is_left_out_too() -> None:
    assert render([BROKEN[0], GOOD]) == render([GOOD])


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize(
    ("first", "second"),
    [("good", "good"), ("good_total", "good"), ("good_info", "good")],
)
def test_a_second_family_of_one_name_is_left_out(first: str, second: str, format: Format) -> None:
    types = {"good": MetricType.GAUGE, "good_total": MetricType.COUNTER, "good_info": MetricType.INFO}
    one, two = family(types[first], 1.0, name=first), family(types[second], 1.0, name=second)
    reports: list[str] = []
    page = render([one, two], format, on_error=lambda name, error: reports.append(str(error)))
    assert page == render([one], format)
    assert len(reports) == 1
    assert "Rename" in reports[0]


def test_a_family_whose_name_is_a_series_of_a_histogram_is_left_out() -> None:
    histogram = family(MetricType.HISTOGRAM, Histogram((1.0,), (1.0, 1.0), 2.0), name="wait")
    assert render([histogram, family(MetricType.GAUGE, 1.0, name="wait_count")]) == render([histogram])


def test_a_broken_family_does_not_take_its_name_from_a_good_one() -> None:
    bad = family(MetricType.GAUGE, None, name="good")
    assert render([bad, GOOD]) == render([GOOD])


@pytest.mark.parametrize("format", list(Format))
def test_of_two_points_for_the_same_labels_the_first_is_shown(format: Format) -> None:
    definition = Definition(name="level", type=MetricType.GAUGE, labels=("x",))
    points = [Point(("a",), 1.0), Point(("b",), 2.0), Point(("a",), 3.0)]
    reports: list[str] = []
    page = render([Family(definition, points)], format, on_error=lambda name, error: reports.append(name))
    assert page == render([Family(definition, points[:2])], format)
    assert reports == ["level"]


def test_two_labels_that_escaping_makes_one_lose_the_family() -> None:
    twins = family(MetricType.GAUGE, 1.0, labels=("a.b", "a_b"))
    assert render([twins, GOOD]) == render([GOOD])
    assert b'bad{"a.b"="x",a_b="x"} 1.0' in render([twins], escaping="allow-utf-8")


def counters(number: int) -> Family:
    definition = Definition(name="jobs_total", type=MetricType.COUNTER, labels=("n",))
    return Family(definition, [Point((str(n),), float(n)) for n in range(number)])


def kept(exposition: Exposition) -> int:
    return sum(1 + len(prepared.heads) for names in exposition._prepared.values() for prepared in names.values())


@pytest.mark.parametrize("number", [3, 9, 10, 11, 50])
def test_a_page_is_the_same_however_much_is_kept(number: int) -> None:
    exposition = Exposition(limit=10)
    for _ in range(4):
        assert exposition.render([GOOD, counters(number)]) == render([GOOD, counters(number)])


def test_what_is_kept_is_bounded_whatever_comes() -> None:
    exposition = Exposition(limit=100)
    for n in range(2_000):
        family = Family(Definition(name=f"n{n}", type=MetricType.GAUGE, labels=("x",)), [Point((str(n),), 1.0)])
        exposition.render([family], escaping=list(Escaping)[n % 4])
        assert kept(exposition) <= 102


def test_kept_text_counts_right_when_a_definition_changes() -> None:
    exposition = Exposition(limit=1_000)
    for n in range(50):
        definition = Definition(name="level", type=MetricType.GAUGE, description=str(n), labels=("x",))
        page = exposition.render([Family(definition, [Point((str(n),), 1.0)])])
        assert f"# HELP level {n}\n".encode() in page
    assert exposition._kept == kept(exposition) == 2


def test_new_numbers_are_shown_for_known_series() -> None:
    exposition = Exposition()
    definition = Definition(name="level", type=MetricType.GAUGE)
    for value in (1.0, -2.5, math.inf, math.nan, 3.0):
        family = Family(definition, [Point((), value)])
        assert exposition.render([family]) == render([family])


def test_threads_that_share_an_exposition_get_whole_pages() -> None:
    exposition = Exposition(limit=30)
    start = threading.Barrier(4)
    wrong: list[int] = []

    def scrape(seed: int) -> None:
        definition = Definition(name="wait", type=MetricType.HISTOGRAM)
        value = Histogram((float(seed + 1),), (1.0, 1.0), 1.0)
        families = [counters(10 * seed), Family(definition, [Point((), value)])]
        expected = render(families)
        start.wait(timeout=90)
        wrong.extend(seed for _ in range(100) if exposition.render(families) != expected)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=scrape, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_a_histogram_can_change_its_boundaries() -> None:
    exposition = Exposition()
    definition = Definition(name="wait", type=MetricType.HISTOGRAM)
    for boundaries in ((1.0,), (2.0,), (3.0,)):
        family = Family(definition, [Point((), Histogram(boundaries, (1.0, 1.0), 1.0))])
        assert exposition.render([family]) == render([family])
        assert problems(exposition.render([family])) == []

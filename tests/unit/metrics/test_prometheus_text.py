"""The Prometheus text format, line by line."""

from __future__ import annotations

import math

import pytest

from perfkit.core.families import Definition, Exemplar, Family, Histogram, MetricType, Point, Summary
from perfkit.metrics.exposition import render
from perfkit.testing.exposition import problems


def page(*families: Family) -> str:
    text = render(families).decode()
    assert problems(text) == []
    return text


def counter(*points: Point, name: str = "jobs_total", labels: tuple[str, ...] = (), help: str = "") -> Family:
    return Family(Definition(name=name, type=MetricType.COUNTER, labels=labels, description=help), points)


def gauge(*points: Point, labels: tuple[str, ...] = (), help: str = "") -> Family:
    return Family(Definition(name="level", type=MetricType.GAUGE, labels=labels, description=help), points)


def histogram(value: Histogram, labels: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Family:
    definition = Definition(name="wait_seconds", type=MetricType.HISTOGRAM, labels=labels, unit="seconds")
    return Family(definition, [Point(values, value)])


def test_nothing_makes_an_empty_page() -> None:
    assert render([]) == b""


def test_the_type_line_of_a_counter_names_the_sample() -> None:
    assert page(counter(Point((), 3.0), help="Jobs done.")) == (
        "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\njobs_total 3.0\n"
    )


def test_a_counter_named_without_total_gets_it_as_in_openmetrics() -> None:
    assert page(counter(Point((), 3.0), name="jobs")) == "# TYPE jobs_total counter\njobs_total 3.0\n"


def test_a_metric_without_description_has_no_help_line() -> None:
    assert "# HELP" not in page(counter(Point((), 3.0)))


def test_a_family_without_points_still_says_that_it_exists() -> None:
    assert page(counter(labels=("queue",))) == "# TYPE jobs_total counter\n"


def test_labels_come_in_the_order_of_the_definition() -> None:
    text = page(counter(Point(("mail", "eu"), 1.0), labels=("queue", "area")))
    assert 'jobs_total{queue="mail",area="eu"} 1.0' in text


def test_label_values_escape_backslash_quote_and_line_feed() -> None:
    text = page(gauge(Point(('a\\b"c\nd',), 1.0), labels=("path",)))
    assert r'level{path="a\\b\"c\nd"} 1.0' in text


def test_help_keeps_a_quote_bare() -> None:
    assert '# HELP level a "word\\\\"\\n and more\n' in page(gauge(help='a "word\\"\n and more'))


def test_a_carriage_return_in_help_becomes_a_blank() -> None:
    assert "# HELP level a  b\n" in page(gauge(help="a\r b"))


def test_a_label_without_value_is_left_out() -> None:
    text = page(counter(Point(("mail", ""), 1.0), Point(("", ""), 2.0), labels=("queue", "error_type")))
    assert 'jobs_total{queue="mail"} 1.0\njobs_total 2.0\n' in text


def test_an_unencodable_character_becomes_a_question_mark() -> None:
    assert 'level{path="a?b"} 1.0' in page(gauge(Point(("a\ud800b",), 1.0), labels=("path",)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (12, "12.0"),
        (True, "1.0"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1e300, "1e+300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_the_shortest_exact_text(value: float, text: str) -> None:
    assert f"level {text}\n" in page(gauge(Point((), value)))


def test_one_infinite_value_leaves_its_neighbours_as_they_are() -> None:
    text = page(gauge(Point(("a",), math.inf), Point(("b",), 2.0), labels=("x",)))
    assert 'level{x="a"} +Inf\nlevel{x="b"} 2.0\n' in text


def test_buckets_accumulate_and_the_count_is_the_last_one() -> None:
    assert page(histogram(Histogram((0.5, 1.0), (1.0, 2.0, 3.0), 9.5))) == (
        "# TYPE wait_seconds histogram\n"
        'wait_seconds_bucket{le="0.5"} 1.0\n'
        'wait_seconds_bucket{le="1.0"} 3.0\n'
        'wait_seconds_bucket{le="+Inf"} 6.0\n'
        "wait_seconds_count 6.0\n"
        "wait_seconds_sum 9.5\n"
    )


def test_the_bound_comes_after_the_other_labels() -> None:
    text = page(histogram(Histogram((1.0,), (1.0, 0.0), 0.5), ("route",), ("/a",)))
    assert 'wait_seconds_bucket{route="/a",le="1.0"} 1.0\n' in text
    assert 'wait_seconds_sum{route="/a"} 0.5\n' in text


def test_large_bounds_have_the_form_of_other_clients() -> None:
    text = page(histogram(Histogram((1024.0, 1e6, 4194304.0, 1e16), (0.0,) * 5, 0.0)))
    for bound in ("1024.0", "1e+06", "4.194304e+06", "1e+16"):
        assert f'le="{bound}"' in text


@pytest.mark.parametrize(("boundaries", "total"), [((-1.0, 1.0), 5.0), ((1.0, 2.0), -5.0), ((1.0, 2.0), math.nan)])
def test_a_sum_that_can_go_down_is_not_shown(boundaries: tuple[float, ...], total: float) -> None:
    text = page(histogram(Histogram(boundaries, (1.0, 1.0, 1.0), total)))
    assert "_sum" not in text
    assert "_count" not in text
    assert 'le="+Inf"} 3.0' in text


def test_exemplars_are_not_part_of_the_format() -> None:
    mark = Exemplar((("trace_id", "a"),), 0.4)
    text = page(histogram(Histogram((1.0,), (1.0, 0.0), 0.4, {0: mark})), counter(Point((), 1.0, mark)))
    assert "trace_id" not in text


def test_a_summary_shows_quantiles_count_and_sum() -> None:
    definition = Definition(name="size_bytes", type=MetricType.SUMMARY, labels=("kind",))
    value = Summary(((0.5, 10.0), (0.99, math.nan)), 4.0, 60.0)
    assert page(Family(definition, [Point(("a",), value)])) == (
        "# TYPE size_bytes summary\n"
        'size_bytes{kind="a",quantile="0.5"} 10.0\n'
        'size_bytes{kind="a",quantile="0.99"} NaN\n'
        'size_bytes_count{kind="a"} 4.0\n'
        'size_bytes_sum{kind="a"} 60.0\n'
    )


def test_an_info_is_a_gauge_of_one() -> None:
    definition = Definition(name="build_info", type=MetricType.INFO, labels=("version",))
    assert page(Family(definition, [Point(("1.2",), 1.0)])) == (
        '# TYPE build_info gauge\nbuild_info{version="1.2"} 1.0\n'
    )


def test_an_unknown_type_is_untyped() -> None:
    definition = Definition(name="thing", type=MetricType.UNKNOWN)
    assert page(Family(definition, [Point((), -1.0)])) == "# TYPE thing untyped\nthing -1.0\n"

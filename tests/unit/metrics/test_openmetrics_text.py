"""OpenMetrics where it differs from the Prometheus text format."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perfkit.core.families import Definition, Exemplar, Family, Histogram, MetricType, Point, Summary
from perfkit.metrics.exposition import render
from perfkit.testing.exposition import problems

TRACE = Exemplar((("trace_id", "4bf9"), ("span_id", "00f0")), 0.25, 1700000000.5)


def page(*families: Family, created_at: float | None = None) -> str:
    text = render(families, "openmetrics", created_at=created_at).decode()
    assert problems(text, openmetrics=True) == []
    list(text_string_to_metric_families(text))
    return text


def counter(*points: Point, labels: tuple[str, ...] = ()) -> Family:
    return Family(Definition(name="jobs_total", type=MetricType.COUNTER, labels=labels), points)


def histogram(exemplars: dict[int, Exemplar], boundaries: tuple[float, ...] = (0.1, 0.5)) -> Family:
    definition = Definition(name="wait_seconds", type=MetricType.HISTOGRAM, unit="seconds")
    return Family(definition, [Point((), Histogram(boundaries, (1.0, 2.0, 3.0), 9.0, exemplars))])


def test_an_empty_page_is_only_its_end() -> None:
    assert page() == "# EOF\n"


def test_comments_name_the_family_and_samples_have_total() -> None:
    assert page(counter(Point((), 3.0))) == "# TYPE jobs counter\njobs_total 3.0\n# EOF\n"


def test_help_escapes_quotes_too() -> None:
    definition = Definition(name="level", type=MetricType.GAUGE, description='a "word"\n\\')
    assert r"# HELP level a \"word\"\n\\" in page(Family(definition, [Point((), 1.0)]))


def test_the_unit_is_told_where_the_name_ends_with_it() -> None:
    assert "# UNIT wait_seconds seconds\n" in page(histogram({}))


@pytest.mark.parametrize(("name", "unit"), [("cpu_total", "seconds"), ("seconds_total", "seconds"), ("a_total", "")])
def test_no_unit_is_told_where_the_name_does_not(name: str, unit: str) -> None:
    definition = Definition(name=name, type=MetricType.COUNTER, unit=unit)
    assert "# UNIT" not in page(Family(definition, [Point((), 1.0)]))


def test_the_unit_of_a_counter_stands_before_total() -> None:
    definition = Definition(name="cpu_seconds_total", type=MetricType.COUNTER, unit="seconds")
    assert "# UNIT cpu_seconds seconds\n" in page(Family(definition, [Point((), 1.0)]))


def test_an_info_is_a_family_of_its_own_type() -> None:
    definition = Definition(name="target_info", type=MetricType.INFO, labels=("service_name",))
    text = page(Family(definition, [Point(("shop",), 1.0)]))
    assert text == '# TYPE target info\ntarget_info{service_name="shop"} 1.0\n# EOF\n'


def test_exemplars_stand_behind_their_bucket() -> None:
    assert 'wait_seconds_bucket{le="0.5"} 3.0 # {trace_id="4bf9",span_id="00f0"} 0.25 1700000000.5\n' in page(
        histogram({1: TRACE})
    )


def test_a_counter_can_have_an_exemplar() -> None:
    text = page(counter(Point((), 3.0, Exemplar((("trace_id", "ab"),), 1.0))))
    assert 'jobs_total 3.0 # {trace_id="ab"} 1.0\n' in text


def test_exemplar_labels_are_escaped() -> None:
    # prometheus_client 0.26 cannot read an escaped quote in an exemplar; our own reader can.
    text = render([counter(Point((), 3.0, Exemplar((("trace_id", 'a"\\b'),), 1.0)))], "openmetrics").decode()
    assert 'jobs_total 3.0 # {trace_id="a\\"\\\\b"} 1.0\n' in text
    assert problems(text, openmetrics=True) == []


@pytest.mark.parametrize("bucket", [0, 2])
def test_an_exemplar_outside_of_its_bucket_is_left_out(bucket: int) -> None:
    assert "trace_id" not in page(histogram({bucket: TRACE}))


def test_an_exemplar_on_the_bound_belongs_to_the_bucket() -> None:
    assert "trace_id" in page(histogram({0: TRACE}, boundaries=(0.25, 0.5)))
    assert "trace_id" not in page(histogram({1: TRACE}, boundaries=(0.25, 0.5)))


def test_an_exemplar_has_at_most_128_characters_of_labels() -> None:
    def shown(length: int) -> bool:
        mark = Exemplar((("trace_id", "é" * (length - len("trace_id"))),), 0.25)
        return "trace_id" in page(histogram({1: mark}))

    assert shown(128)
    assert not shown(129)


def test_an_exemplar_with_a_name_that_is_not_allowed_is_left_out() -> None:
    assert "0.25" not in page(histogram({1: Exemplar((("trace.id", "a"),), 0.25)}))


def test_created_is_only_shown_when_asked_for() -> None:
    families = (counter(Point(("a",), 1.0), Point(("",), 2.0), labels=("x",)), histogram({}))
    assert "_created" not in page(*families)
    text = page(*families, created_at=1700000000.0)
    assert 'jobs_total{x="a"} 1.0\njobs_created{x="a"} 1700000000.0\njobs_total 2.0\njobs_created 1' in text
    assert "wait_seconds_sum 9.0\nwait_seconds_created 1700000000.0\n" in text


def test_created_is_no_part_of_the_prometheus_format() -> None:
    assert b"_created" not in render([counter(Point((), 1.0))], created_at=1700000000.0)


def test_a_negative_quantile_is_left_out() -> None:
    definition = Definition(name="size_bytes", type=MetricType.SUMMARY)
    text = page(Family(definition, [Point((), Summary(((0.0, -1.0), (1.0, 2.0)), 4.0, -3.0))]))
    assert text == '# TYPE size_bytes summary\nsize_bytes{quantile="1.0"} 2.0\nsize_bytes_count 4.0\n# EOF\n'

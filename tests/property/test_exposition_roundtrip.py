"""Whatever is exposed reads back as it was, by the parsers of prometheus_client and by our own."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from perfkit.core.families import Definition, Exemplar, Family, Histogram, MetricType, Point, Summary
from perfkit.metrics.exposition import Escaping, Exposition, render
from perfkit.testing.exposition import agreement_problems, problems, read

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text('\\"\n{},= #\r\t', max_size=6)
label_names = st.lists(
    st.from_regex(r"[a-z][a-z_0-9]{0,5}", fullmatch=True).filter(lambda name: name not in ("le", "quantile")),
    max_size=3,
    unique=True,
).map(tuple)
stems = st.from_regex(r"[a-z]{1,4}(_[a-z]{1,4})?", fullmatch=True)
counts = st.integers(0, 2**40).map(float)
floats = st.floats()
positive = st.floats(min_value=0)
bounds = st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), max_size=5, unique=True).map(
    lambda values: tuple(sorted(values))
)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    boundaries = draw(bounds)
    buckets = draw(st.lists(counts, min_size=len(boundaries) + 1, max_size=len(boundaries) + 1))
    marks = st.builds(
        Exemplar,
        st.tuples(st.tuples(st.just("trace_id"), st.text("0123456789abcdef", max_size=140))),
        st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.floats(0, 1e10),
    )
    exemplars = draw(st.none() | st.dictionaries(st.integers(0, len(boundaries)), marks))
    return Histogram(boundaries, buckets, draw(floats), exemplars)


summaries = st.builds(
    Summary,
    st.lists(st.tuples(st.floats(0, 1), floats), max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
    counts,
    floats,
)
VALUES = {
    MetricType.COUNTER: positive,
    MetricType.GAUGE: floats,
    MetricType.HISTOGRAM: histograms(),
    MetricType.SUMMARY: summaries,
    MetricType.INFO: st.just(1.0),
    MetricType.UNKNOWN: floats,
}
SUFFIXES = {MetricType.COUNTER: "_total", MetricType.INFO: "_info"}


@st.composite
def pages(draw: st.DrawFn) -> list[Family]:
    families = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(list(VALUES)), max_size=4))):
        labels = draw(label_names)
        unit = draw(st.sampled_from(["", "seconds", "bytes"]))
        # The number keeps the names apart; `z` behind it keeps `a_1` and `a_1_count` apart.
        name = f"{draw(stems)}_{number}z{'_' + unit if unit else ''}{SUFFIXES.get(kind, '')}"
        definition = Definition(name=name, type=kind, description=draw(texts), labels=labels, unit=unit)
        series = draw(st.lists(st.tuples(*[texts] * len(labels)), max_size=3, unique=True))
        families.append(Family(definition, [Point(values, draw(VALUES[kind])) for values in series]))
    return families


def expected(families: Iterable[Family]) -> Numbers:
    """The slow, obvious model of what every format must show."""
    result: Numbers = {}
    for family in families:
        definition = family.definition
        base = definition.name.removesuffix(SUFFIXES.get(definition.type, ""))
        for point in family.points:
            labels = {name: value for name, value in zip(definition.labels, point.labels, strict=True) if value}
            value = point.value
            if isinstance(value, Histogram):
                for bound, count in zip((*value.boundaries, math.inf), accumulate(value.counts), strict=True):
                    result[f"{base}_bucket", frozenset({**labels, "le": repr(bound)}.items())] = count
                if value.sum >= 0 and all(bound >= 0 for bound in value.boundaries):
                    result[f"{base}_count", frozenset(labels.items())] = sum(value.counts)
                    result[f"{base}_sum", frozenset(labels.items())] = value.sum
            elif isinstance(value, Summary):
                for quantile, at in value.quantiles:
                    if not at < 0:
                        result[base, frozenset({**labels, "quantile": repr(quantile)}.items())] = at
                result[f"{base}_count", frozenset(labels.items())] = value.count
                if value.sum >= 0:
                    result[f"{base}_sum", frozenset(labels.items())] = value.sum
            else:
                result[definition.name, frozenset(labels.items())] = value
    return result


def numeric(labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    """Labels with the bounds as numbers in one form, so that texts of bounds are compared by value."""
    return frozenset(
        (name, repr(float(value)) if name in ("le", "quantile") else value) for name, value in labels.items()
    )


def numbers_of(metrics: Iterable[Metric]) -> Numbers:
    return {
        (sample.name, numeric(sample.labels)): float(sample.value) for metric in metrics for sample in metric.samples
    }


def assert_same(found: Numbers, wanted: Numbers) -> None:
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key] == value or (math.isnan(found[key]) and math.isnan(value))


@given(pages())
def test_prometheus_text_reads_back(families: list[Family]) -> None:
    page = render(families, on_error=unexpected).decode()
    assert_same(numbers_of(read_prometheus(page)), expected(families))


@given(pages())
def test_openmetrics_reads_back(families: list[Family]) -> None:
    page = render(families, "openmetrics", on_error=unexpected).decode()
    metrics = list(read_openmetrics(page))
    assert_same(numbers_of(metrics), expected(families))
    for metric, family in zip(metrics, families, strict=True):
        definition = family.definition
        assert metric.name == definition.name.removesuffix(SUFFIXES.get(definition.type, ""))
        assert metric.type == definition.type
        assert metric.unit == ("" if definition.type is MetricType.INFO else definition.unit)
        assert metric.documentation == definition.description.strip().replace("\r", " ")


@given(pages())
def test_both_pages_are_right_and_agree(families: list[Family]) -> None:
    prometheus, openmetrics = render(families), render(families, "openmetrics", created_at=1.7e9)
    assert problems(prometheus) == []
    assert problems(openmetrics, openmetrics=True) == []
    assert agreement_problems(prometheus, render(families, "openmetrics")) == []


@given(pages())
def test_our_reader_finds_the_same_numbers(families: list[Family]) -> None:
    page = read(render(families))
    assert_same(
        {(series.name, numeric(dict(series.labels))): series.value for series in page.series}, expected(families)
    )


@given(pages())
def test_json_and_csv_show_the_same_numbers(families: list[Family]) -> None:
    document = json.loads(render(families, "json", on_error=unexpected))
    assert_same(
        {
            (sample["name"], numeric(sample["labels"])): float(sample["value"])
            for family in document
            for sample in family["samples"]
        },
        expected(families),
    )
    table = csv.reader(io.StringIO(render(families, "csv", on_error=unexpected).decode(), newline=""))
    next(table)
    assert_same(
        {(name, numeric(json.loads(labels))): float(value) for name, _, labels, value, _ in table}, expected(families)
    )


@given(st.lists(pages(), max_size=4), st.integers(0, 8))
def test_what_was_kept_never_shows(scrapes: list[list[Family]], limit: int) -> None:
    exposition = Exposition(limit=limit)
    for families in scrapes * 2:
        for word in ("prometheus", "openmetrics"):
            assert exposition.render(families, word) == render(families, word)


@given(
    st.text(min_size=1, max_size=8),
    st.lists(st.text(min_size=1, max_size=5).filter(lambda name: not name.startswith("__")), max_size=3, unique=True),
    st.sampled_from(list(Escaping)),
    st.sampled_from(["prometheus", "openmetrics"]),
)
def test_any_name_gives_a_right_page_or_none(name: str, labels: list[str], escaping: Escaping, format: str) -> None:
    definition = Definition(name=name, type=MetricType.GAUGE, labels=tuple(labels))
    page = render([Family(definition, [Point(("v",) * len(labels), 1.0)])], format, escaping=escaping)
    found = [problem for problem in problems(page, openmetrics=format == "openmetrics") if "reserved" not in problem]
    assert found == []


def unexpected(name: str, error: Exception) -> None:
    raise AssertionError(f"{name} was left out") from error

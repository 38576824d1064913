"""Whatever is recorded with instruments reads back, by prometheus_client's parsers and in its registry."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from metric_pages import build
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from perfkit.core.errors import MetricError
from perfkit.metrics import MetricsCollector
from perfkit.testing.exposition import agreement_problems, problems

unhurried = settings(deadline=None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text('\\"\n{},= #\r\t', max_size=6)
names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
labels = st.lists(st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,5}", fullmatch=True), max_size=3, unique=True)
kinds = st.sampled_from(["counter", "gauge", "histogram", "summary", "timer"])
amounts = st.floats(0, 1e12)

Recorded = dict[str, tuple[str, tuple[str, ...], dict[tuple[str, ...], list[float]], str]]


@st.composite
def records(draw: st.DrawFn) -> tuple[MetricsCollector, Recorded]:
    """Return a collector, and what was recorded with it by full name: kind, labels, values by label values, help."""
    metrics = build()
    recorded: Recorded = {}
    for _ in range(draw(st.integers(1, 4))):
        name, kind, help_text = draw(names), draw(kinds), draw(texts)
        try:
            instrument: Any = metrics.define_metric(name, kind, help_text, labels=draw(labels), unit=draw(units))
        except MetricError:
            continue  # a name or label that cannot be: refused when it is defined, and not on the page
        definition = instrument.definition
        if definition.name in recorded:
            continue
        series: dict[tuple[str, ...], list[float]] = {}
        for values in draw(st.lists(st.tuples(*[texts] * len(definition.labels)), max_size=3)):
            amount = draw(amounts)
            series.setdefault(values, []).append(amount)
            verb = {"counter": "increment", "gauge": "set"}.get(kind, "record")
            getattr(instrument.labels(*values), verb)(amount)
        if series:
            recorded[definition.name] = (kind, definition.labels, series, help_text)
    return metrics, recorded


units = st.sampled_from(["", "bytes", "s"])


def expected(recorded: Recorded) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The slow, obvious model: one number of each series."""
    result = {}
    for name, (kind, label_names, series, _) in recorded.items():
        for values, observed in series.items():
            pairs = frozenset((label, value) for label, value in zip(label_names, values, strict=True) if value)
            if kind == "counter":
                result[name, pairs] = math.fsum(observed)
            elif kind == "gauge":
                result[name, pairs] = observed[-1]
            else:
                result[f"{name}_count", pairs] = float(len(observed))
                result[f"{name}_sum", pairs] = math.fsum(observed)
    return result


def found(families: Iterable[Any]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset((key, value) for key, value in sample.labels.items() if value)): float(sample.value)
        for family in families
        for sample in family.samples
    }


def assert_among(wanted: dict[Any, float], page: dict[Any, float]) -> None:
    for key, value in wanted.items():
        assert math.isclose(page[key], value, rel_tol=1e-9, abs_tol=1e-9), key


@unhurried
@given(records())
def test_what_instruments_recorded_reads_back(made: tuple[MetricsCollector, Recorded]) -> None:
    metrics, recorded = made
    text, openmetrics = metrics.export_metrics(), metrics.export_metrics("openmetrics")
    assert problems(text) == problems(openmetrics, openmetrics=True) == agreement_problems(text, openmetrics) == []
    assert_among(expected(recorded), found(read_prometheus(text)))
    assert_among(expected(recorded), found(read_openmetrics(openmetrics)))


@unhurried
@given(records())
def test_descriptions_read_back(made: tuple[MetricsCollector, Recorded]) -> None:
    metrics, recorded = made
    told = {family.name: family.documentation for family in read_openmetrics(metrics.export_metrics("openmetrics"))}
    for name, (kind, _, _, help_text) in recorded.items():
        base = name.removesuffix("_total") if kind == "counter" else name
        assert told[base] == help_text.strip().replace("\r", " ")


@unhurried
@given(records())
def test_what_instruments_recorded_is_in_their_registry(made: tuple[MetricsCollector, Recorded]) -> None:
    metrics, recorded = made
    registry = CollectorRegistry()
    metrics.register_in(registry)
    assert_among(expected(recorded), found(registry.collect()))


@unhurried
@given(st.text(min_size=1, max_size=10), kinds, st.lists(st.text(min_size=1, max_size=5), max_size=3), texts)
def test_any_name_is_refused_or_gives_a_right_page(name: str, kind: str, labels: list[str], value: str) -> None:
    metrics = build(allow_utf8_names=True)
    try:
        instrument: Any = metrics.define_metric(name, kind, labels=labels)
    except MetricError:
        return
    verb = {"counter": "increment", "gauge": "set"}.get(kind, "record")
    getattr(instrument.labels(*[value] * len(labels)), verb)(1.0)
    for escaping in ("underscores", "dots", "values", "allow-utf-8"):
        page = metrics.export_metrics(escaping=escaping)
        assert problems(page) == []

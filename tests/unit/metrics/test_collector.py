"""The metrics collector: what it gathers, and how."""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Iterator
from typing import Any, cast

import pytest

from perfkit.core.context import Context
from perfkit.core.errors import ErrorLog, MetricError
from perfkit.core.families import Definition, Family, Histogram, MetricType, Point
from perfkit.metrics import MetricsCollector, MetricsSettings
from perfkit.metrics.exposition import Escaping, Format
from perfkit.testing import FakeClock
from perfkit.testing.exposition import agreement_problems, problems

JOBS = Family(Definition(name="jobs_total", type=MetricType.COUNTER), [Point((), 3.0)])
WAIT = Family(
    Definition(name="wait_seconds", type=MetricType.HISTOGRAM, unit="seconds"),
    [Point((), Histogram((1.0,), (1.0, 2.0), 4.0))],
)
BUILD = Family(Definition(name="build_info", type=MetricType.INFO, labels=("version",)), [Point(("1",), 1.0)])
FOREIGN = Family(Definition(name="foreign.level", type=MetricType.GAUGE), [Point((), 1.0)])


class FixedStore:
    """A store that holds given families and keeps the contract of `Store.families`."""

    is_shared = False

    def __init__(self, *families: Family) -> None:
        self._families = families

    def families(self, names: Container[str] | None = None, *, detailed: bool = False) -> list[Family]:
        return [family for family in self._families if names is None or family.definition.name in names]


def collector(
    *families: Family,
    foreign: Iterable[Family] = (),
    settings: MetricsSettings | None = None,
    **context: Any,
) -> MetricsCollector:
    surroundings = Context(
        store=cast(Any, FixedStore(*families)), clock=FakeClock(), families=lambda: foreign, **context
    )
    return MetricsCollector(settings=settings or MetricsSettings(target_info=False), context=surroundings)


def names(metrics: MetricsCollector, *wanted: str) -> list[str]:
    return [family["name"] for family in json.loads(metrics.export_metrics("json", names=wanted or None))]


def test_it_shows_the_store_and_what_components_bring() -> None:
    assert names(collector(JOBS, WAIT, foreign=[FOREIGN])) == ["jobs_total", "wait_seconds", "foreign.level"]


def test_the_default_format_is_prometheus() -> None:
    assert collector(JOBS).export_metrics() == "# TYPE jobs_total counter\njobs_total 3.0\n"


@pytest.mark.parametrize("format", list(Format))
def test_text_for_people_and_bytes_for_http_are_the_same(format: Format) -> None:
    metrics = collector(JOBS, WAIT, foreign=[FOREIGN])
    assert metrics.export_metrics(format).encode() == metrics.expose(format)


def test_both_text_formats_are_right_and_show_the_same() -> None:
    metrics = collector(JOBS, WAIT, BUILD, foreign=[FOREIGN], settings=MetricsSettings())
    pages = metrics.export_metrics("prometheus"), metrics.export_metrics("openmetrics")
    assert problems(pages[0]) == problems(pages[1], openmetrics=True) == agreement_problems(*pages) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (("jobs_total",), ["jobs_total"]),
        (("jobs",), ["jobs_total"]),
        (("wait_seconds_bucket",), ["wait_seconds"]),
        (("wait_seconds_sum", "build"), ["wait_seconds", "build_info"]),
        (("wait_seconds_total",), []),
        (("jobs_sum",), []),
        (("foreign.level",), ["foreign.level"]),
        (("nothing",), []),
    ],
)
def test_families_are_selected_by_family_or_series_name(wanted: tuple[str, ...], found: list[str]) -> None:
    assert names(collector(JOBS, WAIT, BUILD, foreign=[FOREIGN]), *wanted) == found


def test_no_names_at_all_selects_nothing() -> None:
    assert collector(JOBS).export_metrics(names=[]) == ""


def test_foreign_names_are_escaped_as_asked() -> None:
    metrics = collector(foreign=[FOREIGN])
    assert "foreign_level 1.0" in metrics.export_metrics()
    assert '{"foreign.level"} 1.0' in metrics.export_metrics(escaping="allow-utf-8")
    assert b"U__foreign_2E_level 1.0" in metrics.expose(escaping=Escaping.VALUES)


def test_csv_is_stamped_by_the_clock() -> None:
    assert "3.0,1700000000.000" in collector(JOBS).export_metrics("csv")


def test_target_info_names_service_version_and_environment() -> None:
    metrics = collector(settings=MetricsSettings(), service="shop", release="1.4", environment="staging")
    line = 'target_info{service_name="shop",service_version="1.4",deployment_environment_name="staging"} 1.0\n'
    assert f"# TYPE target info\n# HELP target The service that these metrics are of.\n{line}" in (
        metrics.export_metrics("openmetrics")
    )


def test_target_info_leaves_out_an_unknown_version() -> None:
    assert "service_version" not in collector(settings=MetricsSettings(), service="shop").export_metrics()


@pytest.mark.parametrize(("format", "escaping"), [("xml", "dots"), ("json", "rot13")])
def test_unknown_words_are_errors_that_list_the_known_ones(format: str, escaping: str) -> None:
    with pytest.raises(MetricError, match=r"Known are: (prometheus, openmetrics|underscores, dots)"):
        collector().export_metrics(format, escaping=escaping)


def failing() -> Iterator[Family]:
    yield FOREIGN
    raise RuntimeError("broken component")


def test_a_failing_component_costs_only_what_it_had_left(caplog: pytest.LogCaptureFixture) -> None:
    counted: list[tuple[str, str]] = []
    errors = ErrorLog(clock=FakeClock(), count=lambda component, kind: counted.append((component, kind)))
    metrics = collector(JOBS, foreign=failing(), errors=errors)
    with caplog.at_level(logging.WARNING, logger="perfkit"):
        assert names(metrics) == ["jobs_total", "foreign.level"]
    assert counted == [("metrics", "RuntimeError")]


def test_a_family_that_cannot_be_shown_is_counted_once_a_scrape_and_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counted: list[tuple[str, str]] = []
    errors = ErrorLog(clock=FakeClock(), count=lambda component, kind: counted.append((component, kind)))
    broken = Family(Definition(name="broken_total", type=MetricType.COUNTER), [Point((), -1.0)])
    metrics = collector(broken, JOBS, errors=errors)
    with caplog.at_level(logging.WARNING, logger="perfkit"):
        for _ in range(3):
            assert metrics.export_metrics() == "# TYPE jobs_total counter\njobs_total 3.0\n"
    assert counted == [("metrics", "MetricError")] * 3
    assert len(caplog.records) == 1
    assert "broken_total" in caplog.text


def test_it_is_built_from_settings_and_context() -> None:
    context = Context(store=cast(Any, FixedStore(JOBS)))
    metrics = MetricsCollector.from_settings(MetricsSettings(target_info=False), context)
    assert names(metrics) == ["jobs_total"]
    assert MetricsCollector.name == "metrics"
    assert MetricsCollector.settings_type is MetricsSettings

"""The bridge to prometheus_client: theirs on our page, ours in their registry."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from metric_pages import build, shown
from prometheus_client import CollectorRegistry, exposition, metrics_core
from prometheus_client.openmetrics.exposition import generate_latest as their_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from perfkit import PerformanceSystem
from perfkit.core.families import Definition, Family, MetricType, Point
from perfkit.metrics import MetricsCollector
from perfkit.metrics.bridge.foreign import families_of
from perfkit.metrics.exposition import render
from perfkit.testing.exposition import agreement_problems, problems


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry with one metric of each type and some series."""
    registry = CollectorRegistry()
    client = prometheus_client
    client.Counter("jobs", "Jobs.", ["kind"], registry=registry).labels("a").inc(3, {"trace_id": "abc"})
    client.Gauge("level_celsius", 'Hot "or" \\ not\nreally.', registry=registry, unit="celsius").set(-4.5)
    wait = client.Histogram("wait_seconds", "Wait.", ["of"], registry=registry, buckets=(1, 2.5, math.inf))
    for value in (0.5, 2, 9):
        wait.labels('x"\\\n').observe(value, {"trace_id": "hist"})
    client.Summary("size_bytes", "Size.", registry=registry).observe(7)
    client.Info("build", "Build.", registry=registry).info({"version": "1.2", "commit": "abc"})
    client.Enum("mood", "Mood.", registry=registry, states=["good", "bad"]).state("bad")
    return registry


@pytest.fixture
def metrics(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> MetricsCollector:
    """Return a collector that shows *registry* and, of the default one, nothing but what a test adds."""
    monkeypatch.setattr(prometheus_client, "REGISTRY", CollectorRegistry())
    metrics = build(prometheus_client="on")
    metrics.add_registry(registry)
    return metrics


Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def numbers(families: Iterable[Any]) -> Numbers:
    return {
        (sample.name, frozenset((k, v) for k, v in sample.labels.items() if v)): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_their_metrics_are_on_our_page_as_on_theirs(metrics: MetricsCollector, registry: CollectorRegistry) -> None:
    theirs = numbers(registry.collect())
    assert len(theirs) == 12
    text, openmetrics = metrics.export_metrics(), metrics.export_metrics("openmetrics")
    assert problems(text) == problems(openmetrics, openmetrics=True) == agreement_problems(text, openmetrics) == []
    for page in (read_text(text), read_openmetrics(openmetrics)):
        found = numbers(page)
        assert {key: found.get(key) for key in theirs} == theirs


def test_types_units_help_and_exemplars_come_along(metrics: MetricsCollector) -> None:
    families = {family.name: family for family in read_openmetrics(metrics.export_metrics("openmetrics"))}
    kinds = {"jobs": "counter", "level_celsius": "gauge", "wait_seconds": "histogram", "size_bytes": "summary"}
    assert {name: families[name].type for name in kinds} == kinds
    assert (families["build"].type, families["mood"].type) == ("info", "gauge")
    assert families["level_celsius"].unit == "celsius"
    assert families["level_celsius"].documentation == 'Hot "or" \\ not\nreally.'
    found = [sample for name in ("jobs", "wait_seconds") for sample in families[name].samples]
    marks = [sample.exemplar.labels for sample in found if sample.exemplar]
    assert marks == [{"trace_id": "abc"}, *[{"trace_id": "hist"}] * 3]


def test_single_metrics_can_be_asked_for(metrics: MetricsCollector) -> None:
    assert shown(metrics, "jobs_total") == {"jobs_total{kind=a}": 3.0}
    assert shown(metrics, "size_bytes_count") == {"size_bytes_count": 1.0, "size_bytes_sum": 7.0}


class Custom:
    """A collector that yields everything that prometheus_client knows, and something strange."""

    def collect(self) -> Iterator[metrics_core.Metric]:
        states = metrics_core.StateSetMetricFamily("state", "States.", labels=["of"])
        states.add_metric(["x"], {"on": True, "off": False})
        yield states
        buckets = [("1.0", 2), ("+Inf", 3)]
        yield metrics_core.GaugeHistogramMetricFamily("queue", "Queue.", buckets=buckets, gsum_value=9)
        yield metrics_core.UnknownMetricFamily("unknown_thing", "What?", value=5)
        yield metrics_core.SummaryMetricFamily("empty", "Nothing.", labels=["a"])
        uneven = metrics_core.Metric("uneven", "Labels differ.", "gauge")
        uneven.add_sample("uneven", {"a": "1"}, 1)
        uneven.add_sample("uneven", {"b": "2"}, 2, timestamp=5.0)
        uneven.add_sample("uneven_beside", {}, 3)
        yield uneven
        quantiles = metrics_core.Metric("quick", "Quantiles.", "summary")
        for quantile in ("0.5", "0.99"):
            quantiles.add_sample("quick", {"quantile": quantile, "a": "b"}, float(quantile))
        quantiles.add_sample("quick_count", {"a": "b"}, 2)
        quantiles.add_sample("quick_sum", {"a": "b"}, 3)
        yield quantiles
        open_ended = metrics_core.Metric("open_ended", "No +Inf.", "histogram")
        open_ended.add_sample("open_ended_bucket", {"le": "1.0"}, 2)
        open_ended.add_sample("open_ended_count", {}, 5)
        open_ended.add_sample("open_ended_sum", {}, 7)
        yield open_ended


def test_custom_collectors_are_shown_whatever_they_yield(metrics: MetricsCollector) -> None:
    metrics.add_registry(registry := CollectorRegistry())
    registry.register(Custom())
    text, openmetrics = metrics.export_metrics(), metrics.export_metrics("openmetrics")
    assert problems(text) == problems(openmetrics, openmetrics=True) == agreement_problems(text, openmetrics) == []
    found = {f"{name}{dict(labels)}": value for (name, labels), value in numbers(read_text(text)).items()}
    assert found["unknown_thing{}"] == 5.0
    assert found["uneven{'a': '1'}"] == 1.0
    assert found["uneven{'b': '2'}"] == 2.0
    assert found["uneven_beside{}"] == 3.0
    assert found["queue_gcount{}"] == 3.0
    assert found["queue_gsum{}"] == 9.0
    assert found["open_ended_bucket{'le': '+Inf'}"] == 5.0
    assert found["open_ended_sum{}"] == 7.0
    assert sum(name.startswith("state{") for name in found) == 2
    assert sum(name.startswith("quick") for name in found) == 4


def test_a_collector_that_fails_costs_only_what_it_had(
    metrics: MetricsCollector, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def collect(self) -> Iterator[metrics_core.Metric]:
            raise RuntimeError("database is away")

    class Strange:
        def collect(self) -> list[Any]:
            bad = metrics_core.Metric("bad", "Bad.", "histogram")
            bad.add_sample("bad_bucket", {"le": "many"}, 2)
            return [object(), bad, metrics_core.GaugeMetricFamily("good", "Good.", value=1)]

    metrics.add_registry(registry := CollectorRegistry())
    registry.register(Broken())
    registry.register(Strange())
    with caplog.at_level(logging.WARNING, logger="perfkit"):
        page = metrics.export_metrics()
    assert problems(page) == []
    assert "good 1.0" in page
    assert 'jobs_total{kind="a"} 3.0' in page
    assert "database is away" in caplog.text


def test_of_two_metrics_of_one_name_ours_is_shown(metrics: MetricsCollector, caplog: pytest.LogCaptureFixture) -> None:
    metrics.define_metric("jobs", "counter", labels=()).increment(100)
    metrics.define_metric("wait_seconds_count", "gauge").set(1)
    with caplog.at_level(logging.WARNING, logger="perfkit"):
        page = metrics.export_metrics()
    assert problems(page) == []
    assert "\njobs_total 100.0\n" in f"\n{page}"
    assert "wait_seconds_bucket" not in page
    assert "is left out: perfkit has metrics of that name" in caplog.text


def test_the_default_registrys_process_metrics_clash_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING, logger="perfkit"),
        PerformanceSystem({"metrics": {"prometheus_client": "on"}}, environment="testing") as system,
    ):
        page = system.export_metrics()
    assert problems(page) == []
    assert page.count("# TYPE process_resident_memory_bytes ") == 1
    assert "python_info{" in page
    assert "process_" not in caplog.text


def test_switched_off_nothing_of_theirs_is_shown(registry: CollectorRegistry) -> None:
    metrics = build(prometheus_client="off")
    metrics.add_registry(registry)
    assert "jobs" not in metrics.export_metrics()


def run(script: str, *arguments: str, **environment: str) -> str:
    """Run *script* in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_auto_means_only_where_the_application_has_imported_it() -> None:
    run(
        """
        import sys
        from perfkit.metrics import MetricsCollector
        metrics = MetricsCollector()
        metrics.increment_counter("ours")
        assert "python_info" not in metrics.export_metrics()
        assert "prometheus_client" not in sys.modules
        import prometheus_client
        prometheus_client.Counter("theirs", "Theirs.").inc()
        page = metrics.export_metrics()
        assert "python_info" in page and "theirs_total 1.0" in page and "ours_total 1.0" in page
        """
    )


def test_in_their_multiprocess_mode_their_files_are_read(tmp_path: Path) -> None:
    printed = run(
        """
        import os, prometheus_client
        from perfkit.metrics import MetricsCollector
        jobs = prometheus_client.Counter("jobs", "Jobs.", ["kind"])
        level = prometheus_client.Gauge("level", "Level.", multiprocess_mode="livesum")
        wait = prometheus_client.Histogram("wait", "Wait.", buckets=(1, 2))
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                jobs.labels("a").inc(2)
                level.set(5)
                wait.observe(1.5)
                os._exit(0)
            os.waitpid(pid, 0)
        print(MetricsCollector().export_metrics())
        """,
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    assert problems(printed.rstrip("\n") + "\n") == []
    for line in ('jobs_total{kind="a"} 6.0', "level 15.0", 'wait_bucket{le="2.0"} 3.0', "wait_sum 4.5"):
        assert line in printed.splitlines()


def test_our_metrics_are_in_their_registry(registry: CollectorRegistry) -> None:
    metrics = build(prometheus_client="off")
    metrics.define_metric("ours", "counter", "Ours.", labels=["a"]).labels("x").increment_with_exemplar(
        2, {"trace_id": "abc"}
    )
    wait = metrics.define_metric("our_wait", "histogram", unit="seconds", buckets=[1, 2e6])
    wait.record_with_exemplar(5.0, {"trace_id": "hist"})
    metrics.define_metric("weight", "summary").record(7)
    metrics.set_gauge("our_level", -3)
    metrics.register_in(registry)
    page = their_openmetrics(registry).decode()
    families = {family.name: family for family in read_openmetrics(page)}
    assert families["ours"].type == "counter"
    assert families["our_wait_seconds"].unit == "seconds"
    assert families["weight"].type == "summary"
    assert 'ours_total{a="x"} 2.0 # {trace_id="abc"} 2.0' in page
    assert 'our_wait_seconds_bucket{le="2e+06"} 1.0 # {trace_id="hist"} 5.0' in page
    assert registry.get_sample_value("our_level") == -3.0
    ours = numbers(read_text(metrics.export_metrics()))
    theirs = numbers(read_text(exposition.generate_latest(registry).decode()))
    assert ours.items() <= theirs.items()


def test_names_that_their_registry_has_stay_theirs(registry: CollectorRegistry) -> None:
    metrics = build(prometheus_client="off")
    metrics.increment_counter("jobs", 100)
    metrics.increment_counter("others", 1)
    metrics.register_in(registry)
    page = exposition.generate_latest(registry).decode()
    assert page.count("# TYPE jobs_total ") == 1
    assert "jobs_total 100" not in page
    assert "others_total 1.0" in page


def test_each_in_the_other_shows_everything_once(metrics: MetricsCollector, registry: CollectorRegistry) -> None:
    metrics.increment_counter("ours")
    metrics.register_in(registry)
    for page in (metrics.export_metrics(), exposition.generate_latest(registry).decode()):
        assert page.count("# TYPE ours_total ") == 1
        assert page.count("# TYPE jobs_total ") == 1


def test_the_default_registry_is_where_ours_go_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    own = CollectorRegistry(auto_describe=True)
    monkeypatch.setattr(prometheus_client, "REGISTRY", own)
    metrics = build(prometheus_client="auto")
    metrics.increment_counter("ours", 4)
    metrics.register_in()
    assert own.get_sample_value("ours_total") == 4.0


def test_a_family_of_ours_that_they_refuse_costs_only_itself(registry: CollectorRegistry) -> None:
    metrics = build(prometheus_client="off")
    broken = Family(Definition(name="broken", type=MetricType.HISTOGRAM), [Point((), 1.0)])
    exported = metrics._bridge.exported(lambda: [broken, *metrics._ours()], registry)
    metrics.increment_counter("ours")
    assert "ours" in {metric.name for metric in exported.collect()}


def test_what_was_read_can_be_shown_again(registry: CollectorRegistry) -> None:
    def unexpected(name: str, error: Exception) -> None:
        raise AssertionError(name) from error

    families = list(families_of(registry.collect(), unexpected))
    page = json.loads(render(families, "json", on_error=unexpected))
    assert len(page) == 6

"""prometheus_client's metrics where several workers share a store: right for all of them, without its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import prometheus_client
import pytest
from metric_pages import build, shown
from prometheus_client import CollectorRegistry, metrics_core

from perfkit.metrics import MetricsCollector
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock
from perfkit.testing.exposition import agreement_problems, problems


class Worker:
    """One worker: a store, a collector, and a registry of prometheus_client."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.store = Store(StoreSettings(directory=str(directory)), clock=self.clock)
        self.store.open()
        self.registry = CollectorRegistry()
        self.metrics: MetricsCollector = build(self.store, prometheus_client="on")
        self.metrics.add_registry(self.registry)
        client = prometheus_client
        self.jobs = client.Counter("jobs", "Jobs.", ["kind"], registry=self.registry)
        self.level = client.Gauge("level", "Level.", registry=self.registry)
        self.wait = client.Histogram("wait_seconds", "Wait.", ["of"], registry=self.registry, buckets=(1, 2.5))
        self.size = client.Summary("size_bytes", "Size.", registry=self.registry)
        self.gauges = {
            mode: client.Gauge(f"level_{mode}", "Level.", registry=self.registry, multiprocess_mode=mode)
            for mode in ("livesum", "max", "min", "mostrecent")
        }

    def tick(self) -> None:
        self.metrics.tick(self.clock.monotonic())


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Worker]]:
    monkeypatch.setattr(prometheus_client, "REGISTRY", CollectorRegistry())
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    workers = [Worker(tmp_path) for _ in range(3)]
    yield workers
    for worker in workers:
        worker.store.close()


def test_any_worker_shows_the_sum_of_all(workers: list[Worker]) -> None:
    for number, worker in enumerate(workers, 1):
        worker.jobs.labels("a").inc(number)
        worker.jobs.labels("b").inc(0)
        for value in (0.5, 2, 9):
            worker.wait.labels("x").observe(value)
        worker.size.observe(number)
        worker.tick()
    for worker in workers:
        assert shown(worker.metrics, "jobs") == {"jobs_total{kind=a}": 6.0, "jobs_total{kind=b}": 0.0}
        assert shown(worker.metrics, "wait_seconds") == {
            "wait_seconds_bucket{of=x,le=1.0}": 3.0,
            "wait_seconds_bucket{of=x,le=2.5}": 6.0,
            "wait_seconds_bucket{of=x,le=+Inf}": 9.0,
            "wait_seconds_count{of=x}": 9.0,
            "wait_seconds_sum{of=x}": 34.5,
        }
        assert shown(worker.metrics, "size_bytes") == {"size_bytes_count": 3.0, "size_bytes_sum": 6.0}


def test_gauges_are_joined_as_their_multiprocess_mode_says(workers: list[Worker]) -> None:
    for number, worker in enumerate(workers, 1):
        worker.clock.advance(float(number))
        worker.level.set(number)
        for gauge in worker.gauges.values():
            gauge.set(number)
        worker.tick()
    for worker in workers:
        found = {mode: shown(worker.metrics, f"level_{mode}") for mode in worker.gauges}
        assert found == {
            "livesum": {"level_livesum": 6.0},
            "max": {"level_max": 3.0},
            "min": {"level_min": 1.0},
            "mostrecent": {"level_mostrecent": 3.0},
        }
        assert shown(worker.metrics, "level") == {f"level{{worker={n}}}": float(n) for n in (1, 2, 3)}


def test_an_update_is_counted_once_however_often_it_is_mirrored(workers: list[Worker]) -> None:
    worker = workers[0]
    worker.jobs.labels("a").inc(5)
    worker.wait.labels("x").observe(2)
    for _ in range(5):
        worker.tick()
        assert shown(worker.metrics, "jobs") == {"jobs_total{kind=a}": 5.0}
    worker.jobs.labels("a").inc(0.5)
    assert shown(worker.metrics, "jobs") == {"jobs_total{kind=a}": 5.5}
    assert shown(worker.metrics, "wait_seconds")["wait_seconds_count{of=x}"] == 1.0


def test_a_scrape_is_up_to_date_for_the_worker_that_answers(workers: list[Worker]) -> None:
    workers[0].jobs.labels("a").inc()
    assert shown(workers[0].metrics, "jobs") == {"jobs_total{kind=a}": 1.0}


def test_a_metric_that_was_cleared_goes_on_from_zero(workers: list[Worker]) -> None:
    worker = workers[0]
    worker.jobs.labels("a").inc(5)
    worker.wait.labels("x").observe(2)
    worker.wait.labels("x").observe(2)
    worker.tick()
    worker.jobs.clear()
    worker.wait.clear()
    worker.jobs.labels("a").inc(2)
    worker.wait.labels("x").observe(2)
    worker.tick()
    assert shown(worker.metrics, "jobs") == {"jobs_total{kind=a}": 7.0}
    assert shown(worker.metrics, "wait_seconds")["wait_seconds_sum{of=x}"] == pytest.approx(6.0)


def test_a_worker_that_left_is_still_counted(workers: list[Worker]) -> None:
    for worker in workers:
        worker.jobs.labels("a").inc()
        worker.tick()
    workers[2].store.close()
    assert shown(workers[0].metrics, "jobs") == {"jobs_total{kind=a}": 3.0}


def test_the_page_is_right(workers: list[Worker]) -> None:
    worker = workers[0]
    worker.jobs.labels('"\\\n').inc()
    worker.size.observe(1)
    prometheus_client.Info("build", "Build.", registry=worker.registry).info({"version": "1"})
    prometheus_client.Enum("mood", "Mood.", registry=worker.registry, states=["good", "bad"]).state("bad")
    pages = worker.metrics.export_metrics(), worker.metrics.export_metrics("openmetrics")
    assert problems(pages[0]) == problems(pages[1], openmetrics=True) == agreement_problems(*pages) == []
    assert 'build_info{version="1"} 1.0' in pages[0]
    assert 'mood{mood="bad"} 1.0' in pages[0]


def test_custom_collectors_are_asked_at_a_scrape_only(workers: list[Worker]) -> None:
    asked = []

    class Custom:
        def collect(self) -> Iterator[metrics_core.Metric]:
            asked.append(True)
            yield metrics_core.GaugeMetricFamily("custom", "Custom.", value=5)

    worker = workers[0]
    worker.registry.register(Custom())
    for _ in range(5):
        worker.tick()
    assert not asked
    assert shown(worker.metrics, "custom") == {"custom": 5.0}
    assert len(asked) == 1


def test_a_metric_that_clashes_with_ours_is_left_out(workers: list[Worker], caplog: pytest.LogCaptureFixture) -> None:
    worker = workers[0]
    worker.metrics.define_metric("jobs", "counter", labels=()).increment(100)
    worker.jobs.labels("a").inc()
    worker.wait.labels("x").observe(2)
    page = worker.metrics.export_metrics()
    assert problems(page) == []
    assert "\njobs_total 100.0" in f"\n{page}"
    assert "wait_seconds_count" in page
    assert "'jobs_total' of prometheus_client is left out" in caplog.text


def test_what_one_workers_default_collectors_say_is_left_out(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prometheus_client import gc_collector, platform_collector, process_collector

    registry = CollectorRegistry()
    process_collector.ProcessCollector(registry=registry)
    platform_collector.PlatformCollector(registry=registry)
    gc_collector.GCCollector(registry=registry)
    monkeypatch.setattr(prometheus_client, "REGISTRY", registry)
    page = workers[0].metrics.export_metrics()
    assert "python_gc_" not in page
    assert "process_" not in page


def test_ours_in_their_registry_are_not_mirrored_back(workers: list[Worker]) -> None:
    worker = workers[0]
    worker.metrics.increment_counter("ours", 3)
    worker.metrics.register_in(worker.registry)
    for _ in range(3):
        worker.tick()
        assert shown(worker.metrics, "ours") == {"ours_total": 3.0}
    worker.jobs.labels("a").inc()
    worker.tick()
    assert worker.registry.get_sample_value("jobs_total", {"kind": "a"}) == 1.0

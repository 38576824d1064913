"""One sample writes everything that is no request, and what a platform lacks breaks nothing."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from perfkit.performance.runtime import RuntimeSampler
from perfkit.store import Store, StoreSettings


@pytest.fixture
def store() -> Store:
    return Store(StoreSettings(mode="memory"))


@pytest.fixture
def sampler(store: Store) -> Iterator[RuntimeSampler]:
    sampler = RuntimeSampler(store)
    sampler.start()
    yield sampler
    sampler.stop()


def shown(store: Store) -> dict[str, list[tuple[tuple[str, ...], object]]]:
    return {f.definition.name: [(p.labels, p.value) for p in f.points] for f in store.families()}


def test_every_name_and_label_of_prometheus_client_is_there(store: Store, sampler: RuntimeSampler) -> None:
    sampler.sample(1.0)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    ours = {
        (family.definition.name, tuple(sorted(zip(family.definition.labels, point.labels, strict=True))))
        for family in store.families()
        for point in family.points
    }
    theirs = {
        (sample.name, tuple(sorted(sample.labels.items()))) for each in registry.collect() for sample in each.samples
    }
    assert theirs <= ours


def test_python_is_told_as_a_label(store: Store, sampler: RuntimeSampler) -> None:
    major, minor, patch = platform.python_version_tuple()
    labels = (platform.python_implementation(), major, minor, patch, platform.python_version())
    assert shown(store)["python_info"] == [(labels, 1.0)]


def test_cpu_is_told_against_the_quota(store: Store, sampler: RuntimeSampler) -> None:
    sampler.sample(1.0)
    sample = sampler.sample(2.0)
    seen = shown(store)
    ((_, ratio),) = seen["perfkit_cpu_utilization_ratio"]
    ((_, quota),) = seen["perfkit_cpu_quota_cores"]
    assert sample.cpu_cores is not None
    assert isinstance(quota, float)
    assert ratio == pytest.approx(sample.cpu_cores / quota)


def test_totals_rise_by_what_is_new(store: Store, sampler: RuntimeSampler) -> None:
    first = sampler.sample(1.0).totals
    second = sampler.sample(2.0).totals
    counted = dict(shown(store)["process_context_switches_total"])
    assert counted == {("voluntary",): second["voluntary"], ("involuntary",): second["involuntary"]}
    assert all(second[name] >= first[name] for name in first)


def test_a_platform_that_tells_nothing_breaks_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setitem(sys.modules, "psutil", None)
    sampler = RuntimeSampler(store, root=tmp_path)
    sampler.start()
    try:
        for now in (1.0, 2.0):
            assert sampler.sample(now).memory is None
    finally:
        sampler.stop()
    missing = sampler.unavailable
    assert {"process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"} <= set(missing)
    assert missing["perfkit_pressure_ratio"] == "the kernel does not tell pressure stall information"
    assert all(missing.values())
    assert "python_gc_collections_total" in shown(store)


def test_on_linux_nearly_everything_is_told(sampler: RuntimeSampler) -> None:
    sampler.sample(1.0)
    assert set(sampler.unavailable) <= {"perfkit_pressure_ratio", "perfkit_cpu_throttled_seconds_total"}


def test_a_part_that_fails_is_counted_and_the_others_go_on(
    store: Store, sampler: RuntimeSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(now: float) -> None:
        raise RuntimeError("no container today")

    monkeypatch.setattr(sampler._container, "sample", fail)
    sampler.sample(1.0)
    assert "python_gc_collections_total" in shown(store)


def test_sampling_needs_no_psutil_where_the_kernel_tells(
    sampler: RuntimeSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    sample = sampler.sample(1.0)
    assert sample.memory is not None
    assert sample.open_files is not None

"""The container around the workers: its quota, its memory, pressure, throttling and disks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from perfkit.core import limits
from perfkit.performance.runtime.container import DISK_PERIOD, PERIOD, Container
from perfkit.store import Store, StoreSettings

MIB = 2**20


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A container with half a core and 100 MiB, of which 60 are in use."""
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "proc/meminfo", "MemTotal: 9999999 kB\nMemFree: 1 kB\nMemAvailable: 99 kB\n")
    for name, text in {
        "cgroup.procs": "1\n",
        "cpu.max": "50000 100000\n",
        "cpu.stat": "usage_usec 5\nnr_periods 100\nnr_throttled 7\nthrottled_usec 300000\n",
        "memory.max": f"{100 * MIB}\n",
        "memory.current": f"{60 * MIB}\n",
        "memory.stat": "inactive_file 0\n",
        "memory.pressure": "some avg10=12.50 avg60=1.00 avg300=0.10 total=77\nfull avg10=1.00 total=1\n",
    }.items():
        write(tmp_path, f"sys/fs/cgroup/{name}", text)
    write(tmp_path, "proc/pressure/cpu", "some avg10=3.00 avg60=0.00 avg300=0.00 total=1\n")
    return tmp_path


@pytest.fixture
def store() -> Store:
    return Store(StoreSettings(mode="memory"))


def shown(store: Store) -> dict[str, float]:
    """Return every number by the metric's name, with its label after a space."""
    return {
        " ".join((family.definition.name, *point.labels)): point.value
        for family in store.families()
        for point in family.points
        if isinstance(point.value, (int, float))
    }


def test_limits_usage_and_pressure_are_told(root: Path, store: Store) -> None:
    container = Container(store, root)
    container.sample(0.0)
    seen = shown(store)
    assert container.cores == seen["perfkit_cpu_quota_cores"] == 0.5
    assert seen["perfkit_memory_limit_bytes"] == 100 * MIB
    assert seen["perfkit_memory_used_bytes"] == 60 * MIB
    assert seen["perfkit_pressure_ratio memory"] == 0.125
    assert seen["perfkit_pressure_ratio cpu"] == 0.03
    assert "perfkit_pressure_ratio io" not in seen


def test_throttling_counts_from_the_first_look_on(root: Path, store: Store) -> None:
    container = Container(store, root)
    container.sample(0.0)
    assert "perfkit_cpu_throttled_seconds_total" not in shown(store)
    write(root, "sys/fs/cgroup/cpu.stat", "nr_periods 150\nnr_throttled 17\nthrottled_usec 1800000\n")
    container.sample(PERIOD)
    seen = shown(store)
    assert seen["perfkit_cpu_quota_periods_total"] == 50.0
    assert seen["perfkit_cpu_throttled_periods_total"] == 10.0
    assert seen["perfkit_cpu_throttled_seconds_total"] == pytest.approx(1.5)
    write(root, "sys/fs/cgroup/cpu.stat", "nr_periods 1\nnr_throttled 0\nthrottled_usec 0\n")
    container.sample(2 * PERIOD)
    assert shown(store)["perfkit_cpu_quota_periods_total"] == 50.0


def test_only_the_leader_counts_what_all_workers_see(root: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "is_leader", False)
    container = Container(store, root)
    container.sample(0.0)
    write(root, "sys/fs/cgroup/cpu.stat", "nr_periods 150\nnr_throttled 17\nthrottled_usec 1800000\n")
    container.sample(PERIOD)
    assert "perfkit_cpu_quota_periods_total" not in shown(store)


def test_a_limit_that_is_raised_while_the_service_runs_is_seen(root: Path, store: Store) -> None:
    container = Container(store, root)
    container.sample(0.0)
    write(root, "sys/fs/cgroup/cpu.max", "100000 100000\n")
    container.sample(PERIOD / 2)
    assert container.cores == 0.5, "no look is due yet"
    container.sample(PERIOD)
    assert container.cores == 1.0


def test_what_is_not_told_has_a_reason(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "machine_memory", lambda root: None)
    container = Container(store, tmp_path)
    container.sample(0.0)
    assert container.unavailable == {
        "perfkit_memory_limit_bytes": "neither the kernel nor psutil tells it",
        "perfkit_cpu_throttled_seconds_total": "no CPU quota is set",
        "perfkit_pressure_ratio": "the kernel does not tell pressure stall information",
    }
    assert container.cores >= 1.0


def test_disks_are_those_of_the_working_directory_and_of_the_store(tmp_path: Path) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    try:
        container = Container(store)
        container.sample(0.0)
        container.wait(30.0)
        container.sample(1.0)
        seen = shown(store)
        for place in ("working", "store"):
            assert 0.0 < seen[f"perfkit_disk_free_bytes {place}"] <= seen[f"perfkit_disk_size_bytes {place}"]
    finally:
        store.close()


def test_a_disk_that_hangs_holds_nobody_up_and_is_not_asked_again(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, asked = threading.Event(), []

    def hang(path: object) -> None:
        asked.append(path)
        release.wait(30.0)

    refuse: Callable[[object], None] = hang
    monkeypatch.setattr(limits, "disk", refuse)
    container = Container(store, root)
    try:
        container.sample(0.0)
        container.sample(DISK_PERIOD)
        container.sample(2 * DISK_PERIOD)
        assert len(asked) <= 1
        assert container.unavailable["perfkit_disk_free_bytes"] == "a file system does not answer"
    finally:
        release.set()
        container.wait(30.0)
    container.sample(2 * DISK_PERIOD + 1.0)
    assert container.unavailable["perfkit_disk_free_bytes"] == "the file system of working does not tell it"

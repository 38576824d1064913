"""What a process may use: control groups of both versions, the machine, the disk."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from perfkit.core import limits

MIB = 2**20
MEMINFO = f"MemTotal: {4096 * 1024} kB\nMemFree: 1 kB\nMemAvailable: {1024 * 1024} kB\nBuffers: 7 kB\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a machine of 4 GiB, a quarter of it free, and no control group yet."""
    write(tmp_path, "proc/meminfo", MEMINFO)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def group(root: Path, name: str, **files: str) -> None:
    """Make the control group *name*, with `memory_max` for the file `memory.max` and so on."""
    write(root, f"sys/fs/cgroup/{name}/cgroup.procs", "")
    for file, text in files.items():
        write(root, f"sys/fs/cgroup/{name}/{file.replace('_', '.', 1)}", text)


def test_without_a_container_the_machine_is_the_limit(root: Path) -> None:
    usage = limits.memory(root)
    assert usage == limits.Usage(3072 * MIB, 4096 * MIB, "machine")
    assert (usage.ratio, usage.free) == (0.75, 1024 * MIB)
    assert limits.cpu(root) == float(len(os.sched_getaffinity(0)))
    assert limits.Limits(root).throttling() is None


def test_version_2_limits_memory_without_what_the_kernel_gives_back(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/\n")
    group(
        root,
        ".",
        memory_max=f"{100 * MIB}\n",
        memory_current=f"{130 * MIB}\n",
        memory_stat=f"anon 1\ninactive_file {40 * MIB}\n",
    )
    assert limits.memory(root) == limits.Usage(90 * MIB, 100 * MIB, "container")


def test_the_tightest_limit_of_the_groups_above_counts(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/pod/app\n")
    group(root, ".", cpu_max="max 100000\n")
    group(
        root, "pod", memory_max=f"{64 * MIB}\n", memory_current=f"{60 * MIB}\n", memory_stat="", cpu_max="50000 100000"
    )
    group(root, "pod/app", memory_max=f"{99 * MIB}\n", memory_current="1\n", memory_stat="", cpu_max="80000 100000")
    assert limits.memory(root) == limits.Usage(60 * MIB, 64 * MIB, "container")
    assert limits.cpu(root) == 0.5


def test_of_equal_limits_the_upper_group_counts_as_it_uses_more(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/pod\n")
    for name, used in ((".", 50), ("pod", 10)):
        group(root, name, memory_max=f"{64 * MIB}", memory_current=f"{used * MIB}", memory_stat="")
    usage = limits.memory(root)
    assert usage is not None
    assert usage.used == 50 * MIB


def test_a_path_of_the_host_that_is_not_mounted_means_the_mount_itself(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/docker/0123abc\n")
    group(root, ".", cpu_max="25000 100000\n")
    assert limits.cpu(root) == 0.25


@pytest.mark.parametrize("path", ["/../etc", "/a/../../b"])
def test_a_path_out_of_the_mount_is_not_followed(path: str, root: Path) -> None:
    write(root, "proc/self/cgroup", f"0::{path}\n")
    group(root, ".", cpu_max="25000 100000\n")
    assert limits.cpu(root) == 0.25


def test_version_1_has_a_tree_for_each_controller(root: Path) -> None:
    write(root, "proc/self/cgroup", "4:memory:/box\n2:cpu,cpuacct:/box\n1:name=systemd:/box\n0::/\n")
    group(root, "unified")
    group(
        root,
        "memory/box",
        memory_limit_in_bytes=str(50 * MIB),
        memory_usage_in_bytes=str(30 * MIB),
        memory_stat=f"cache 1\ninactive_file 1\ntotal_inactive_file {10 * MIB}\n",
    )
    group(root, "memory", memory_limit_in_bytes="9223372036854771712\n", memory_usage_in_bytes="1", memory_stat="")
    stat = "nr_periods 9\nnr_throttled 4\nthrottled_time 2500000000\n"
    group(root, "cpu,cpuacct/box", cpu_cfs_quota_us="30000\n", cpu_cfs_period_us="100000\n", cpu_stat=stat)
    group(root, "cpu,cpuacct", cpu_cfs_quota_us="-1\n", cpu_cfs_period_us="100000\n")
    assert limits.memory(root) == limits.Usage(20 * MIB, 50 * MIB, "container")
    assert limits.cpu(root) == 0.3
    assert limits.Limits(root).throttling() == limits.Throttling(9.0, 4.0, 2.5)


def test_version_2_tells_throttling_in_microseconds(root: Path) -> None:
    stat = "usage_usec 5\nnr_periods 10\nnr_throttled 3\nthrottled_usec 1500000\n"
    group(root, ".", cpu_max="50000 100000\n", cpu_stat=stat)
    write(root, "proc/self/cgroup", "0::/\n")
    assert limits.Limits(root).throttling() == limits.Throttling(10.0, 3.0, 1.5)


@pytest.mark.parametrize(
    "files",
    [
        {"memory_max": "max\n", "memory_current": "5\n", "memory_stat": ""},
        {"memory_max": "garbage", "memory_current": "5\n", "memory_stat": ""},
        {"memory_max": "100\n"},
        {"memory_max": f"{2**50}\n", "memory_current": "5\n", "memory_stat": "inactive_file 1\n"},
        {"memory_max": "0\n", "memory_current": "5\n", "memory_stat": ""},
        {"cpu_max": "0 100000"},
        {"cpu_max": "100 0"},
        {"cpu_max": "100"},
    ],
)
def test_what_is_no_limit_leaves_the_machine_s(files: dict[str, str], root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/\n")
    group(root, ".", **files)
    usage = limits.memory(root)
    assert usage is not None
    assert usage.source == "machine"
    assert limits.cpu(root) == float(len(os.sched_getaffinity(0)))


def test_without_proc_psutil_tells_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=1000, available=400))
    assert limits.memory(tmp_path) == limits.Usage(600.0, 1000.0)


def test_where_nobody_tells_there_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AttributeError("this platform does not tell")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert limits.memory(tmp_path) is None
    assert limits.cpu(tmp_path) == float(os.cpu_count() or 1)


def test_the_disk_of_a_folder_that_is_not_made_yet_is_that_of_the_nearest_one(tmp_path: Path) -> None:
    usage, parent = limits.disk(tmp_path / "not" / "yet"), limits.disk(tmp_path)
    assert usage is not None
    assert parent is not None
    assert usage.total == parent.total
    assert 0.0 < usage.ratio <= 1.0


def test_a_disk_that_does_not_answer_has_no_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("shutil.disk_usage", refuse)
    assert limits.disk(tmp_path) is None

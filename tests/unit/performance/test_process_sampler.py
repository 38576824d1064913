"""What a process uses: CPU as a counter, the rest as it is now."""

from __future__ import annotations

import logging
import os
import resource
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.performance.runtime.process import ProcessSampler
from perfkit.performance.runtime.reader import FIGURES, ProcessReader


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class Times(NamedTuple):
    user: float
    system: float = 0.0


class FakeProcess:
    """A process as psutil shows it, whose figures the test says; an exception in their place is raised."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.figures: dict[str, Any] = {
            "cpu_times": Times(1.0),
            "num_ctx_switches": SimpleNamespace(voluntary=10, involuntary=20),
            "memory_info": SimpleNamespace(rss=1000, vms=5000),
            "num_threads": 3,
            "num_fds": 7,
            "create_time": 1e9,
            "io_counters": SimpleNamespace(read_bytes=11, write_bytes=12),
        }

    def __getattr__(self, name: str) -> Any:
        figure = self.figures[name]

        def read() -> Any:
            if isinstance(figure, Exception):
                raise figure
            return figure

        return read


def fake(patch: pytest.MonkeyPatch, *, limits: bool = False) -> tuple[ProcessSampler, dict[str, Any]]:
    """Return a sampler on a platform with psutil alone (and `resource`, where *limits*), and what psutil tells."""
    process = FakeProcess()
    patch.setattr(psutil, "Process", lambda: process)
    if not limits:
        patch.setitem(sys.modules, "resource", None)
    return ProcessSampler(reader=ProcessReader(Path("/no/such/root"))), process.figures


def test_the_first_sample_counts_from_the_start_of_the_process() -> None:
    sample = ProcessSampler().sample(10.0)
    times = psutil.Process().cpu_times()
    assert sample.cpu_seconds == pytest.approx(times.user + times.system, abs=0.5)
    assert sample.cpu_cores is None


def test_later_samples_count_what_was_used_in_between() -> None:
    sampler = ProcessSampler()
    first = sampler.sample(10.0)
    burn(0.1)
    second = sampler.sample(10.2)
    assert second.cpu_seconds >= 0.08
    assert second.cpu_cores == pytest.approx(second.cpu_seconds / 0.2)
    times = psutil.Process().cpu_times()
    assert first.cpu_seconds + second.cpu_seconds == pytest.approx(times.user + times.system, abs=0.05)


@given(readings=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=20))
def test_the_cpu_used_in_between_is_never_negative(readings: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sampler, figures = fake(patch)
        for at, reading in enumerate(readings):
            figures["cpu_times"] = Times(reading)
            sample = sampler.sample(float(at))
            assert sample.cpu_seconds >= 0.0
            assert sample.cpu_cores is None or sample.cpu_cores >= 0.0


def test_two_samples_at_one_moment_do_not_divide_by_zero() -> None:
    sampler = ProcessSampler()
    sampler.sample(10.0)
    assert sampler.sample(10.0).cpu_cores is None


def test_memory_threads_files_and_start_are_those_of_this_process() -> None:
    many = 20  # so many that what others end or close meanwhile does not matter
    ready, done = threading.Barrier(many + 1), threading.Event()

    def wait() -> None:
        ready.wait(90)
        done.wait(90)

    before = ProcessSampler().sample(1.0)
    threads = [threading.Thread(target=wait) for _ in range(many)]
    for thread in threads:
        thread.start()
    ready.wait(90)
    with ExitStack() as opened:
        for _ in range(many):
            opened.enter_context(open(os.devnull))
        during = ProcessSampler().sample(1.0)
    done.set()
    for thread in threads:
        thread.join()
    assert before.memory is not None
    assert 2**20 < before.memory < 2**40
    assert (during.threads or 0) > (before.threads or 0)
    assert (during.open_files or 0) > (before.open_files or 0)
    assert during.started_at == pytest.approx(psutil.Process().create_time(), abs=1.0)


@pytest.mark.parametrize(
    "error", [psutil.AccessDenied(1), psutil.NoSuchProcess(1), OSError("no /proc"), AttributeError()]
)
@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("memory_info", "memory"),
        ("memory_info", "virtual_memory"),
        ("num_threads", "threads"),
        ("num_fds", "open_files"),
        ("create_time", "started_at"),
    ],
)
def test_what_the_platform_does_not_tell_is_none(
    error: Exception, method: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, figures = fake(monkeypatch)
    figures[method] = error
    sample = sampler.sample(1.0)
    assert getattr(sample, field) is None
    assert sampler.unavailable[field].startswith(type(error).__name__)
    assert sample.cpu_seconds == 1.0


def test_cpu_that_is_not_told_for_a_while_is_counted_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, figures = fake(monkeypatch)
    counted: list[float] = []
    for reading in (Times(5.0), psutil.AccessDenied(1), Times(7.0, 1.0)):
        figures["cpu_times"] = reading
        counted.append(sampler.sample(float(len(counted))).cpu_seconds)
    assert counted == [5.0, 0.0, 3.0]


def test_where_the_kernel_is_not_asked_psutil_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, _ = fake(monkeypatch)
    sample = sampler.sample(1.0)
    assert (sample.memory, sample.virtual_memory, sample.threads, sample.open_files) == (1000, 5000, 3, 7)
    assert sample.totals == {"voluntary": 10.0, "involuntary": 20.0, "read_bytes": 11.0, "written_bytes": 12.0}
    assert sample.started_at == 1e9
    assert sorted(sampler.unavailable) == ["major_faults", "max_files", "minor_faults"]


def test_without_proc_but_with_resource_only_the_rest_is_asked_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, figures = fake(monkeypatch, limits=True)
    figures["io_counters"] = AttributeError("macOS has none")
    sample = sampler.sample(1.0)
    assert sample.cpu_seconds != 1.0
    assert (sample.memory, sample.max_files) == (1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    assert sampler.unavailable == dict.fromkeys(("read_bytes", "written_bytes"), "AttributeError: macOS has none")


def test_without_psutil_too_nothing_is_told_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setitem(sys.modules, "psutil", None)
    reader = ProcessReader(Path("/no/such/root"))
    assert reader.read() == {}
    assert sorted(reader.unavailable) == sorted(FIGURES)
    assert ProcessSampler(reader=reader).sample(1.0).cpu_seconds == 0.0


def test_what_is_missing_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    sampler, figures = fake(monkeypatch)
    figures["num_fds"] = AttributeError("Windows has none")
    with caplog.at_level(logging.DEBUG, "perfkit.performance"):
        for at in range(3):
            sampler.sample(float(at))
    said = [record.getMessage() for record in caplog.records if "open_files" in record.getMessage()]
    assert said == ["open_files of the process is not told here: AttributeError: Windows has none"]


def test_on_linux_the_kernel_tells_what_psutil_would() -> None:
    reader, process = ProcessReader(), psutil.Process()
    of_the_main_thread = process.num_ctx_switches().voluntary
    figures = reader.read()
    assert reader.unavailable == {}
    assert sorted(figures) == sorted(FIGURES)
    memory = process.memory_info()
    assert figures["memory"] == pytest.approx(memory.rss, rel=0.1)
    assert figures["virtual_memory"] == pytest.approx(memory.vms, rel=0.1)
    assert figures["voluntary"] >= of_the_main_thread
    assert figures["read_bytes"] <= process.io_counters().read_bytes


def test_a_command_with_parentheses_and_spaces_does_not_shift_the_fields(tmp_path: Path) -> None:
    (tmp_path / "proc/self/fd").mkdir(parents=True)
    fields = ["S", *map(str, range(4, 53))]
    (tmp_path / "proc/self/stat").write_text(f"7 (a) b (c)) {' '.join(fields)}\n")
    (tmp_path / "proc/stat").write_text("cpu 1 2\nbtime 1000\n")
    figures = ProcessReader(tmp_path).read()
    assert figures["threads"] == 20.0
    assert figures["virtual_memory"] == 23.0
    assert figures["started_at"] == 1000.0 + 22.0 / os.sysconf("SC_CLK_TCK")

"""What a process uses: CPU as a counter, the rest as it is now."""

from __future__ import annotations

import os
import threading
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import SimpleNamespace
from typing import Any, NamedTuple

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.performance.process import ProcessSampler


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class Times(NamedTuple):
    user: float
    system: float = 0.0


class FakeProcess:
    """A process whose figures the test says; an exception in their place is raised."""

    def __init__(self, pid: int) -> None:
        self.figures: dict[str, Any] = {
            "cpu_times": Times(1.0),
            "memory_info": SimpleNamespace(rss=1000),
            "num_threads": 3,
            "num_fds": 7,
            "create_time": 1e9,
        }

    def __getattr__(self, name: str) -> Any:
        figure = self.figures[name]

        def read() -> Any:
            if isinstance(figure, Exception):
                raise figure
            return figure

        return read

    def oneshot(self) -> AbstractContextManager[None]:
        return nullcontext()


def fake(patch: pytest.MonkeyPatch) -> tuple[ProcessSampler, dict[str, Any]]:
    """Return a sampler and the figures of its process."""
    process = FakeProcess(1)
    patch.setattr(psutil, "Process", lambda pid: process)
    return ProcessSampler(), process.figures


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
    assert during.started_at == pytest.approx(psutil.Process().create_time())


@pytest.mark.parametrize(
    "error", [psutil.AccessDenied(1), psutil.NoSuchProcess(1), OSError("no /proc"), AttributeError()]
)
@pytest.mark.parametrize(
    ("method", "field"),
    [("memory_info", "memory"), ("num_threads", "threads"), ("num_fds", "open_files"), ("create_time", "started_at")],
)
def test_what_the_platform_does_not_tell_is_none(
    error: Exception, method: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, figures = fake(monkeypatch)
    figures[method] = error
    sample = sampler.sample(1.0)
    assert getattr(sample, field) is None
    assert sample.cpu_seconds == 1.0


def test_cpu_that_is_not_told_for_a_while_is_counted_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, figures = fake(monkeypatch)
    counted = []
    for reading in (Times(5.0), psutil.AccessDenied(1), Times(7.0, 1.0)):
        figures["cpu_times"] = reading
        counted.append(sampler.sample(float(len(counted))).cpu_seconds)
    assert counted == [5.0, 0.0, 3.0]

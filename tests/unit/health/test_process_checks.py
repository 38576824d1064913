"""The built-in checks of this very process."""

from __future__ import annotations

import os
import resource
import threading
from contextlib import ExitStack
from typing import Any

import pytest
from patience import until

from perfkit.core import limits
from perfkit.core.checks import CheckResult
from perfkit.core.context import Context
from perfkit.core.limits import Limits, Throttling, Usage
from perfkit.core.status import Status
from perfkit.health import HealthChecker, HealthSettings
from perfkit.health.process import BUILT_IN, process_checks
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

MIB = 2**20


def run(name: str, *, settings: HealthSettings | None = None, context: Context | None = None) -> CheckResult:
    """Run the built-in check *name*."""
    context = context or Context(store=Store(StoreSettings(mode="memory")))
    return {check.name: check for check in process_checks(settings or HealthSettings(), context)}[name].run()


def memory(patch: pytest.MonkeyPatch, *, total: int, used: int, source: str = "machine") -> None:
    usage = Usage(float(used), float(total), source)  # type: ignore[arg-type]  # a literal
    patch.setattr(Limits, "memory", lambda self: usage)


def test_there_are_six_and_none_of_them_takes_a_worker_out_of_service() -> None:
    context = Context(store=Store(StoreSettings(mode="memory")))
    checks = list(process_checks(HealthSettings(), context))
    assert [check.name for check in checks] == ["memory", "open_files", "disk", "cpu", "uptime", "store"]
    assert not any(check.critical or check.liveness for check in checks)
    assert {check.name for check in checks} < set(BUILT_IN)


def test_on_this_machine_each_of_them_answers() -> None:
    clock = FakeClock()
    checker = HealthChecker(clock=clock)
    checker.start()
    assert len(checker.get_health_summary().checks) == 6
    for check in checker.get_health_summary().checks:
        assert check.message
        assert "raised" not in check.message
        assert check.status is not Status.UNKNOWN or check.name == "cpu"


@pytest.mark.parametrize(
    ("used", "status"),
    [(500, Status.HEALTHY), (849, Status.HEALTHY), (850, Status.WARNING), (950, Status.CRITICAL)],
)
def test_memory_is_graded_by_what_the_process_may_use(
    used: int, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, total=1000 * MIB, used=used * MIB, source="container")
    found = run("memory")
    assert (found.status, found.unit) == (status, "ratio")
    assert found.value == pytest.approx(used / 1000)
    assert found.message.endswith("of the container's 1,000 MiB are in use")


def test_where_memory_is_not_told_the_check_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "memory", lambda self: None)
    assert run("memory").status is Status.UNKNOWN


def test_the_thresholds_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    memory(monkeypatch, total=1000 * MIB, used=300 * MIB)
    assert run("memory", settings=HealthSettings(memory_warning=0.2)).status is Status.WARNING
    assert run("memory", settings=HealthSettings(memory_warning=0.1, memory_critical=0.3)).status is Status.CRITICAL


@pytest.mark.parametrize(
    ("used", "plenty", "status"),
    [
        (89, 0, Status.HEALTHY),
        (90, 0, Status.WARNING),
        (97, 0, Status.CRITICAL),
        (97, 3 * MIB, Status.HEALTHY),
        (97, 4 * MIB, Status.CRITICAL),
    ],
)
def test_a_disk_is_graded_by_ratio_unless_plenty_is_left(
    used: int, plenty: int, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "disk", lambda path: Usage(float(used * MIB), 100.0 * MIB))
    found = run("disk", settings=HealthSettings(disk_plenty=plenty))
    assert found.status is status
    assert found.value == pytest.approx(used / 100)


def test_where_disks_are_not_told_the_check_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "disk", lambda path: None)
    assert run("disk").status is Status.UNKNOWN


def test_a_file_system_that_hangs_is_told_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released, asked = threading.Event(), []

    def hang(path: object) -> Usage:
        asked.append(path)
        released.wait(60.0)
        return Usage(10.0, 100.0)

    monkeypatch.setattr(limits, "disk", hang)
    context = Context(store=Store(StoreSettings(mode="memory")))
    disk = {check.name: check for check in process_checks(HealthSettings(), context)}["disk"]
    try:
        assert disk.run().status is Status.UNKNOWN
        for _ in range(3):
            found = disk.run()
            assert (found.status, found.message.endswith("does not answer")) == (Status.WARNING, True)
        assert len(asked) == 1, "the thread that hangs is the only one"
    finally:
        released.set()
    assert until(disk.run, lambda found: found.status is Status.HEALTHY).value == pytest.approx(0.1)


def throttled(patch: pytest.MonkeyPatch, told: list[float]) -> None:
    """Let each look find 100 more periods, of which so many as *told* were cut short."""
    periods = iter(range(100, 100_000, 100))
    total = iter([sum(told[: index + 1]) for index in range(len(told))])
    patch.setattr(Limits, "throttling", lambda self: Throttling(float(next(periods)), next(total), 0.0))


def test_a_busy_cpu_is_shown_and_warns_only_if_that_is_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    context = Context(store=Store(StoreSettings(mode="memory")), clock=clock)

    def looks(settings: HealthSettings, count: int) -> list[CheckResult]:
        throttled(monkeypatch, [90.0] * count)
        check = {each.name: each for each in process_checks(settings, context)}["cpu"]
        found = []
        for _ in range(count):
            found.append(check.run())
            clock.advance(5.0)
        return found

    quiet = looks(HealthSettings(), 20)
    assert [each.status for each in quiet] == [Status.UNKNOWN] + [Status.HEALTHY] * 19
    assert quiet[-1].value == pytest.approx(0.9)
    strict = looks(HealthSettings(cpu_warning=0.8), 20)
    assert strict[5].status is Status.HEALTHY  # 25 seconds are a burst
    assert strict[-1].status is Status.WARNING


def test_open_files_are_graded_by_the_limit_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as held:
        for _ in range(300):  # so many that what others close meanwhile changes no grade
            held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        used = len(os.listdir("/proc/self/fd"))
        for share, status in ((0.1, Status.HEALTHY), (0.87, Status.WARNING), (1.0, Status.CRITICAL)):
            limit = int(used / share)
            monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
            found = run("open_files")
            assert (found.status, found.message.split(" of ")[1]) == (status, f"at most {limit} files are open")


def test_open_files_without_a_limit_are_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    found = run("open_files")
    assert (found.status, found.unit) == (Status.HEALTHY, "files")


def test_where_open_files_cannot_be_counted_the_check_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert run("open_files").status is Status.UNKNOWN


def test_uptime_is_always_healthy_and_counts_seconds() -> None:
    clock = FakeClock()
    context = Context(store=Store(StoreSettings(mode="memory")), clock=clock)
    uptime = {check.name: check for check in process_checks(HealthSettings(), context)}["uptime"]
    clock.advance(90.0)
    assert uptime.run() == CheckResult(Status.HEALTHY, "up for 90 s", 90.0, "seconds")


def test_a_store_in_memory_by_choice_is_healthy() -> None:
    assert run("store") == CheckResult(Status.HEALTHY, "one process")


def test_a_store_that_is_shared_says_so(tmp_path: Any) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    assert run("store", context=Context(store=store)) == CheckResult(Status.HEALTHY, "shared by all workers")
    store.close()


def test_a_store_that_could_not_be_shared_is_a_warning_with_its_reason(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    store = Store(StoreSettings(directory=str(tmp_path / "file" / "below")))
    store.open()
    found = run("store", context=Context(store=store))
    assert found.status is Status.WARNING
    assert found.message.startswith("numbers are those of this worker only: ")
    store.close()

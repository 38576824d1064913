"""The built-in checks of this very process."""

from __future__ import annotations

import builtins
import io
import os
import resource
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from perfkit.core.checks import CheckResult
from perfkit.core.context import Context
from perfkit.core.status import Status
from perfkit.health import HealthChecker, HealthSettings
from perfkit.health.process import process_checks
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

MIB = 2**20


def run(name: str, *, settings: HealthSettings | None = None, context: Context | None = None) -> CheckResult:
    """Run the built-in check *name*."""
    context = context or Context(store=Store(StoreSettings(mode="memory")))
    return {check.name: check for check in process_checks(settings or HealthSettings(), context)}[name].run()


def machine(patch: pytest.MonkeyPatch, *, total: int, available: int) -> None:
    patch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=total, available=available))


def container(patch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """Let the files of the control group say what *files* says; the others are not there."""
    real = builtins.open

    def fake_open(path: Any, *arguments: Any, **named: Any) -> Any:
        name = str(path)
        if not name.startswith("/sys/fs/cgroup/"):
            return real(path, *arguments, **named)
        if (text := files.get(name.removeprefix("/sys/fs/cgroup/"))) is None:
            raise FileNotFoundError(name)
        return io.StringIO(text)

    patch.setattr(builtins, "open", fake_open)


def test_there_are_four_and_none_of_them_takes_a_worker_out_of_service() -> None:
    context = Context(store=Store(StoreSettings(mode="memory")))
    checks = list(process_checks(HealthSettings(), context))
    assert [check.name for check in checks] == ["memory", "open_files", "uptime", "store"]
    assert not any(check.critical or check.liveness for check in checks)


def test_on_this_machine_each_of_them_answers() -> None:
    checker = HealthChecker()
    checker.start()
    checks = checker.get_health_summary().checks
    assert len(checks) == 4
    assert all(check.message and check.status is not Status.UNKNOWN for check in checks)
    assert not any("raised" in check.message for check in checks)


@pytest.mark.parametrize(
    ("available", "status"),
    [(500, Status.HEALTHY), (151, Status.HEALTHY), (150, Status.WARNING), (50, Status.CRITICAL)],
)
def test_memory_is_graded_by_the_machine_where_no_container_limits_it(
    available: int, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    container(monkeypatch, {})
    machine(monkeypatch, total=1000 * MIB, available=available * MIB)
    found = run("memory")
    assert found.status is status
    assert found.value == pytest.approx(1 - available / 1000)
    assert found.unit == "ratio"
    assert found.message.endswith("of the machine's 1,000 MiB are in use")


def test_memory_is_graded_by_the_container_without_the_files_that_the_kernel_gives_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, total=10_000 * MIB, available=9_000 * MIB)
    stat = f"anon 1\ninactive_file {40 * MIB}\nactive_file 5\n"
    container(monkeypatch, {"memory.max": f"{100 * MIB}\n", "memory.current": f"{130 * MIB}\n", "memory.stat": stat})
    found = run("memory")
    assert (found.status, found.value) == (Status.WARNING, 0.9)
    assert found.message == "90% of the container's 100 MiB are in use"


@pytest.mark.parametrize(
    "files",
    [
        {"memory.max": "max\n", "memory.current": "5\n", "memory.stat": ""},
        {"memory.max": "garbage", "memory.current": "5\n", "memory.stat": ""},
        {"memory.max": "100\n"},
        {"memory.max": f"{2**50}\n", "memory.current": "5\n", "memory.stat": "inactive_file 1\n"},
    ],
    ids=["no limit", "not a number", "half a control group", "more than the machine has"],
)
def test_a_container_without_a_limit_of_its_own_is_graded_by_the_machine(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, total=1000 * MIB, available=800 * MIB)
    container(monkeypatch, files)
    found = run("memory")
    assert (found.status, found.value) == (Status.HEALTHY, pytest.approx(0.2))
    assert "the machine's" in found.message


def test_a_container_that_does_not_tell_its_file_cache_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, total=10_000 * MIB, available=9_000 * MIB)
    container(monkeypatch, {"memory.max": f"{100 * MIB}", "memory.current": f"{50 * MIB}", "memory.stat": "anon 1\n"})
    assert run("memory").value == 0.5


def test_the_thresholds_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    container(monkeypatch, {})
    machine(monkeypatch, total=1000 * MIB, available=700 * MIB)
    assert run("memory", settings=HealthSettings(memory_warning=0.2)).status is Status.WARNING
    assert run("memory", settings=HealthSettings(memory_warning=0.1, memory_critical=0.3)).status is Status.CRITICAL


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

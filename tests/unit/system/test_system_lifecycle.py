"""The life of a system: built, initialized, started, stopped, dropped."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import until
from schedulers import schedulers

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.errors import UnknownEventError
from perfkit.core.names import BUILD_INFO, ERRORS
from perfkit.core.status import Status
from perfkit.performance import PerformanceMonitor
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock

pytestmark = pytest.mark.usefixtures("no_thread_stays")


def internal_errors(system: PerformanceSystem) -> dict[tuple[str, ...], Any]:
    return {point.labels: point.value for family in system.store.families({ERRORS.name}) for point in family.points}


def events_of(system: PerformanceSystem) -> list[str]:
    """Return a list to which the events of *system* are added as they come."""
    heard: list[str] = []

    def listener(event: str) -> Callable[[object], None]:
        return lambda payload: heard.append(event if payload is system else f"{event} of another")

    for event in ("initialized", "started", "stopped"):
        system.on(event, listener(event))
    return heard


def test_building_starts_nothing_and_opens_nothing(system: PerformanceSystem) -> None:
    assert not system.is_running
    assert not system.store.is_open
    assert schedulers() == []


def test_start_opens_the_store_and_runs_one_thread(system: PerformanceSystem) -> None:
    assert system.start() is system
    assert system.is_running
    assert system.store.is_open
    assert len(schedulers()) == 1
    (family,) = system.store.families({BUILD_INFO.name})
    assert [point.value for point in family.points] == [1.0]


def test_stop_ends_both(system: PerformanceSystem) -> None:
    system.start()
    system.stop()
    assert not system.is_running
    assert not system.store.is_open
    assert schedulers() == []


def test_start_and_stop_called_again_do_nothing(system: PerformanceSystem) -> None:
    heard = events_of(system)
    system.start()
    system.start()
    assert len(schedulers()) == 1
    system.stop()
    system.stop()
    assert heard == ["initialized", "started", "stopped"]


def test_stop_before_start_does_nothing(system: PerformanceSystem) -> None:
    heard = events_of(system)
    system.stop()
    assert heard == []
    assert not system.is_stopped


def test_start_before_initialize_initializes(system: PerformanceSystem) -> None:
    heard = events_of(system)
    system.start()
    system.initialize()
    assert heard == ["initialized", "started"]


def test_initialize_comes_first_and_once(system: PerformanceSystem) -> None:
    heard = events_of(system)
    assert system.initialize() is system
    system.initialize(database=object())
    assert not system.is_running
    system.start()
    assert heard == ["initialized", "started"]


def test_a_stopped_system_may_be_started_again_and_goes_on_counting(system: PerformanceSystem) -> None:
    heard = events_of(system)
    for _ in range(3):
        system.start()
        assert not system.is_stopped
        system.errors.report("test", ValueError("one more"))
        system.stop()
        assert system.is_stopped
    assert heard == ["initialized", *["started", "stopped"] * 3]
    assert internal_errors(system) == {("test", "ValueError"): 3.0}


def test_with_runs_it_for_the_block() -> None:
    with PerformanceSystem(environment="testing") as system:
        assert system.is_running
    assert not system.is_running


def test_with_stops_it_when_the_block_raises() -> None:
    system = PerformanceSystem(environment="testing")
    with pytest.raises(KeyError), system:
        raise KeyError("the user's own")
    assert not system.is_running


@pytest.mark.anyio
async def test_async_with_runs_it_for_the_block() -> None:
    async with PerformanceSystem(environment="testing") as system:
        assert system.is_running
    assert not system.is_running


@pytest.mark.anyio
async def test_the_async_twins_do_the_same(system: PerformanceSystem) -> None:
    heard = events_of(system)
    assert await system.ainitialize() is system
    assert await system.astart() is system
    assert system.is_running
    await system.astop()
    await system.astop()
    assert heard == ["initialized", "started", "stopped"]


@pytest.mark.anyio
async def test_a_coroutine_may_listen(system: PerformanceSystem) -> None:
    heard = asyncio.Event()

    async def listener(payload: object) -> None:
        heard.set()

    system.on("started", listener)
    system.start()
    await asyncio.wait_for(heard.wait(), 60)


def test_a_listener_may_be_taken_off(system: PerformanceSystem) -> None:
    heard: list[object] = []
    system.on("started", heard.append)
    assert system.off("started", heard.append)
    assert not system.off("started", heard.append)
    system.start()
    assert heard == []


def test_a_listener_that_fails_is_counted_and_the_start_goes_on(system: PerformanceSystem) -> None:
    def failing(payload: object) -> None:
        raise ValueError("the listener's own")

    heard = events_of(system)
    system.on("initialized", failing)
    system.on("started", failing)
    system.start()
    assert system.is_running
    assert heard == ["initialized", "started"]
    assert internal_errors(system) == {("events", "ValueError"): 2.0}


def test_an_unknown_event_is_an_error_that_names_the_known_ones(system: PerformanceSystem) -> None:
    for call in (system.on, system.off):
        with pytest.raises(UnknownEventError, match=r"initialized, started, stopped.*Did you mean 'started'\?"):
            call("start", print)


def test_a_component_that_cannot_start_or_stop_does_not_keep_the_others_from_it(
    system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: object) -> None:
        raise ValueError("a component's own")

    monkeypatch.setattr(PerformanceMonitor, "start", failing)
    monkeypatch.setattr(PerformanceMonitor, "stop", failing)
    system.start()
    assert system.is_running
    assert system.health.get_health_summary().is_started
    system.stop()
    assert not system.health.get_health_summary().is_started
    assert not system.store.is_open
    assert internal_errors(system) == {("performance", "ValueError"): 2.0}


def test_health_watches_what_other_components_ask_for(
    system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checks(self: object) -> Iterator[HealthCheck]:
        yield HealthCheck(name="queue", run=lambda: CheckResult(Status.WARNING, "long"))
        raise ValueError("could not list the rest")

    monkeypatch.setattr(PerformanceMonitor, "checks", checks)
    system.start()
    assert [check.name for check in system.health.get_health_summary().checks][-1] == "queue"
    assert system.get_performance_dashboard().components["health"].status is Status.WARNING
    assert internal_errors(system).keys() == {("performance", "ValueError")}  # once a second: it is asked again


def test_many_threads_that_start_it_at_once_start_it_once(system: PerformanceSystem) -> None:
    heard = events_of(system)
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait(90)
        system.start()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert heard == ["initialized", "started"]
    assert len(schedulers()) == 1


def test_the_scheduler_ticks_store_and_components() -> None:
    clock = FakeClock()
    with PerformanceSystem({"performance": {"collect_interval": 0.1}}, environment="testing", clock=clock) as system:
        before = system.health.get_health_summary().checks[0].checked_at or 0.0
        clock.advance(2.0)
        until(lambda: (system.health.get_health_summary().checks[0].checked_at or 0.0) >= before + 2.0)
        until(lambda: system.performance.get_performance_summary().cpu is not None)


def test_drain_answers_not_ready_on_all_workers(system: PerformanceSystem) -> None:
    system.start()
    assert system.health.get_health_summary().is_ready
    system.drain()
    assert system.get_performance_dashboard().components["health"].is_draining
    assert not system.health.get_health_summary().is_ready


def test_a_system_that_is_dropped_while_it_runs_stops_and_is_freed() -> None:
    system = PerformanceSystem(environment="testing").start()
    system.export_metrics()
    system.get_performance_dashboard()
    store, dead = system.store, weakref.ref(system)
    gc.disable()
    try:
        del system
        assert dead() is None
        assert schedulers() == []
        assert not store.is_open
    finally:
        gc.enable()


def test_a_dropped_system_frees_its_store_and_components() -> None:
    system = PerformanceSystem(environment="testing").start()
    parts = [weakref.ref(part) for part in (system.store, system.performance, system.health, system.metrics)]
    system.stop()
    del system
    gc.collect()
    assert [part() for part in parts] == [None] * 4


@pytest.mark.process
def test_a_system_that_outlives_the_interpreter_stops_itself(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from perfkit import PerformanceSystem\n"
        "system = PerformanceSystem({'store': {'directory': sys.argv[1]}})\n"
        "system.on('stopped', lambda system: print('told'))\n"
        "system.start()\n"
        "print('ready')\n"
    )
    began = time.monotonic()
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")
    assert time.monotonic() - began < 90


def test_an_endless_loop_of_systems_leaves_nothing() -> None:
    def once() -> None:
        with PerformanceSystem(environment="testing") as system:
            system.export_metrics()

    once()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        once()
    gc.collect()
    assert len(gc.get_objects()) - before < 200
    assert schedulers() == []

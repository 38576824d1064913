"""A system over fork: the child starts its own, the parent's goes on."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from perfkit.core.names import REQUEST_DURATION
from perfkit.http.instrumentation import Instrumentation
from perfkit.system import PerformanceSystem


def in_a_child(work: Callable[[], object], seconds: int = 90) -> object:
    """Run *work* in a forked child and return the text of its result; a child that hangs is killed."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        signal.alarm(seconds)
        try:
            answer = repr(work())
        except BaseException as error:
            answer = f"raised {error!r}"
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer


def serve(system: PerformanceSystem, count: int) -> None:
    """Count requests as an adapter does."""
    instrumentation = Instrumentation(system)
    for _ in range(count):
        spans = instrumentation.begin()
        if not instrumentation.record("key", time.perf_counter(), spans):
            instrumentation.learn("key", method="GET", route="/", status=200, scheme="http")
            assert instrumentation.record("key", time.perf_counter(), spans)


def requests(system: PerformanceSystem) -> int:
    return system.performance.get_performance_summary().total_requests


def test_the_child_runs_nothing_until_it_starts_its_own() -> None:
    with PerformanceSystem(environment="testing") as system:

        def child() -> object:
            before = system.is_running, system.store.is_open, threading.active_count()
            system.start()
            return *before, system.is_running, system.store.is_open, threading.active_count()

        assert in_a_child(child) == "(False, False, 1, True, True, 2)"
        assert system.is_running


def test_the_child_counts_in_its_own_memory() -> None:
    with PerformanceSystem(environment="testing") as system:
        serve(system, 5)

        def child() -> object:
            serve(system, 3)
            return requests(system)

        assert in_a_child(child) == "3"
        assert requests(system) == 5


def test_the_first_exchange_of_the_child_starts_it() -> None:
    with PerformanceSystem(environment="testing") as system:

        def child() -> object:
            serve(system, 1)
            return system.is_running, system.health.get_health_summary().is_live

        assert in_a_child(child) == "(True, True)"


def test_with_a_directory_parent_and_children_count_together(tmp_path: Path) -> None:
    with PerformanceSystem({"store": {"directory": str(tmp_path)}}, environment="production") as system:
        serve(system, 5)

        def child() -> object:
            serve(system, 3)
            system.stop()
            return None

        for _ in range(3):
            assert in_a_child(child) == "None"
        system.store.tick(system.clock.monotonic())
        assert requests(system) == 14


def test_the_child_may_stop_and_drop_it_without_harm_to_the_parent(tmp_path: Path) -> None:
    system = PerformanceSystem({"store": {"directory": str(tmp_path)}}, environment="production").start()
    serve(system, 5)

    def child() -> object:
        nonlocal system
        system.stop()
        running = system.is_running
        del system
        gc.collect()
        return running

    assert in_a_child(child) == "False"
    serve(system, 1)
    assert requests(system) == 6
    assert system.is_running
    system.stop()


def test_a_lock_held_at_the_fork_does_not_hold_up_the_child() -> None:
    system = PerformanceSystem(environment="testing")
    held, leave = threading.Event(), threading.Event()

    def listener(payload: object) -> None:
        held.set()
        leave.wait(90)

    system.on("initialized", listener)
    starter = threading.Thread(target=system.start)
    starter.start()
    held.wait(90)
    try:
        assert in_a_child(lambda: system.start().is_running) == "True"
    finally:
        leave.set()
        starter.join(90)
    assert system.is_running
    system.stop()


def test_the_names_of_what_is_counted_are_the_same_in_the_child() -> None:
    with PerformanceSystem(environment="testing") as system:
        serve(system, 1)

        def child() -> object:
            serve(system, 2)
            (family,) = system.store.families({REQUEST_DURATION.name})
            return [(point.labels[:2], point.value.count) for point in family.points]  # type: ignore[union-attr]

        assert in_a_child(child) == "[(('GET', '/'), 2.0)]"


def test_a_component_that_slept_in_the_parent_wakes_in_the_child_alone() -> None:
    with PerformanceSystem(environment="testing") as system:

        def child() -> object:
            system.start()
            before = "cache" in {job.name for job in system.scheduler.jobs()}
            system.cache.set("key", 1)
            return before, system.cache.get("key")

        assert in_a_child(child) == "(False, 1)"
        assert "cache" not in {job.name for job in system.scheduler.jobs()}

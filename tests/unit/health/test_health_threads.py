"""Registered checks in real threads and on real loops: what hangs, leaks or blocks harms nobody."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from patience import until

from perfkit.core.checks import CheckResult
from perfkit.core.context import Context
from perfkit.core.errors import LifecycleError
from perfkit.core.status import Status
from perfkit.health import CheckSnapshot, HealthChecker
from perfkit.health.heartbeat import LoopHeartbeat
from perfkit.health.registered.runner import MOST_HUNG, MOST_THREADS
from perfkit.health.settings import HealthSettings
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What the checks that hang wait for; they go on at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def health() -> Iterator[HealthChecker]:
    checker = HealthChecker(context=Context(store=Store(StoreSettings(mode="memory"))))
    yield checker
    checker.stop()


def check(health: HealthChecker, name: str) -> CheckSnapshot:
    return next(each for each in health.get_health_summary().checks if each.name == name)


def ticking(health: HealthChecker) -> HealthChecker:
    """Tick as the scheduler would, but now."""
    health.tick(time.monotonic())
    return health


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("perfkit-health")]


def test_without_a_registered_check_there_is_no_thread(health: HealthChecker) -> None:
    before = len(our_threads())
    health.start()
    ticking(health)
    assert len(our_threads()) == before


def test_what_hangs_starves_nobody_and_its_threads_are_bounded(
    health: HealthChecker, released: threading.Event
) -> None:
    before = len(our_threads())
    for number in range(MOST_THREADS + 2):
        health.register_health_check(f"stuck {number}", released.wait, timeout=0.05, interval=1.0)
    health.register_health_check("well", bool, interval=1.0)
    health.register_health_check("fine", lambda: True, interval=1.0)
    health.start()
    until(lambda: check(ticking(health), "fine").status, lambda status: status is Status.HEALTHY)
    for number in range(MOST_THREADS + 2):
        name = f"stuck {number}"
        until(lambda name=name: check(ticking(health), name).message, lambda said: said == "timeout after 0.05 s")
    assert len(our_threads()) - before <= MOST_THREADS + MOST_HUNG
    began = time.monotonic()
    health.stop()
    assert time.monotonic() - began < 5.0
    released.set()
    until(lambda: len(our_threads()) <= before)


def test_a_tick_is_quick_whatever_the_checks_do(health: HealthChecker) -> None:
    for number in range(20):
        health.register_health_check(f"slow {number}", lambda: time.sleep(0.3), interval=1.0)
    health.start()
    began = time.thread_time()
    for _ in range(20):
        ticking(health)
    assert (time.thread_time() - began) / 20 < 0.05


def test_a_check_that_leaks_threads_leaks_one_a_run_and_no_more(
    health: HealthChecker, released: threading.Event
) -> None:
    leaked: list[threading.Thread] = []

    def leak() -> bool:
        thread = threading.Thread(target=released.wait, daemon=True)
        thread.start()
        leaked.append(thread)
        return True

    health.register_health_check("leaky", leak, interval=3600.0)
    health.start()
    until(lambda: check(ticking(health), "leaky").status is Status.HEALTHY)
    for _ in range(50):
        ticking(health)
    assert len(leaked) == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError])
def test_no_error_ends_the_thread(health: HealthChecker, error: type[BaseException]) -> None:
    def raising() -> None:
        raise error

    health.register_health_check("raising", raising)
    assert health.run_check("raising").message == f"the check raised {error.__name__}"
    health.register_health_check("after", lambda: "healthy")
    assert health.run_check("after").status is Status.HEALTHY


def test_a_coroutine_function_runs_without_a_loop_of_the_app(health: HealthChecker) -> None:
    async def ask() -> str:
        await asyncio.sleep(0)
        return "healthy"

    health.register_health_check("later", ask)
    assert health.run_check("later") == CheckResult(Status.HEALTHY)


def test_run_check_gives_up_after_the_timeout(health: HealthChecker, released: threading.Event) -> None:
    health.register_health_check("stuck", released.wait, timeout=0.05)
    for _ in range(3):
        assert health.run_check("stuck") == CheckResult(Status.CRITICAL, "timeout after 0.05 s")
    assert check(health, "stuck").timeouts == 1


@pytest.mark.anyio
async def test_on_the_app_s_loop_a_coroutine_check_runs_there_and_is_cancelled_when_late() -> None:
    context = Context(store=Store(StoreSettings(mode="memory")))
    health = HealthChecker(context=context)
    context.loops.enter()
    seen: list[object] = []

    async def ask() -> bool:
        seen.append(asyncio.get_running_loop())
        return True

    async def hang() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append("cancelled")

    health.register_health_check("quick", ask)
    health.register_health_check("hangs", hang, timeout=0.05)
    health.start()
    try:
        async with asyncio.timeout(60):
            while "cancelled" not in seen or check(health, "quick").status is not Status.HEALTHY:
                ticking(health)
                await asyncio.sleep(0.02)
        assert asyncio.get_running_loop() in seen
        assert check(health, "hangs").status is Status.CRITICAL
        assert check(health, "event_loop").name == "event_loop"
    finally:
        health.stop()


@pytest.mark.anyio
async def test_arun_check_runs_on_the_caller_s_loop_and_run_check_refuses_to_block_it() -> None:
    health = HealthChecker(clock=FakeClock())

    async def ask() -> dict[str, str]:
        return {"status": "warning", "message": str(id(asyncio.get_running_loop()))}

    health.register_health_check("later", ask)
    assert await health.arun_check("later") == CheckResult(Status.WARNING, str(id(asyncio.get_running_loop())))
    with pytest.raises(LifecycleError, match="arun_check"):
        health.run_check("later")
    health.register_health_check("now", lambda: True)
    assert (await health.arun_check("now")).status is Status.HEALTHY
    health.stop()


@pytest.mark.anyio
async def test_a_loop_that_owes_its_mark_is_late_and_at_last_stuck() -> None:
    clock = FakeClock()
    context = Context(store=Store(StoreSettings(mode="memory"), clock=clock), clock=clock)
    heart = LoopHeartbeat(context.loops, clock, HealthSettings())
    assert heart.check().status is Status.UNKNOWN
    context.loops.enter()
    assert heart.check().status is Status.HEALTHY
    for seconds, status in ((0.9, Status.HEALTHY), (0.2, Status.WARNING), (5.0, Status.CRITICAL)):
        clock.advance(seconds)
        assert heart.check().status is status
    assert not heart.is_stuck()
    clock.advance(30.0)
    assert heart.is_stuck()
    await asyncio.sleep(0)
    assert not heart.is_stuck()
    assert heart.check().status is Status.CRITICAL  # this is how late the last mark was
    await asyncio.sleep(0)
    assert heart.check().status is Status.HEALTHY

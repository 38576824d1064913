"""Runs one check, or all, now: for people, tests and management commands. The scheduler never waits like this."""

from __future__ import annotations

import contextlib
import threading

from perfkit.core.checks import CheckResult
from perfkit.core.errors import LifecycleError
from perfkit.health.registered.record import Record
from perfkit.health.registered.roster import Roster

__all__ = ["arun", "run", "run_all"]

GRACE = 0.05
"""Seconds over its timeout that a run is waited for."""

IN_LINE = 1.0
"""Seconds more for a run that may still wait for a thread."""


def run(roster: Roster, name: str) -> CheckResult:
    """Run the check *name* and return what it answered."""
    _refuse_in_a_loop(roster, name)
    over = threading.Event()
    record = roster.start_now(name, None, over.set)
    _wait(roster, record, over)
    return record.last


def run_all(roster: Roster) -> None:
    """Run all registered checks side by side."""
    waiting = []
    for name in list(roster.records):
        _refuse_in_a_loop(roster, name)
    for name in list(roster.records):
        over = threading.Event()
        waiting.append((roster.start_now(name, None, over.set), over))
    for record, over in waiting:
        _wait(roster, record, over)


async def arun(roster: Roster, name: str) -> CheckResult:
    """Run the check *name* and return what it answered; a coroutine function on the loop of the caller."""
    import asyncio

    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def tell() -> None:
        loop.call_soon_threadsafe(over.set)

    async def wait(seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), seconds)
        return over.is_set()

    record = roster.start_now(name, loop, tell)
    if not await wait(record.registration.timeout + GRACE):
        if _is_in_line(record):
            await wait(IN_LINE)
        roster.expire(record)
    return record.last


def _wait(roster: Roster, record: Record, over: threading.Event) -> None:
    if not over.wait(record.registration.timeout + GRACE):
        if _is_in_line(record):
            over.wait(IN_LINE)
        roster.expire(record)


def _is_in_line(record: Record) -> bool:
    return record.run is not None and record.run.started_at is None


def _refuse_in_a_loop(roster: Roster, name: str) -> None:
    """Raise if waiting here would keep the loop from answering that the check waits for."""
    registration = roster.registrations.get(name)
    if registration is None or not registration.is_async:
        return
    import asyncio

    if asyncio._get_running_loop() is not None:
        raise LifecycleError(
            f"The health check {name!r} is a coroutine function, run by a blocking method inside a running event loop. "
            f"Blocking here would stop the loop. Write: await health.arun_check({name!r})."
        )

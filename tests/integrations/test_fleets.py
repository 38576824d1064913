"""Several workers count as one service, whatever happens to them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable

import pytest
from fleet import COUNT, SERVERS, Fleet, Load, fleet
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

CASES = [
    *(pytest.param(server, 2_000, id=server) for server in SERVERS),
    *(pytest.param(server, 20_000, id=f"{server}, whole", marks=pytest.mark.acceptance) for server in SERVERS),
]


@pytest.mark.parametrize(("server", "total"), CASES)
def test_requests_are_counted_exactly_whichever_worker_answers(server: str, total: int) -> None:
    with fleet(server) as running:
        load = Load(running.port).run(total)
        assert load.acknowledged == total
        running.settle()
        answers = {running.counted() for _ in range(12)}
        assert len(answers) == 1
        assert load.explains(answers.pop())


def test_killed_workers_lose_nothing_and_counters_never_go_backwards() -> None:
    with fleet("gunicorn") as running:
        load = Load(running.port)
        load.start(200_000)
        killed: list[int] = []
        killer = threading.Thread(target=kill_now_and_then, args=(running, load, killed, 20.0))
        killer.start()
        try:
            scrape_while(killer.is_alive, running)
        finally:
            killer.join()
            load.stop()
        running.settle()
        assert len(killed) >= 3
        assert load.explains(running.counted())
        assert len(running.files()) <= 2 * 4 + 4


def kill_now_and_then(running: Fleet, load: Load, killed: list[int], seconds: float) -> None:
    """Kill a worker now and then, each after requests were answered again; at least three, however long it takes."""
    chance, end = random.Random(7), time.monotonic() + seconds
    while time.monotonic() < end or len(killed) < 3:
        enough = load.acknowledged + 50
        until(lambda enough=enough: load.acknowledged >= enough)  # type: ignore[misc]
        time.sleep(chance.uniform(0.5, 1.5))
        workers = running.workers()
        if len(workers) >= 2:
            killed.append(chance.choice(workers))
            with contextlib.suppress(ProcessLookupError):
                os.kill(killed[-1], signal.SIGKILL)


def scrape_while(is_on: Callable[[], bool], running: Fleet) -> None:
    before: dict[object, float] = {}
    while is_on():
        now = {
            key: value
            for key, value in running.scrape().items()
            if key[0].endswith(("_total", "_count", "_sum", "_bucket"))
        }
        gone_back = {key: (before[key], now.get(key)) for key in before if now.get(key, -1.0) < before[key]}
        assert not gone_back
        before = dict(now)
        time.sleep(0.08)


def test_a_hangup_keeps_the_totals() -> None:
    with fleet("gunicorn") as running:
        before = Load(running.port).run(2000)
        old = set(running.workers())
        running.signal(signal.SIGHUP)
        until(lambda: set(running.workers()) & old, lambda left: not left)
        kept = running.counted()
        assert before.explains(kept)
        after = Load(running.port).run(500)
        assert after.explains(running.counted(), others=kept)


def test_two_services_on_one_host_never_mix() -> None:
    with fleet("uvicorn", service="left") as left, fleet("gunicorn", service="left") as right:
        loads = Load(left.port).run(300), Load(right.port).run(700)
        assert loads[0].explains(left.counted())
        assert loads[1].explains(right.counted())


def test_a_store_without_room_degrades_with_one_warning_and_no_crash() -> None:
    with fleet("uvicorn", env={"PERFKIT_STORE__DIRECTORY": "/proc/perfkit-cannot-be-made"}) as running:
        load = Load(running.port).run(500)
        assert load.acknowledged == 500
        scrapes = [running.scrape() for _ in range(20)]
        assert all(samples[("perfkit_store_degraded", ())] == 1 for samples in scrapes)
        assert any(name == COUNT for samples in scrapes for name, _ in samples)
        warnings = [line for line in running.log.read_text().splitlines() if "perfkit" in line and "store" in line]
        assert 1 <= len(warnings) <= 8

"""Several workers count as one service, whatever happens to them."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from fleet import COUNT, SERVERS, Fleet, Load, fleet

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

CASES = [
    *(pytest.param(server, 2_000, id=server) for server in SERVERS),
    *(pytest.param(server, 20_000, id=f"{server}, whole", marks=pytest.mark.acceptance) for server in SERVERS),
]


@pytest.mark.parametrize(("server", "total"), CASES)
def test_requests_are_counted_exactly_whichever_worker_answers(server: str, total: int) -> None:
    with fleet(server) as running:
        load = Load(running.port).run(total)
        assert load.acknowledged == total
        answers = {running.counted() for _ in range(12)}
        assert len(answers) == 1
        counted = answers.pop()
        if load.attempted == load.acknowledged:
            assert counted == total
        assert load.acknowledged <= counted <= load.attempted
        assert running.in_flight() == 0


def test_killed_workers_lose_nothing_and_counters_never_go_backwards() -> None:
    with fleet("gunicorn") as running:
        load = Load(running.port)
        load.start(200_000)
        killer = threading.Thread(target=kill_now_and_then, args=(running, 20.0))
        killer.start()
        try:
            scrape_and_compare(running, scrapes=200)
        finally:
            killer.join()
            load.stop()
        time.sleep(1.5)
        counted = running.counted()
        assert load.acknowledged <= counted <= load.attempted
        assert load.acknowledged > 1000
        assert running.in_flight() == 0
        assert len(running.files()) <= 2 * 4 + 4


def kill_now_and_then(running: Fleet, seconds: float) -> None:
    chance, end = random.Random(7), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 1.5))
        workers = running.workers()
        if len(workers) >= 2:
            os.kill(chance.choice(workers), signal.SIGKILL)


def scrape_and_compare(running: Fleet, *, scrapes: int) -> None:
    before: dict[object, float] = {}
    for _ in range(scrapes):
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
        Load(running.port).run(2000)
        old = set(running.workers())
        running.signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while set(running.workers()) & old and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not set(running.workers()) & old
        assert running.counted() == 2000
        Load(running.port).run(500)
        assert running.counted() == 2500


def test_two_services_on_one_host_never_mix() -> None:
    with fleet("uvicorn", service="left") as left, fleet("gunicorn", service="left") as right:
        Load(left.port).run(300)
        Load(right.port).run(700)
        assert (left.counted(), right.counted()) == (300, 700)


def test_a_store_without_room_degrades_with_one_warning_and_no_crash() -> None:
    with fleet("uvicorn", env={"PERFKIT_STORE__DIRECTORY": "/proc/perfkit-cannot-be-made"}) as running:
        load = Load(running.port).run(500)
        assert load.acknowledged == 500
        scrapes = [running.scrape() for _ in range(20)]
        assert all(samples[("perfkit_store_degraded", ())] == 1 for samples in scrapes)
        assert any(name == COUNT for samples in scrapes for name, _ in samples)
        warnings = [line for line in running.log.read_text().splitlines() if "perfkit" in line and "store" in line]
        assert 1 <= len(warnings) <= 8

"""Several workers count as one service, whatever happens to them."""

from __future__ import annotations

import signal

import pytest
from fleet import COUNT, SERVERS, Load, fleet
from fleet_deaths import survive_deaths
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


DEATHS = [
    pytest.param("gunicorn", 8.0, 60, id="gunicorn"),
    *(
        pytest.param(server, 10.0, 200, id=f"{server}, whole", marks=pytest.mark.acceptance)
        for server in ("uvicorn", "gunicorn", "gunicorn --preload", "gunicorn --max-requests 200")
    ),
]


@pytest.mark.parametrize(("server", "seconds", "scrapes"), DEATHS)
def test_killed_workers_lose_nothing_that_was_answered_and_no_counter_goes_back(
    server: str, seconds: float, scrapes: int
) -> None:
    with fleet(server) as running:
        survive_deaths(running, "/items/{number}", "/items/{item_id}", seconds=seconds, scrapes=scrapes)


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

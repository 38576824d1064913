"""Several workers that serve Django count as one service, whatever happens to them."""

from __future__ import annotations

import signal
import threading

import pytest
from fleet import PATIENT, Load, fleet
from fleet_deaths import survive_deaths
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

GUNICORN = "-m gunicorn django_fleet:application -b 127.0.0.1:{port} -w 4 --timeout 120"
UVICORN = " ".join(
    ["-m uvicorn django_fleet:asgi --port {port} --workers 4 --lifespan off --log-level warning", *PATIENT]
)

SERVERS = {
    "gunicorn": GUNICORN,
    "gunicorn --threads 8": f"{GUNICORN} --threads 8",
    "gunicorn --preload": f"{GUNICORN} --preload",
    "gunicorn --max-requests 200": f"{GUNICORN} --max-requests 200",
    "granian": "-m granian --interface wsgi django_fleet:application --port {port} --workers 4 --no-log",
    "uvicorn": UVICORN,
}
ROUTES = {"items": "/items/<int:item_id>", "aitems": "/aitems/<int:item_id>"}

CASES = [
    *(pytest.param(server, 2_000, id=server) for server in SERVERS),
    *(pytest.param(server, 20_000, id=f"{server}, whole", marks=pytest.mark.acceptance) for server in SERVERS),
]


@pytest.mark.parametrize(("server", "total"), CASES)
def test_requests_are_counted_exactly_whichever_worker_answers(server: str, total: int) -> None:
    view = "aitems" if server == "uvicorn" else "items"
    with fleet(SERVERS[server]) as running:
        load = Load(running.port, path=f"/{view}/{{number}}").run(total)
        assert load.acknowledged == total
        answers = {running.counted(ROUTES[view]) for _ in range(12)}
        assert len(answers) == 1, answers
        found = answers.pop()
        if load.attempted == load.acknowledged:
            assert found == total
        assert load.acknowledged <= found <= load.attempted
        assert running.in_flight() == 0


DEATHS = [
    pytest.param("gunicorn --preload", 4.0, 20, id="gunicorn --preload"),
    *(
        pytest.param(server, 10.0, 200, id=f"{server}, whole", marks=pytest.mark.acceptance)
        for server in ("gunicorn", "gunicorn --threads 8", "uvicorn")
    ),
]


@pytest.mark.parametrize(("server", "seconds", "scrapes"), DEATHS)
def test_killed_workers_lose_nothing_that_was_answered_and_no_counter_goes_back(
    server: str, seconds: float, scrapes: int
) -> None:
    view = "aitems" if server == "uvicorn" else "items"
    with fleet(SERVERS[server]) as running:
        survive_deaths(running, f"/{view}/{{number}}", ROUTES[view], seconds=seconds, scrapes=scrapes)


def test_a_hangup_keeps_the_totals() -> None:
    with fleet(SERVERS["gunicorn"]) as running:
        Load(running.port).run(1000)
        old = set(running.workers())
        running.signal(signal.SIGHUP)
        until(running.workers, lambda found: found and not set(found) & old)
        Load(running.port).run(500)
        assert running.counted(ROUTES["items"]) == 1500


def test_sync_and_async_views_are_counted_side_by_side() -> None:
    with fleet(SERVERS["uvicorn"]) as running:
        loads = [Load(running.port, path=f"/{view}/{{number}}") for view in ROUTES]
        threads = [threading.Thread(target=load.run, args=(200,), kwargs={"threads": 2}) for load in loads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert [running.counted(route) for route in ROUTES.values()] == [200, 200]

"""Several workers of WSGI servers count as one service, whatever happens to them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import fleet_wsgi_app
import pytest
from fleet import COUNT, TOKEN, Load, fleet
from fleet_deaths import survive_deaths
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

GUNICORN = "-m gunicorn fleet_wsgi_app:app -b 127.0.0.1:{port} -w 4 --timeout 120"

GRANIAN = "-m granian --interface wsgi fleet_wsgi_app:app --port {port} --workers 4 --no-log"
UWSGI = " ".join(
    [
        *(str(Path(sys.executable).with_name("uwsgi")), "--http-socket", "127.0.0.1:{port}"),
        *("--module", "fleet_wsgi_app:app", "--master", "--processes", "4", "--enable-threads", "--need-app"),
        # It ends with SIGTERM, and says that it closes each connection, as it does.
        *("--die-on-term", "--disable-logging", "--add-header", "Connection:close"),
    ]
)

SERVERS = {
    "gunicorn": GUNICORN,
    "gunicorn --threads 8": f"{GUNICORN} --threads 8",
    "gunicorn --preload": f"{GUNICORN} --preload",
    "gunicorn --max-requests 200": f"{GUNICORN} --max-requests 200",
    "granian": GRANIAN,
    "granian --blocking-threads 4": GRANIAN.replace("--workers 4", "--workers 2 --blocking-threads 4"),
    "uwsgi": UWSGI,
}
ROUTES = {"items": "/items/<item_id>", "streams": "/streams/<item_id>"}

CASES = [
    *(pytest.param(server, 2_000, id=server) for server in SERVERS),
    *(pytest.param(server, 20_000, id=f"{server}, whole", marks=pytest.mark.acceptance) for server in SERVERS),
]


@pytest.mark.parametrize(("server", "total"), CASES)
def test_requests_are_counted_exactly_whichever_worker_answers(server: str, total: int) -> None:
    with fleet(SERVERS[server]) as running:
        load = Load(running.port).run(total)
        assert load.acknowledged == total
        running.settle()
        answers = {running.counted(ROUTES["items"]) for _ in range(12)}
        assert len(answers) == 1, answers
        assert load.explains(answers.pop())


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn --threads 8", "granian", "uwsgi"])
def test_streams_without_a_length_are_counted_when_their_end_is_seen(server: str) -> None:
    with fleet(SERVERS[server]) as running:
        load = Load(running.port, path="/streams/{number}").run(500)
        assert load.explains(running.counted(ROUTES["streams"]))
        assert running.in_flight() == 0


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn --threads 8", "granian", "uwsgi"])
def test_an_app_without_a_framework_answers_in_pieces_and_with_files(server: str) -> None:
    with fleet(SERVERS[server].replace(":app", ":plain")) as running:
        assert running.get("/items/1") == (200, "hello")
        assert running.get("/items/pieces") == (200, "onetwo")
        assert running.get("/nowhere")[0] == 404
        asked = 3
        if server != "granian":  # which has no file wrapper
            assert running.get("/items/file") == (200, Path(fleet_wsgi_app.__file__).read_text())
            asked = 4
        assert sum(value for (name, _), value in running.scrape().items() if name == COUNT) == asked
        assert running.in_flight() == 0


# Without that option granian ends as a whole when a worker dies.
MORTAL = SERVERS | {"granian": f"{GRANIAN} --respawn-failed-workers --respawn-interval 0.1"}
DEATHS = [
    *(pytest.param(server, 4.0, 20, id=server) for server in ("gunicorn", "gunicorn --threads 8")),
    *(
        pytest.param(server, 10.0, 200, id=f"{server}, whole", marks=pytest.mark.acceptance)
        for server in MORTAL
        if "--blocking-threads" not in server
    ),
]


@pytest.mark.parametrize(("server", "seconds", "scrapes"), DEATHS)
def test_killed_workers_lose_nothing_that_was_answered_and_no_counter_goes_back(
    server: str, seconds: float, scrapes: int
) -> None:
    least_age = 6.0 if server == "granian" else 0.0  # else it takes it for a crash loop and ends
    with fleet(MORTAL[server]) as running:
        survive_deaths(
            running, "/items/{number}", ROUTES["items"], seconds=seconds, scrapes=scrapes, least_age=least_age
        )


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_a_hangup_keeps_the_totals(server: str) -> None:
    with fleet(SERVERS[server]) as running:
        before = Load(running.port).run(1000)
        old = set(running.workers())
        running.signal(signal.SIGHUP)
        until(running.workers, lambda found: found and not set(found) & old)
        kept = running.counted(ROUTES["items"])
        assert before.explains(kept)
        after = Load(running.port).run(500)
        running.settle()
        assert after.explains(running.counted(ROUTES["items"]), others=kept)


def test_the_token_stays_out_of_the_access_log() -> None:
    with fleet(f"{GUNICORN} --access-logfile -", env={"PERFKIT_HTTP__LOG_PROBES": "true"}) as running:
        assert running.get(f"/metrics?t={TOKEN}&name[]=none")[0] == 200
        assert running.get("/items/1?seen=yes") == (200, "1")
        log = until(running.log.read_text, lambda text: "/items/1?seen=yes" in text)
        assert "/metrics?name[]=none" in log
        assert TOKEN not in log

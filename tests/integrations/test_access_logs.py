"""Probes and scrapes are kept out of the access logs of real servers, but for those that fail."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from fleet import TOKEN, Fleet, started
from patience import until

from perfkit.cli.main import main
from perfkit.health.accesslog import LOGGERS, ProbeFilter

UVICORN = "-m uvicorn fleet_app:app --port {port}"
SERVERS = {
    "uvicorn": UVICORN,
    "uvicorn below a path": f"{UVICORN} --root-path /shop",
    "gunicorn": "-m gunicorn fleet_wsgi_app:app -b 127.0.0.1:{port} -w 1 --access-logfile - --timeout 120",
    "gunicorn with uvicorn": "-m gunicorn fleet_app:app -b 127.0.0.1:{port} -w 1 -k uvicorn_worker.UvicornWorker "
    "--access-logfile - --timeout 120",
    "hypercorn": "-m hypercorn fleet_app:app -b 127.0.0.1:{port} --access-logfile -",
}


def lines(running: Fleet, path: str) -> list[str]:
    """Return the statuses that the server's access log has for *path*."""
    return re.findall(rf'"?GET (?:/shop)?{re.escape(path)} [^"]*"? (\d\d\d)', running.log.read_text())


@pytest.mark.server
@pytest.mark.timeout(200)
@pytest.mark.parametrize("server", SERVERS)
def test_good_answers_to_probes_are_left_out_and_failures_are_not(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(SERVERS[server].split(), {}) as running:
        for path in ("/health/live", "/health/ready", "/health", "/metrics", "/health/ready"):
            assert running.get(path, token=True)[0] == 200
        assert running.get("/items/1")[0] == 200
        until(lambda: lines(running, "/items/1"), lambda found: found == ["200"])
        assert [lines(running, path) for path in ("/health/ready", "/health", "/metrics")] == [[], [], []]
        monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
        assert main(["drain", f"127.0.0.1:{running.port}"]) == 0
        assert running.get("/health/ready")[0] == 503
        until(lambda: lines(running, "/health/ready"), lambda found: found == ["503"])


@pytest.mark.server
def test_they_stay_where_they_are_wanted() -> None:
    with started(UVICORN.split(), {"PERFKIT_HTTP__LOG_PROBES": "true"}) as running:
        assert running.get("/health/ready")[0] == 200
        until(lambda: lines(running, "/health/ready"), lambda found: "200" in found)


PATHS = frozenset({"/health", "/health/ready", "/metrics"})
RECORDS: list[tuple[Any, bool]] = [
    (("127.0.0.1:5", "GET", "/health/ready", "1.1", 200), False),
    (("127.0.0.1:5", "GET", "/metrics?name[]=x", "1.1", 200), False),
    (("127.0.0.1:5", "GET", "/shop/health", "1.1", 200), False),
    (("127.0.0.1:5", "GET", "/health/ready", "1.1", 503), True),
    (("127.0.0.1:5", "GET", "/items/health", "1.1", 200), True),
    (("127.0.0.1:5", "GET", "/health/ready/more", "1.1", 200), True),
    (({"U": "/health", "s": "200"},), False),
    (({"U": "/health", "s": 404},), True),
    (({"h": "127.0.0.1"},), True),
    (("GET /health HTTP/1.1", "200", "12"), False),
    (("GET /health HTTP/1.1", "500", "12"), True),
    (("\x16\x03", "400", "-"), True),
    ((), True),
    (("one",), True),
    (((), None, object()), True),
    ((1, 2, 3, 4, 5), True),
]


@pytest.mark.parametrize(("arguments", "stays"), RECORDS)
def test_lines_of_all_kinds_are_told_apart(arguments: Any, stays: bool) -> None:
    record = logging.LogRecord("uvicorn.access", logging.INFO, "file", 1, "%s", arguments, None)
    assert ProbeFilter(PATHS, "http://127.0.0.1:8000/shop").filter(record) is stays


def test_the_filter_goes_with_its_owner() -> None:
    class Owner:
        pass

    owner = Owner()
    kept = ProbeFilter(PATHS)
    kept.add_to_loggers(owner)
    assert all(kept in logging.getLogger(name).filters for name in LOGGERS)
    del owner
    assert not any(kept in logging.getLogger(name).filters for name in LOGGERS)

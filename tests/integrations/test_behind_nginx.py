"""Behind a plain nginx on the same machine everybody looks local, and nobody is."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import TOKEN, Load
from nginx_server import NEEDS_NGINX, command_of
from patience import until
from ports import reserved_port
from processes import stop
from served import served

pytestmark = [
    pytest.mark.server,
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
    NEEDS_NGINX,
]

# As people write it who have read no more than its first page: no Host, no X-Forwarded-For.
PLAIN = "location / {{ proxy_pass http://127.0.0.1:{app}; }}"


def ask(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


@contextlib.contextmanager
def nginx(folder: Path, app: int) -> Iterator[int]:
    with reserved_port() as port, (folder / "output").open("wb") as output:
        command = command_of(folder, port, PLAIN.format(app=app))
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            until(lambda: ask(port, "/health/live")[0], lambda status: status == 200)
            yield port
        finally:
            stop(process)


def test_a_stranger_behind_a_plain_proxy_gets_the_apps_own_404(tmp_path: Path) -> None:
    with served(environment="production") as running, nginx(tmp_path, running.port) as port:
        unknown = ask(port, "/no/such/page")
        assert unknown[0] == 404
        for path in ("/metrics", "/perfkit", "/perfkit/", "/perfkit/api/overview"):
            assert ask(port, path) == unknown, path
        status, health = ask(port, "/health", {"accept": "application/health+json"})
        assert (status, set(json.loads(health))) == (200, {"status"})
        token = {"authorization": f"Bearer {TOKEN}"}
        assert ask(port, "/perfkit/", token)[0] == 200
        assert "http_server_request_duration_seconds_count" in ask(port, "/metrics", token)[1]


def test_what_passed_a_proxy_is_counted_exactly(tmp_path: Path) -> None:
    with served(workers=2, environment="production") as running, nginx(tmp_path, running.port) as port:
        load = Load(port, "/pid").run(2_000)
        assert load.acknowledged == 2_000
        running.settle()
        assert load.explains(running.counted("/pid"))

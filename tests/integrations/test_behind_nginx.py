"""Behind a plain nginx on the same machine everybody looks local, and nobody is."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import TOKEN, Load
from patience import until
from ports import reserved_port
from processes import stop
from served import served

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

pytestmark = [
    pytest.mark.server,
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
    pytest.mark.skipif(NGINX is None, reason="nginx is missing: install nginx-light"),
]

# As people write it who have read no more than its first page: no Host, no X-Forwarded-For.
PLAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{app}; }}
    }}
}}
"""


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
    assert NGINX is not None
    with reserved_port() as port, (folder / "output").open("wb") as output:
        (folder / "nginx.conf").write_text(PLAIN.format(folder=folder, port=port, app=app))
        command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
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

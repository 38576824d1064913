"""Workers of real servers find the same directory, each a file of its own, and no request is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.server

APP = """
import json
from perfkit.core.families import Definition, MetricType
from perfkit.store import Store

HITS = Definition(name="hits_total", type=MetricType.COUNTER)
store = Store(service="probe", origin=__file__)
row = store.row(HITS)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    store.open()
    store.add(row, 1.0)
    total = store.families({"hits_total"})[0].points[0].value
    body = json.dumps([store.number, str(store.directory), total, store.degraded]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
"""

GUNICORN = ["gunicorn", "probe:app", "-k", "uvicorn_worker.UvicornWorker", "-w", "2", "-b", "127.0.0.1:{port}"]
SERVERS = {
    "uvicorn": ["uvicorn", "probe:app", "--port", "{port}", "--workers", "2"],
    "gunicorn": GUNICORN,
    "gunicorn-preload": [*GUNICORN, "--preload"],
    "gunicorn-renamed": [*GUNICORN, "-n", "renamed"],
    "hypercorn": ["hypercorn", "probe:app", "-w", "2", "-b", "127.0.0.1:{port}"],
    "granian": ["granian", "--interface", "asgi", "--workers", "2", "--port", "{port}", "probe:app"],
}
REQUESTS = 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int) -> list[Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        found: list[Any] = json.load(answer)
        return found


def first_answer(port: int) -> list[Any]:
    until = time.monotonic() + 30
    while True:
        try:
            return ask(port)
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < until
            time.sleep(0.1)


def serve(command: list[str], folder: Path) -> Iterator[int]:
    (folder / "probe.py").write_text(APP)
    port = free_port()
    program = [str(Path(sys.executable).with_name(command[0])), *(part.format(port=port) for part in command[1:])]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(program, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(15)


@pytest.mark.parametrize("name", SERVERS)
def test_workers_of_a_server_share_their_numbers(name: str, tmp_path: Path) -> None:
    for port in serve(SERVERS[name], tmp_path):
        answers = [first_answer(port)]
        time.sleep(0.5)
        answers += [ask(port) for _ in range(REQUESTS - 1)]
        directories = {directory for _, directory, _, _ in answers}
        totals = [total for _, _, total, _ in answers]
        assert len(directories) == 1
        assert {degraded for *_, degraded in answers} == {""}
        assert totals == [float(total) for total in range(1, REQUESTS + 1)]
        assert {number for number, *_ in answers} <= {1, 2}
        assert directories != {"None"}
    shutil.rmtree(directories.pop())


def test_a_server_with_one_process_stays_in_memory(tmp_path: Path) -> None:
    for port in serve(["uvicorn", "probe:app", "--port", "{port}"], tmp_path):
        assert first_answer(port) == [0, "None", 1.0, ""]

"""Workers of real servers find the same directory, each a file of its own, and no request is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from patience import until
from ports import reserved_port
from processes import stop

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

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


def ask(port: int) -> list[Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        found: list[Any] = json.load(answer)
        return found


def first_answer(port: int) -> list[Any]:
    def answered() -> list[Any]:
        try:
            return ask(port)
        except (urllib.error.URLError, ConnectionError):
            return []

    return until(answered)


@contextmanager
def serve(command: list[str], folder: Path) -> Iterator[int]:
    (folder / "probe.py").write_text(APP)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with reserved_port() as port:
        program = [str(Path(sys.executable).with_name(command[0])), *(part.format(port=port) for part in command[1:])]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                program, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield port
        finally:
            stop(server)


@pytest.mark.parametrize("name", SERVERS)
def test_workers_of_a_server_share_their_numbers(name: str, tmp_path: Path) -> None:
    with serve(SERVERS[name], tmp_path) as port:
        answers = [first_answer(port)]
        answers += [ask(port) for _ in range(REQUESTS - 1)]
        directories = {directory for _, directory, _, _ in answers}
        totals = [total for _, _, total, _ in answers]
        assert len(directories) == 1
        assert {degraded for *_, degraded in answers} == {""}
        # Who was refused while the server came up was not counted; who was hung up on may have been.
        assert totals == [totals[0] + number for number in range(REQUESTS)]
        assert {number for number, *_ in answers} <= {1, 2}
        assert directories != {"None"}
    shutil.rmtree(directories.pop(), ignore_errors=True)  # another one's start may have removed it


def test_a_server_with_one_process_stays_in_memory(tmp_path: Path) -> None:
    with serve(["uvicorn", "probe:app", "--port", "{port}"], tmp_path) as port:
        number, directory, total, degraded = first_answer(port)
        assert (number, directory, degraded) == (0, "None", "")
        assert total >= 1.0

"""Real servers with several workers, started on a free loopback port and stopped by their ids, and a bounded load."""

from __future__ import annotations

import contextlib
import http.client
import inspect
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvicorn
from patience import PATIENCE, until
from ports import reserved_port
from processes import family_of, stop
from prometheus_client.parser import text_string_to_metric_families

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOKEN = "a-token-for-the-fleet-tests"
COUNT = "http_server_request_duration_seconds_count"

# Servers replace a worker that they think hangs. On a busy machine it does not; it only waits for its turn.
PATIENT = (
    ("--timeout-worker-healthcheck", "120")
    if "timeout_worker_healthcheck" in inspect.signature(uvicorn.Config).parameters
    else ()
)
UVICORN = " ".join(["-m uvicorn fleet_app:app --port {port} --workers 4 --log-level warning", *PATIENT])
GUNICORN = "-m gunicorn fleet_app:app -b 127.0.0.1:{port} -w 4 -k uvicorn_worker.UvicornWorker --timeout 120"

SERVERS = {
    "uvicorn": UVICORN,
    "gunicorn": GUNICORN,
    "gunicorn --preload": f"{GUNICORN} --preload",
    "gunicorn --max-requests 200": f"{GUNICORN} --max-requests 200",
}


@dataclass
class Fleet:
    """A running server with its workers."""

    process: subprocess.Popen[bytes]
    port: int
    root: Path
    log: Path

    def get(self, path: str, *, token: bool = False) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {TOKEN}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def scrape(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return every sample of /metrics by name and labels; try again while a worker is being replaced."""
        give_up_at, status, text = time.monotonic() + PATIENCE, 0, ""
        while status != 200:
            assert time.monotonic() < give_up_at, f"/metrics did not answer: {status}\n{self.log.read_text()[-3000:]}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, text = self.get("/metrics", token=True)
            if status != 200:
                time.sleep(0.1)
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def counted(self, route: str = "/items/{item_id}") -> int:
        samples = self.scrape()
        return int(sum(v for (name, labels), v in samples.items() if name == COUNT and ("http_route", route) in labels))

    def in_flight(self) -> float:
        return self.scrape()[("http_server_active_requests", ())]

    def settle(self) -> None:
        """Wait until no request is open any more; one whose client gave up, or whose worker died, may still be."""
        until(self.in_flight, lambda number: number == 0)

    def workers(self) -> list[int]:
        """Return the ids of the server's children that serve requests; one that has just died is none of them."""
        serving = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):  # gone, or not yet reaped
                    if "resource_tracker" not in " ".join(child.cmdline()):
                        serving.append(child.pid)
        return serving

    def directories(self) -> set[Path]:
        """Return the directories of the stores that the server's processes have open."""
        files: list[Path] = []
        for process in family_of(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                files += [Path(file.path) for file in process.open_files()]
        return {file.parent for file in files if file.match("w-*.val")}

    def files(self) -> list[Path]:
        """Return the files of all workers that live and of those that are dead."""
        return [file for directory in self.directories() for file in directory.glob("w-*.val")]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextlib.contextmanager
def fleet(server: str, *, service: str = "fleet", env: dict[str, str] | None = None) -> Iterator[Fleet]:
    """Run *server* of `SERVERS`; its store lies in a temporary folder; everything is gone at the end.

    A server that is not among them is a command line of Python's, with ``{port}`` in it.
    """
    arguments = SERVERS.get(server, server).split()
    with started(arguments, {"FLEET_SERVICE": service, **(env or {})}) as running:
        yield running


@contextlib.contextmanager
def started(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    *,
    workers: int = 0,
    before: Callable[[], None] | None = None,
) -> Iterator[Fleet]:
    """Run a server, and wait until it serves; everything of it is gone at the end.

    Args:
        arguments: Python's, with ``{port}`` in one of them.
        variables: For its environment, which has nothing of ours but them and a token.
        workers: How many there must be before it counts as up, where that matters.
        before: Called in the server's process before it runs.
    """
    with reserved_port() as port, tempfile.TemporaryDirectory(prefix="perfkit-fleet-") as folder:
        log = Path(folder, "server.log")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")},
            "PYTHONPATH": os.pathsep.join(map(str, (HERE, ROOT, ROOT / "integrations"))),
            "PERFKIT_TOKEN": TOKEN,
            "TMPDIR": folder,
            **variables,
        }
        command = [sys.executable, *(part.format(port=port) for part in arguments)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True, preexec_fn=before
            )
        running = Fleet(process, port, Path(folder), log)
        try:
            _await_ready(running, workers)
            yield running
        finally:
            stop(process)


def _await_ready(running: Fleet, workers: int) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at and running.process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if running.get("/health/live")[0] == 200 and len(running.workers()) >= workers:
                return
        time.sleep(0.05)
    raise AssertionError(f"the server did not come up:\n{running.log.read_text()[-4000:]}")


@dataclass
class Load:
    """A bounded number of requests from a few threads; its counts are those of this moment."""

    port: int
    path: str = "/items/{number}"
    _attempted: list[int] = field(default_factory=list)
    _acknowledged: list[int] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def attempted(self) -> int:
        """Requests sent, whether answered or not."""
        return sum(self._attempted)

    @property
    def acknowledged(self) -> int:
        """Requests answered with 200."""
        return sum(self._acknowledged)

    def explains(self, counted: float, *, others: int = 0) -> bool:
        """Tell whether a server that loses nothing may have *counted* so many, *others* of them from elsewhere.

        There is one right number where every request got its answer. A server may close a connection just when a
        request is on its way; whether it had counted that one nobody knows.
        """
        return self.acknowledged <= counted - others <= self.attempted

    def run(self, total: int, *, threads: int = 6) -> Load:
        """Send until *total* requests were answered."""
        self.start(total, threads=threads)
        self.join()
        return self

    def start(self, total: int, *, threads: int = 6) -> None:
        shares = [total // threads + (1 if index < total % threads else 0) for index in range(threads)]
        self._attempted, self._acknowledged = [0] * threads, [0] * threads
        self._threads = [threading.Thread(target=self._send, args=each, daemon=True) for each in enumerate(shares)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(600)
            assert not thread.is_alive(), "the load did not end in time"

    def _send(self, thread: int, share: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while self._acknowledged[thread] < share and not self._stop.is_set():
            self._attempted[thread] += 1
            try:
                connection.request("GET", self.path.format(number=self._acknowledged[thread]))
                # Some servers send head and body apart, and wait 40 ms for a word that the head has come.
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                answer = connection.getresponse()
                answer.read()
                self._acknowledged[thread] += answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.01)
        connection.close()

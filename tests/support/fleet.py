"""Real servers with several workers, started on a free loopback port and stopped by their ids, and a bounded load."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOKEN = "a-token-for-the-fleet-tests"
COUNT = "http_server_request_duration_seconds_count"

UVICORN = "-m uvicorn fleet_app:app --port {port} --workers 4 --log-level warning"
GUNICORN = "-m gunicorn fleet_app:app -b 127.0.0.1:{port} -w 4 -k uvicorn_worker.UvicornWorker"

SERVERS = {
    "uvicorn": UVICORN,
    "gunicorn": GUNICORN,
    "gunicorn --preload": f"{GUNICORN} --preload",
    "gunicorn --max-requests 200": f"{GUNICORN} --max-requests 200",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Fleet:
    """A running server with its workers."""

    process: subprocess.Popen[bytes]
    port: int
    root: Path
    log: Path

    def get(self, path: str, *, token: bool = False) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {TOKEN}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def scrape(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return every sample of /metrics by name and labels; try again while a worker is being replaced."""
        for attempt in range(50):
            try:
                status, text = self.get("/metrics", token=True)
            except OSError:
                status, text = 0, ""
            if status == 200:
                break
            time.sleep(0.05 * (1 + attempt % 4))
        else:
            raise AssertionError(f"/metrics did not answer: {status}\n{self.log.read_text()[-3000:]}")
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

    def workers(self) -> list[int]:
        """Return the ids of the server's children that serve requests; one that has just died is none of them."""
        serving = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # gone, or not yet reaped
                if "resource_tracker" not in " ".join(child.cmdline()):
                    serving.append(child.pid)
        return serving

    def files(self) -> list[str]:
        return [str(path) for path in self.root.rglob("w-*.val")]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextlib.contextmanager
def fleet(server: str, *, service: str = "fleet", env: dict[str, str] | None = None) -> Iterator[Fleet]:
    """Run *server* of `SERVERS`; its store lies in a temporary folder; everything is gone at the end."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="perfkit-fleet-") as folder:
        log = Path(folder, "server.log")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (HERE, ROOT, ROOT / "integrations"))),
            "PERFKIT_TOKEN": TOKEN,
            "FLEET_SERVICE": service,
            "TMPDIR": folder,
            **(env or {}),
        }
        command = [sys.executable, *SERVERS[server].format(port=port).split()]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
        running = Fleet(process, port, Path(folder), log)
        try:
            await_ready(running)
            yield running
        finally:
            stop(process)


def await_ready(running: Fleet) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            if running.get("/health/live")[0] == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"the server did not come up:\n{running.log.read_text()[-4000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        pass_on = os.getpgid(process.pid)
        os.killpg(pass_on, signal.SIGKILL)
        process.wait(10)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass
class Load:
    """A bounded number of requests from a few threads.

    Attributes:
        attempted: Requests sent, whether answered or not.
        acknowledged: Requests answered with 200.
    """

    port: int
    path: str = "/items/{number}"
    attempted: int = 0
    acknowledged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def run(self, total: int, *, threads: int = 6) -> Load:
        """Send until *total* requests were answered."""
        self.start(total, threads=threads)
        self.join()
        return self

    def start(self, total: int, *, threads: int = 6) -> None:
        shares = [total // threads + (1 if index < total % threads else 0) for index in range(threads)]
        self._threads = [threading.Thread(target=self._send, args=(share,), daemon=True) for share in shares]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(240)
            assert not thread.is_alive(), "the load did not end in time"

    def _send(self, share: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        acknowledged = attempted = 0
        while acknowledged < share and not self._stop.is_set():
            attempted += 1
            try:
                connection.request("GET", self.path.format(number=acknowledged))
                answer = connection.getresponse()
                answer.read()
                acknowledged += answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.01)
        connection.close()
        with self._lock:
            self.acknowledged += acknowledged
            self.attempted += attempted

"""`perfkit demo` from start to end, as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

pytestmark = pytest.mark.server

START = 40.0
"""Seconds that the demo may take to start on a busy machine."""

END = 20.0
"""Seconds within which it promises to end."""


class RunningDemo:
    """A demo that runs, its addresses by name, and what it writes to stderr."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._messages = folder / "messages"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")}
        with self._messages.open("wb") as messages:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "perfkit.cli", "demo", "--port", "0", *options],
                stdout=subprocess.PIPE,
                stderr=messages,
                env={**environment, "TMPDIR": str(self.temporary)},
                text=True,
            )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().split() for _ in range(4)]
        self.addresses = {words[0]: words[1] for words in lines if len(words) == 2}
        assert set(self.addresses) == {"dashboard", "health", "metrics", "shop"}, self.messages

    @property
    def messages(self) -> str:
        return self._messages.read_text()

    def processes(self) -> list[psutil.Process]:
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def end(self, number: signal.Signals) -> float:
        """Send a signal, and return the seconds until the demo has ended."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - started


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningDemo]]:
    demos: list[RunningDemo] = []

    def start(*options: str) -> RunningDemo:
        demos.append(RunningDemo(tmp_path, *options))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.poll() is None:
            for process in demo.processes():
                process.kill()
        assert demo.process.stdout is not None
        demo.process.stdout.close()
        demo.process.wait()


def get(address: str) -> httpx2.Response:
    return httpx2.get(address, timeout=START, trust_env=False)


def wait_for_text(address: str, wanted: str) -> str:
    """Ask until *wanted* is in the answer, and return the answer."""
    give_up_at = time.monotonic() + START
    text = ""
    while wanted not in text and time.monotonic() < give_up_at:
        text = get(address).text
        time.sleep(0.2)
    assert wanted in text
    return text


@pytest.mark.parametrize(
    ("workers", "number"), [(1, signal.SIGINT), (1, signal.SIGTERM), (2, signal.SIGINT), (2, signal.SIGTERM)]
)
def test_a_demo_answers_everything_and_leaves_nothing(
    start: Callable[..., RunningDemo], workers: int, number: signal.Signals
) -> None:
    demo = start("--workers", str(workers))
    assert get(demo.addresses["shop"] + "about").json()["name"] == "The shop"
    # Beyond the first seconds, in which there is no history yet.
    enough = time.monotonic() + 3.5
    while time.monotonic() < enough:
        for name in ("dashboard", "health", "metrics"):
            assert get(demo.addresses[name]).status_code == 200, f"{name}\n{demo.messages}"
        time.sleep(0.3)
    wait_for_text(demo.addresses["metrics"], 'http_route="/api/v1/products/{product_id}"')
    processes = demo.processes()
    assert len(processes) >= (1 if workers == 1 else 1 + workers)

    took = demo.end(number)

    assert demo.process.returncode == 0, demo.messages
    _, left = psutil.wait_procs(processes, timeout=2)
    assert left == []
    assert list(demo.temporary.iterdir()) == []
    assert took < END
    assert "The visitors sent" in demo.messages
    assert "Traceback" not in demo.messages


def test_a_demo_ends_by_itself_after_its_duration(start: Callable[..., RunningDemo]) -> None:
    demo = start("--duration", "1", "--no-traffic")
    assert demo.process.wait(START) == 0
    assert list(demo.temporary.iterdir()) == []
    assert "visitors" not in demo.messages


def test_a_port_in_use_is_wrong_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = subprocess.run(
            [sys.executable, "-m", "perfkit.cli", "demo", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=START,
            check=False,
        )
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"perfkit demo: Port {port} of 127.0.0.1 is in use.")


def test_a_demo_whose_app_does_not_start_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "perfkit.cli", "demo", "--port", "0"],
        env={**os.environ, "TMPDIR": str(tmp_path), "PERFKIT_METRICS__NO_SUCH_SETTING": "1"},
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
    )
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "The shop's server did not start." in outcome.stderr
    assert list(tmp_path.iterdir()) == []

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

import pytest
from processes import left_of
from prometheus_client.parser import text_string_to_metric_families
from running_demo import START, RunningDemo, get, wait_for_text

from perfkit_demo.described import FRAMEWORKS

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]

LIVE = 10.0
"""Seconds after the server's start within which the dashboard shows the visitors, on a quiet machine."""

END = 60.0
"""Seconds that its end may take on one; it promises five on a quiet one."""

PRODUCT = {
    "fastapi": "/api/v1/products/{product_id}",
    "flask": "/api/v1/products/<int:product_id>",
    "django": "/api/v1/products/<int:product_id>",
}
"""A route as each framework writes it."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningDemo]]:
    demos: list[RunningDemo] = []

    def start(*options: str) -> RunningDemo:
        demos.append(RunningDemo(tmp_path, *options))
        return demos[-1]

    yield start
    for demo in demos:
        demo.kill()


def routes_in(metrics: str) -> set[str]:
    return {
        sample.labels["http_route"]
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if "http_route" in sample.labels
    }


@pytest.mark.parametrize(
    ("framework", "workers", "number"),
    [
        ("fastapi", 1, signal.SIGINT),
        ("fastapi", 1, signal.SIGTERM),
        ("fastapi", 2, signal.SIGINT),
        ("fastapi", 2, signal.SIGTERM),
        ("flask", 1, signal.SIGTERM),
        ("flask", 2, signal.SIGINT),
        ("django", 1, signal.SIGINT),
        ("django", 2, signal.SIGTERM),
    ],
)
def test_a_demo_answers_everything_and_leaves_nothing(
    start: Callable[..., RunningDemo], framework: str, workers: int, number: signal.Signals
) -> None:
    demo = start("--framework", framework, "--workers", str(workers))
    assert get(demo.addresses["shop"] + "about").json()["name"] == "The shop"
    wait_for_text(demo.addresses["dashboard"], "GET+%2Fhome")
    # Beyond the first seconds, in which there is no history yet.
    enough = time.monotonic() + 3.5
    while time.monotonic() < enough:
        for name in ("dashboard", "health", "metrics"):
            assert get(demo.addresses[name]).status_code == 200, f"{name}\n{demo.messages}"
        time.sleep(0.3)
    metrics = wait_for_text(demo.addresses["metrics"], f'http_route="{PRODUCT[framework]}"')
    assert routes_in(metrics) >= {PRODUCT[framework], "/home", "/about"}
    processes = demo.processes()
    assert len(processes) >= (1 if (framework, workers) == ("fastapi", 1) else 1 + workers)

    demo.process.send_signal(number)

    assert demo.process.wait(END) == 0, demo.messages
    assert left_of(processes) == []
    assert demo.left_behind == []
    assert "The visitors sent" in demo.messages
    assert "Traceback" not in demo.messages


@pytest.mark.acceptance
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_dashboard_shows_the_visitors_within_ten_seconds(start: Callable[..., RunningDemo], framework: str) -> None:
    demo = start("--framework", framework)
    started = time.monotonic()
    wait_for_text(demo.addresses["dashboard"], "GET+%2Fhome")
    assert time.monotonic() - started < LIVE, demo.messages


def test_a_demo_ends_by_itself_after_its_duration(start: Callable[..., RunningDemo]) -> None:
    demo = start("--duration", "1", "--no-traffic")
    assert demo.process.wait(START) == 0
    assert demo.left_behind == []
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


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_demo_whose_app_does_not_start_says_so_and_leaves_nothing(tmp_path: Path, framework: str) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "perfkit.cli", "demo", "--framework", framework, "--port", "0"],
        env={**os.environ, "TMPDIR": str(tmp_path), "PERFKIT_METRICS__NO_SUCH_SETTING": "1"},
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
    )
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "The shop's server did not start." in outcome.stderr
    assert "no_such_setting" in outcome.stderr.lower()
    assert list(tmp_path.iterdir()) == []

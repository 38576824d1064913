"""The commands that read a running service, against a real one: their exit codes, and what their JSON holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until
from run_service import TOKEN, Running, running

pytestmark = pytest.mark.server

REQUESTS = 60


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service"), "fast:app") as server:
        for number in range(REQUESTS):
            server.get(f"/items/{number}")
        until(lambda: server.overview()["performance"]["requests"], lambda seen: seen == REQUESTS)
        yield server


def perfkit(
    *arguments: str, service: Running | None, token: str = TOKEN, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")}
    if service is not None:
        environment["PERFKIT_URL"] = f"http://127.0.0.1:{service.port}"
    return subprocess.run(
        [sys.executable, "-m", "perfkit.cli", *arguments],
        env={**environment, "PERFKIT_TOKEN": token, **more},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_exit_codes_are_those_of_the_contract(service: Running) -> None:
    assert perfkit("check", "--max-p95", "1h", service=service).returncode == 0
    assert perfkit("check", "--max-p95", "0s", service=service).returncode == 1
    assert perfkit("check", "--max-p95", "soon", service=service).returncode == 2
    assert perfkit("check", "http://127.0.0.1:1", service=None).returncode == 3
    refused = perfkit("check", service=service, token="not-the-token-of-it")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "Give the token" in refused.stderr


def test_ctrl_c_is_130_and_silent(service: Running) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "perfkit.cli", "export", "--format", "ndjson", "--every", "1h"],
        env={**os.environ, "PERFKIT_URL": f"http://127.0.0.1:{service.port}", "PERFKIT_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["kind"] == "service"
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert (process.returncode, messages) == (130, "")


def test_who_reads_us_may_leave(service: Running) -> None:
    command = f"{sys.executable} -m perfkit.cli export --format prometheus | head -1"
    outcome = subprocess.run(
        command,
        shell=True,
        env={**os.environ, "PERFKIT_URL": f"http://127.0.0.1:{service.port}", "PERFKIT_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert outcome.stdout.startswith("# HELP ")
    assert outcome.stderr == ""


@pytest.mark.parametrize("arguments", [("check",), ("advise",)])
def test_what_is_for_programs_is_one_object_with_a_version(service: Running, arguments: tuple[str, ...]) -> None:
    told = json.loads(perfkit(*arguments, "--json", service=service).stdout)
    assert (told["version"], told["command"]) == (1, arguments[0])


def test_every_format_of_an_export_holds_what_was_counted(service: Running) -> None:
    told = json.loads(perfkit("export", service=service).stdout)
    assert {each["route"]: each["requests"] for each in told["performance"]["routes"]}["/items/{number}"] == REQUESTS
    lines = perfkit("export", "--format", "ndjson", service=service).stdout.splitlines()
    routes = [each for line in lines if (each := json.loads(line))["kind"] == "route"]
    assert {each["route"]: each["requests"] for each in routes}["/items/{number}"] == REQUESTS
    count = "http_server_request_duration_seconds_count"
    for kind in ("prometheus", "openmetrics"):
        (line,) = [
            line
            for line in perfkit("export", "--format", kind, service=service).stdout.splitlines()
            if count in line and "{number}" in line
        ]
        assert float(line.split()[-1]) == REQUESTS
    assert count in perfkit("export", "--format", "csv", service=service).stdout
    metrics = json.loads(perfkit("export", "--format", "otlp", service=service).stdout)["resourceMetrics"][0]
    duration = next(
        metric
        for metric in metrics["scopeMetrics"][0]["metrics"]
        if metric["name"] == "http_server_request_duration_seconds"
    )
    (point,) = (point for point in duration["histogram"]["dataPoints"] if "{number}" in json.dumps(point))
    assert int(point["count"]) == REQUESTS == sum(map(int, point["bucketCounts"]))
    assert len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1


def test_a_service_compared_with_itself_is_not_worse(service: Running, tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("before.json", "after.json")]
    for file in files:
        assert perfkit("export", "--output", file, service=service).returncode == 0
    outcome = perfkit("compare", *files, service=None)
    assert (outcome.returncode, outcome.stdout.splitlines()[-1]) == (0, "Not worse.")
    assert perfkit("check", "--no-new-findings", files[0], service=service).returncode == 0


def test_a_report_is_written(service: Running, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert perfkit("report", "-o", str(path), service=service).returncode == 0
    assert "{number}" in path.read_text()


def test_colour_is_there_only_where_it_is_asked_for(service: Running) -> None:
    assert "\x1b" not in perfkit("check", service=service).stdout
    assert "\x1b[32m" in perfkit("check", service=service, FORCE_COLOR="1").stdout
    assert "\x1b[32m" in perfkit("check", "--color", "always", service=service, NO_COLOR="1").stdout

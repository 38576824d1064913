"""The benchmarks of Flask and WSGI run: all contestants took part and counted what they were given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
PEERS = (
    "prometheus_flask_exporter",
    "flask_monitoringdashboard",
    "opentelemetry.instrumentation.flask",
    "opentelemetry.instrumentation.wsgi",
)
COUNTING_NOTHING = {"bare again (noise)", "layer that does nothing"}
JUDGED = {"perfkit, in memory", "perfkit, shared file", "perfkit, everything on"}


@pytest.mark.parametrize(("framework", "contestants"), [("flask", 13), ("wsgi", 10)])
def test_every_layer_runs_and_counts_each_request_once(framework: str, contestants: int) -> None:
    for peer in PEERS:
        pytest.importorskip(peer)
    command = [sys.executable, "-m", "benchmarks.overhead", "--quick", "--json", "--only", framework]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    results = {result["name"]: result for result in json.loads(done.stdout)[framework]}
    assert len(results) == contestants
    for name, result in results.items():
        assert not result["absent"], name
        assert result["counted"] == (None if name in COUNTING_NOTHING else result["calls"]), name
    assert {name for name, result in results.items() if result["verdict"]} == JUDGED

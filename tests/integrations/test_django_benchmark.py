"""The Django races run: every layer answers and counts each request once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from fleet import ROOT

PEERS = ("django_prometheus", "silk", "opentelemetry.instrumentation.django")
COUNTING_NOTHING = ("bare again (noise)", "layer that does nothing")

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(("framework", "layers"), [("django-wsgi", 11), ("django-async", 10), ("django-asgi", 11)])
def test_every_layer_runs_and_counts_each_request_once(framework: str, layers: int) -> None:
    for peer in PEERS:
        pytest.importorskip(peer)
    command = [sys.executable, "-m", "benchmarks.overhead", "--quick", "--json", "--only", framework]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)[framework]
    assert [result["absent"] for result in results] == [""] * layers
    for result in results:
        name = result["name"]
        assert result["counted"] == (None if name in COUNTING_NOTHING else result["calls"]), name
    assert {result["name"] for result in results if result["verdict"]} == {
        "perfkit, in memory",
        "perfkit, shared file",
    }

"""`make demo` in a fresh clone: the page shows live traffic at once, and Ctrl-C leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from doc_pages import ROOT
from processes import left_of
from prometheus_client.parser import text_string_to_metric_families
from running_demo import RunningDemo, get, wait_for_text

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("git") is None or not (ROOT / ".git").exists(), reason="there is no repository: run it in a clone"
    ),
]

LIVE = 10.0
"""Seconds after the server's start within which the page shows the visitors."""


def git(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout


def test_make_demo_shows_traffic_within_ten_seconds_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git("clone", "--quiet", os.fspath(ROOT), os.fspath(clone), cwd=tmp_path)
    subprocess.run(["make", ".venv/.demo"], cwd=clone, check=True, capture_output=True, timeout=600)
    tracked = git("status", "--porcelain", cwd=clone)
    demo = RunningDemo(
        tmp_path, command=("make", "--no-print-directory", "demo", "ARGS=--port 0 --workers 2"), cwd=clone
    )
    try:
        started = time.monotonic()
        wait_for_text(demo.addresses["dashboard"], "GET+%2Fhome")
        assert time.monotonic() - started < LIVE, demo.messages
        assert get(demo.addresses["health"]).status_code == 200
        assert list(text_string_to_metric_families(get(demo.addresses["metrics"]).text))
        processes = demo.processes()
        assert len(processes) >= 3
        assert demo.left_behind, "two workers share files"

        os.killpg(demo.process.pid, signal.SIGINT)  # as a terminal does it: to the whole foreground group

        demo.process.wait(60)
        assert left_of(processes) == []
        assert demo.left_behind == []
        assert git("status", "--porcelain", cwd=clone) == tracked == ""
        assert "Traceback" not in demo.messages
    finally:
        demo.kill()

"""Several workers: any of them answers for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perfkit.system import PerformanceSystem

pytestmark = pytest.mark.process

WORKER = """
import sqlite3, sys
from perfkit.system import PerformanceSystem

system = PerformanceSystem(
    {"service": "shop", "store": {"directory": sys.argv[1]}, "database": {"slow_query_threshold": 1e-9}}, origin="shop"
).start()
connection = system.database.wrap(sqlite3.connect(":memory:"))
with system.database.watch("request"):
    for number in range(int(sys.argv[2])):
        connection.execute("SELECT 1 FROM sqlite_master WHERE rootpage = ?", (number,)).fetchall()
system.database.digest()
print("done", flush=True)
sys.stdin.readline()
system.stop()
"""


def test_any_worker_tells_the_findings_and_shapes_of_all(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path / "store"), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in (10, 20)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "done\n"
        settings = {"service": "shop", "store": {"directory": str(tmp_path / "store")}}
        with PerformanceSystem(settings, origin="shop") as system:
            (finding,) = system.database.findings()
            (slow,) = system.database.get_slow_queries()
    finally:
        for worker in workers:
            worker.communicate("\n", timeout=60)
    assert (finding.kind, finding.evidence["requests"], finding.evidence["count"]) == ("n_plus_one", 2, 20)
    assert (slow.calls, slow.slow) == (30, 30)
    assert slow.sql == "SELECT ? FROM sqlite_master WHERE rootpage = ?"

"""Several workers: any of them answers for all."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from patience import until

from perfkit.core.findings import Finding
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


ASKING = """
import sqlite3, sys
from perfkit.system import PerformanceSystem

system = PerformanceSystem({"service": "shop", "store": {"directory": sys.argv[1]}}, origin="shop").start()
connection = system.database.wrap(sqlite3.connect(sys.argv[2]))
for number in range(5):
    connection.execute("SELECT max(length(note)) FROM pages WHERE owner = ?", (number,)).fetchall()
print("done", flush=True)
sys.stdin.readline()
print(system.database.snapshot().indexes.at > 0, flush=True)
system.stop()
"""


def test_the_leader_alone_looks_at_the_indexes_and_any_worker_tells(tmp_path: Path) -> None:
    database = tmp_path / "pages.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE pages (id integer PRIMARY KEY, owner integer, note text)")
        rows = [(n, n * 7919 % 5000, f"note {n} " + "x" * 60) for n in range(20_000)]
        connection.executemany("INSERT INTO pages VALUES (?, ?, ?)", rows)
        connection.commit()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", ASKING, str(tmp_path / "store"), str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    looked = []
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "done\n"
        settings = {"service": "shop", "store": {"directory": str(tmp_path / "store")}}
        with PerformanceSystem(settings, origin="shop") as system:

            def missing() -> list[Finding]:
                return [each for each in system.database.findings() if each.kind == "missing_index"]

            (finding,) = until(missing)
            looked.append(system.database.snapshot().indexes.at > 0)
    finally:
        looked += [worker.communicate("\n", timeout=60)[0] == "True\n" for worker in workers]
    assert str(finding.object).startswith("pages(owner")
    assert looked.count(True) == 1

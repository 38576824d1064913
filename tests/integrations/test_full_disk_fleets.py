"""Fleets whose store has no room: the app goes on, one warning a worker, and the numbers say so."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from fleet import Fleet, Load
from patience import until
from processes import pids_of
from served import served
from small_disk import can_mount, fill, small_disk

from perfkit.testing.exposition import problems

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

needs_mount = pytest.mark.skipif(not can_mount(), reason="mounting a small tmpfs needs root")

DEGRADED, OVERFLOW = "perfkit_store_degraded", "perfkit_store_overflow_total"
COUNT = "http_server_request_duration_seconds_count"
LINE = re.compile(r"perfkit(?:\.\w+)?: ")


def degraded(running: Fleet, *, asked: int = 20) -> set[float]:
    """Return what the workers say about themselves; each scrape is answered by any of them."""
    return {running.scrape()[DEGRADED, ()] for _ in range(asked)}


def warnings(running: Fleet) -> list[str]:
    """Return our warnings, but those of the loop's watch: on a busy machine it may warn of slow imports, too."""
    lines = running.log.read_text().splitlines()
    return [line for line in lines if LINE.match(line) and not line.startswith("perfkit.performance: ")]


def of_store(running: Fleet) -> list[str]:
    return [line for line in warnings(running) if line.startswith("perfkit.store: ")]


def assert_unharmed(running: Fleet, workers: set[int]) -> None:
    """The server lives with the very same workers: none crashed (a SIGBUS would kill one) and was replaced."""
    assert running.process.poll() is None
    assert pids_of(running.process.pid) == workers
    assert "Exception in ASGI application" not in running.log.read_text()
    assert problems(running.get("/metrics", token=True)[1]) == []
    assert running.get("/perfkit/", token=True)[0] == 200
    assert running.get("/health/ready")[0] == 200


def assert_quiet(running: Fleet, *, workers: int) -> None:
    """No worker said the same thing twice within the minute that the test lasts."""
    kinds = Counter(re.split(r": (?:\[Errno|there is no space)", line)[0] for line in warnings(running))
    assert all(times <= workers for times in kinds.values()), kinds
    assert len(kinds) <= 4, kinds


@needs_mount
@pytest.mark.parametrize("workers", [2, 4])
def test_without_any_room_every_worker_counts_alone_and_warns_once(workers: int, tmp_path: Path) -> None:
    with small_disk(tmp_path, "256k") as disk:
        fill(disk)
        with served(workers=workers, directory=disk / "store", options=("--no-access-log",)) as running:
            before = pids_of(running.process.pid)
            assert Load(running.port, "/pid").run(1_000).acknowledged == 1_000
            assert degraded(running) == {1.0}
            until(lambda: len(of_store(running)) >= workers)
            time.sleep(3)  # in which nobody says it again
            assert_unharmed(running, before)
            lines = of_store(running)
            assert len(lines) == workers, lines
            assert all("counts alone" in line for line in lines), lines
            document = json.loads(running.get("/perfkit/api/overview", token=True)[1])
            assert "cannot be" in document["degraded"]


@needs_mount
def test_with_room_for_some_workers_only_all_answer_and_none_crashes(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path, "256k") as disk,
        served(workers=4, directory=disk, options=("--no-access-log",)) as running,
    ):
        before = pids_of(running.process.pid)
        for status in range(400, 500):
            assert running.get(f"/status/{status}")[0] == status
        assert Load(running.port, "/pid").run(1_000).acknowledged == 1_000
        time.sleep(3)  # in which nobody says anything again
        assert_unharmed(running, before)
        assert_quiet(running, workers=4)


@needs_mount
def test_a_disk_that_fills_up_sends_new_series_to_other_and_counts_on(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path, "16m") as disk,
        served(workers=2, directory=disk / "store", options=("--no-access-log",)) as running,
    ):
        before = pids_of(running.process.pid)
        early = Load(running.port, "/pid").run(100)
        assert degraded(running) == {0.0}
        ballast = fill(disk)
        others = 0
        for status in range(200, 600):
            if status not in (204, 304):
                running.get(f"/status/{status}")
                others += 1
        late = Load(running.port, "/pid").run(100)
        running.settle()
        samples = running.scrape()
        counted: Counter[str] = Counter()
        for (name, labels), value in samples.items():
            if name == COUNT:
                counted[dict(labels)["http_route"]] += int(value)
        assert early.acknowledged + late.acknowledged <= counted["/pid"] <= early.attempted + late.attempted
        assert counted["_other"] > 100
        assert counted["_other"] + counted["/status/{status:int}"] == others
        # Whether the first of them still found room depends on what the workers wrote before.
        assert {"/pid", "_other"} <= set(counted) <= {"/pid", "/status/{status:int}", "_other"}
        assert samples[OVERFLOW, ()] > 100
        assert degraded(running) == {0.0}
        assert_unharmed(running, before)
        assert_quiet(running, workers=2)

        ballast.unlink()

        def counted_again() -> int:
            assert running.get("/t/acme/items/1")[0] == 200
            return running.counted("/t/{tenant}/items/{item}")

        # Every worker asks for room again within a second or two of its own.
        until(counted_again, lambda times: times >= 2)


@needs_mount
def test_a_disk_that_is_full_when_a_worker_is_replaced_harms_nobody(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path, "16m") as disk,
        served(workers=2, directory=disk / "store", options=("--no-access-log",)) as running,
    ):
        before = Load(running.port, "/pid").run(200)
        fill(disk)
        victim = int(running.get("/pid")[1])
        os.kill(victim, signal.SIGKILL)
        until(running.workers, lambda workers: victim not in workers and len(workers) == 2)
        after = Load(running.port, "/pid").run(200)
        running.settle()
        # And the one that named its process.
        least, most = before.acknowledged + after.acknowledged, before.attempted + after.attempted
        assert least + 1 <= running.counted("/pid") <= most + 1
        assert degraded(running) == {0.0}


def test_a_limit_on_the_size_of_files_degrades_as_well(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 1024, 48 * 1024))

    with served(workers=2, directory=tmp_path / "store", options=("--no-access-log",), before=limit) as running:
        before = pids_of(running.process.pid)
        assert Load(running.port, "/pid").run(300).acknowledged == 300
        assert degraded(running) == {1.0}
        assert_unharmed(running, before)
        assert 1 <= len(warnings(running)) <= 2

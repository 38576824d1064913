"""The control plane through the store: several real workers, one leader, any of them answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import until

from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

WORKER = """
import sys, time
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Store, StoreSettings
store = Store(StoreSettings(directory=sys.argv[1]))
heard = []
store.control.on("clear", heard.append)
store.open()
row = store.row(REQUEST_DURATION, ("GET", "/" + sys.argv[2], "200", "http", ""))
store.control.on("stop", lambda payload: heard.append("stop"))
store.texts.append("hello", {"worker": sys.argv[2], "pid": __import__("os").getpid()})
print("ready", flush=True)
while "stop" not in heard:
    store.observe(row, 0.01)
    store.tick(time.monotonic())
    time.sleep(0.1)
store.close()
print("heard", [payload for payload in heard if payload != "stop"], flush=True)
"""

Spawn = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(tmp_path), name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    yield store
    store.close()


@pytest.mark.process
def test_a_command_reaches_every_worker_and_texts_come_from_all(store: Store, spawn: Spawn) -> None:
    workers = [spawn(name) for name in ("a", "b")]
    assert {record["worker"] for record in store.texts.read("hello")} == {"a", "b"}
    store.control.append("clear", {"tag": "x"})
    store.control.append("stop", {})
    for worker in workers:
        output, _ = worker.communicate(timeout=90)
        assert output == "heard [{'tag': 'x'}]\n"


@pytest.mark.process
def test_after_the_leader_was_killed_another_one_goes_on_with_the_history(store: Store, spawn: Spawn) -> None:
    leader = spawn("a")
    until(lambda: store.history.read(60.0, time.time()))
    spawn("b")
    os.kill(leader.pid, signal.SIGKILL)
    killed_at = time.time()
    until(lambda: store.history.read(60.0, time.time())[-1].at > killed_at + 1.0)
    ticks = store.history.read(60.0, time.time())
    assert "GET /a" in ticks[0].columns
    until(lambda: "GET /b" in store.history.read(60.0, time.time())[-1].columns)
    # Whoever follows, the dead one's requests are not counted a second time.
    (requests,) = store.families({REQUEST_DURATION.name})
    (true_count,) = [point.value.count for point in requests.points if point.labels[1] == "/a"]  # type: ignore[union-attr]
    assert sum(tick.columns["GET /a"].count for tick in ticks if "GET /a" in tick.columns) <= true_count


@pytest.mark.process
def test_every_worker_sees_the_same_window(store: Store, spawn: Spawn) -> None:
    spawn("a")
    until(lambda: store.history.read(60.0, time.time()))
    window = store.window(300.0)
    assert [point.labels[1] for point in window.points] == ["/a"]
    assert 0.0 < window.duration < 300.0


@pytest.fixture
def alone() -> tuple[Store, FakeClock]:
    clock = FakeClock()
    store = Store(StoreSettings(mode="memory"), clock=clock)
    store.open()
    return store, clock


def test_in_memory_one_worker_has_it_all(alone: tuple[Store, FakeClock]) -> None:
    store, clock = alone
    row = store.row(REQUEST_DURATION, ("GET", "/a", "200", "http", ""))
    for _ in range(90):
        store.observe(row, 0.01)
        store.tick(clock.advance(1.0))
    assert store.is_leader
    ticks = store.history.read(60.0, clock.time())
    assert [tick.columns["GET /a"].count for tick in ticks] == [1.0] * 60
    window = store.window(60.0)
    assert window.duration == pytest.approx(60.0, abs=16.0)
    assert sum(window.points[0].value.counts) == pytest.approx(window.duration)


def test_a_service_younger_than_the_window_gives_its_age(alone: tuple[Store, FakeClock]) -> None:
    store, clock = alone
    row = store.row(REQUEST_DURATION, ("GET", "/a", "200", "http", ""))
    clock.advance(3.0)
    store.observe(row, 0.01)
    assert store.window(3600.0).duration == pytest.approx(3.0)
    store.tick(clock.advance(1.0))
    store.tick(clock.advance(6.0))
    assert store.window(3600.0).duration == pytest.approx(10.0)


def test_with_a_directory_of_ones_own_history_goes_on_over_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    for restart in range(2):
        store = Store(StoreSettings(directory=str(tmp_path)), clock=clock)
        store.open()
        row = store.row(REQUEST_DURATION, ("GET", "/a", "200", "http", ""))
        store.tick(clock.advance(1.0))
        for _ in range(20):
            store.observe(row, 0.01)
            store.tick(clock.advance(1.0))
        counts = [tick.columns["total"].count for tick in store.history.read(300.0, clock.time())]
        store.close()
        assert sum(counts) == 20.0 * (restart + 1)
        assert max(counts) == 1.0


def test_a_removed_directory_is_made_anew_and_commands_still_work(tmp_path: Path) -> None:
    clock = FakeClock()
    home = tmp_path / "home"
    store = Store(StoreSettings(directory=str(home)), clock=clock)
    store.open()
    heard: list[dict[str, object]] = []
    store.control.on("clear", heard.append)
    store.texts.append("sql", {"n": 1})
    store.tick(clock.advance(1.0))
    for path in home.iterdir():
        path.unlink()
    home.rmdir()
    for _ in range(3):
        store.tick(clock.advance(1.0))
    store.control.append("clear", {"n": 1})
    store.texts.append("sql", {"n": 2})
    assert heard == [{"n": 1}]
    assert store.is_leader
    assert store.history.read(60.0, clock.time())
    assert (home / "control.log").stat().st_size > 0
    store.close()

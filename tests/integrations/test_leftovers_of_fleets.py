"""What is left when a fleet ends, in order or not: nothing, or what the next start removes."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from fleet import Fleet, Load
from patience import until
from processes import family_of, left_of
from served import served

from perfkit.system import PerformanceSystem

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def left_after(number: signal.Signals, running: Fleet) -> list[psutil.Process]:
    """Send a signal to the server and return who of its processes lives on."""
    processes = family_of(running.process.pid)
    running.signal(number)
    running.process.wait(60)
    return left_of(processes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_server_told_to_end_leaves_no_process(workers: int, number: signal.Signals) -> None:
    with served(workers=workers, options=("--no-access-log",)) as running:
        Load(running.port, "/work/{number}").run(30)
        assert left_after(number, running) == []
        assert "Traceback" not in running.log.read_text()


def test_a_server_told_to_end_under_load_leaves_no_process() -> None:
    with served(workers=2, options=("--no-access-log", "--timeout-graceful-shutdown", "2")) as running:
        load = Load(running.port, "/work/{number}")
        load.start(100_000)
        until(lambda: load.acknowledged > 20)
        left = left_after(signal.SIGTERM, running)
        load.stop()
        assert left == []


def test_ctrl_c_reaches_all_workers_of_a_terminal_at_once_and_leaves_no_process() -> None:
    with served(workers=2, options=("--no-access-log",)) as running:
        Load(running.port, "/pid").run(30)
        processes = family_of(running.process.pid)
        os.killpg(running.process.pid, signal.SIGINT)
        running.process.wait(60)
        assert left_of(processes) == []


def test_ctrl_c_at_a_demo_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    """As a terminal does it: to the whole foreground group, so that the demo and its server get it both."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")}
    messages = tmp_path / "messages"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with messages.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "perfkit.cli", "demo", "--port", "0", "--workers", "2"],
            stdout=subprocess.PIPE,
            stderr=output,
            env={**variables, "TMPDIR": str(temporary)},
            start_new_session=True,
        )
    processes: list[psutil.Process] = []
    try:
        assert demo.stdout is not None
        assert [demo.stdout.readline().split()[:1] for _ in range(4)], messages.read_text()
        processes = until(lambda: family_of(demo.pid), lambda family: len(family) >= 3)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(60) == 0, messages.read_text()
        assert left_of(processes) == []
        assert list(temporary.iterdir()) == []
        assert "Traceback" not in messages.read_text()
    finally:
        for process in [*processes, *family_of(demo.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert demo.stdout is not None
        demo.stdout.close()
        demo.wait(60)


def test_the_next_start_removes_the_directory_of_a_fleet_that_was_killed() -> None:
    with served(workers=2, env={"PROOF_SERVICE": "killed"}) as killed:
        Load(killed.port, "/pid").run(100)
        left = killed.directories()
        assert len(left) == 1
        processes = family_of(killed.process.pid)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        killed.process.wait(60)
        assert left_of(processes) == []
    with served(workers=2, env={"PROOF_SERVICE": "next"}) as following:
        load = Load(following.port, "/pid").run(50)
        assert not any(directory.exists() for directory in left)
        mine = following.directories()
        assert len(mine) == 1
        # A third one beside it takes nothing away from who lives.
        with served(workers=2, env={"PROOF_SERVICE": "third"}) as third:
            Load(third.port, "/pid").run(10)
            assert all(directory.exists() for directory in mine)
        assert load.explains(following.counted("/pid"))


def test_a_system_that_stopped_leaves_no_thread_and_no_file_open(tmp_path: Path) -> None:
    this = psutil.Process()
    threads, files = set(threading.enumerate()), this.num_fds()
    for _ in range(3):
        with PerformanceSystem({"service": "threads", "store": {"directory": str(tmp_path)}}) as system:
            names = {thread.name for thread in set(threading.enumerate()) - threads}
            assert any(name.startswith("perfkit-") for name in names)
            assert all(name.startswith("perfkit-") for name in names)
            system.store.tick(system.clock.monotonic())
            system.get_performance_dashboard()
        assert set(threading.enumerate()) - threads == set()
    del system
    gc.collect()  # a mapping lives until the last thread lets go of its slots
    assert this.num_fds() <= files

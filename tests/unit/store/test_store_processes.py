"""Real processes: forks, kills, and who works for which server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from perfkit.core.families import Definition, MetricType
from perfkit.core.names import ABANDONED
from perfkit.store import Store, StoreSettings

pytestmark = pytest.mark.process

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))

PRELUDE = """
import os, sys, time
from pathlib import Path
from perfkit.core.families import Definition, MetricType
from perfkit.store import Store, StoreSettings
from perfkit.store.layout import FINISHED, STARTED
HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))

def total(store):
    return sum(point.value for family in store.families({"hits_total"}) for point in family.points)

def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def run(script: str, *arguments: str) -> str:
    """Run *script* in a process of its own and return what it printed."""
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_counts_before_the_fork_belong_to_the_parent(tmp_path: Path) -> None:
    run(
        """
        store = Store(StoreSettings(directory=sys.argv[1]))
        row = store.row(HITS, ("home",))
        store.add(row, 5)

        def child():
            assert total(store) == 0.0
            store.add(row, 1)
            store.open()
            store.add(row, 1)
            assert (store.number, total(store)) == (1, 2.0)
            store.close()

        for _ in range(2):
            in_child(child) if not Path(sys.argv[1], "w-1.val").exists() else None
        store.open()
        assert total(store) == 7.0
        """,
        str(tmp_path),
    )


def test_a_child_of_an_open_store_starts_at_zero_and_opens_its_own(tmp_path: Path) -> None:
    run(
        """
        store = Store(StoreSettings(directory=sys.argv[1]))
        row = store.row(HITS, ("home",))
        store.open()
        store.add(row, 5)
        inherited = store.values

        def child():
            assert not store.is_open and not store.is_shared
            try:
                inherited[row.index] += 1.0
            except ValueError:
                pass
            else:
                raise AssertionError("the parent's slots can still be written")
            assert total(store) == 0.0
            store.add(row, 2)
            assert total(store) == 2.0
            store.open()
            assert (store.number, total(store)) == (2, 7.0)

        in_child(child)
        inherited[row.index] += 1.0
        assert (store.number, total(store)) == (1, 8.0)
        store.row(HITS, ("away",))
        """,
        str(tmp_path),
    )


def test_a_child_in_memory_starts_at_zero(tmp_path: Path) -> None:
    run(
        """
        store = Store(StoreSettings(mode="memory"))
        row = store.row(HITS, ("home",))
        store.open()
        store.add(row, 5)

        def child():
            assert not store.is_open
            store.add(row, 1)
            assert total(store) == 1.0

        in_child(child)
        assert total(store) == 5.0
        """
    )


def test_a_child_that_outlives_its_parent_does_not_hold_the_parents_lock(tmp_path: Path) -> None:
    script = """
        store = Store(StoreSettings(directory=sys.argv[1]))
        store.open()
        store.add(store.row(HITS, ("home",)), 5)
        if os.fork() == 0:
            print("ready", flush=True)  # so the child has let go of what it inherited
        time.sleep(600)
        """
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        try:
            store = Store(StoreSettings(directory=str(tmp_path)))
            store.open()
            assert store.number == 2
            store.close()
            parent.kill()
            parent.wait(60)
            heir = Store(StoreSettings(directory=str(tmp_path)))
            heir.open()
            assert heir.number == 1
            heir.close()
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


def test_a_fork_of_a_sharing_app_gives_each_system_its_own_zeros(tmp_path: Path) -> None:
    run(
        """
        one, two = (Store(StoreSettings(directory=sys.argv[1]), origin="/app.py") for _ in range(2))
        for store in (one, two):
            store.open()
            store.add(store.row(HITS, ("home",)), 1)

        def child():
            assert (total(one), total(two)) == (0.0, 0.0)
            for store in (one, two):
                store.open()
                store.add(store.row(HITS, ("home",)), 1)
            assert (one.number, two.number, total(one)) == (2, 2, 4.0)
            one.close()
            assert total(two) == 4.0
            two.close()

        in_child(child)
        assert total(two) == 4.0
        two.control.append("still", {"works": True})
        """,
        str(tmp_path),
    )


WORKER = """
store = Store(StoreSettings(directory=sys.argv[1]))
store.open()
row = store.row(HITS, (sys.argv[2],))
while True:
    values = store.values
    values[STARTED] += 1.0
    store.add(row, 1.0)
    values[FINISHED] += 1.0
    os.write(1, b".")
"""


def test_kills_lose_nothing_acknowledged_and_files_stay_few(tmp_path: Path) -> None:
    kills, at_once = 18, 3
    reader = Store(StoreSettings(directory=str(tmp_path)))
    reader.open()
    acknowledged, started, seen = 0, 0, 0.0
    workers: list[subprocess.Popen[bytes]] = []

    def counted() -> float:
        families = reader.families({"hits_total"})
        return sum(point.value for family in families for point in family.points if isinstance(point.value, float))

    while started < kills:
        while len(workers) < at_once:
            command = [sys.executable, "-c", PRELUDE + WORKER, str(tmp_path), f"p{started % 2}"]
            workers.append(subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0))
            started += 1
        assert workers[0].stdout is not None
        acknowledged += len(workers[0].stdout.read(1))
        for _ in range(5):
            now = counted()
            assert now >= seen
            seen = now
        workers[0].kill()
        acknowledged += len(workers.pop(0).communicate(timeout=60)[0])
    for worker in workers:
        worker.kill()
        acknowledged += len(worker.communicate(timeout=60)[0])
    assert acknowledged > kills
    assert acknowledged <= counted() <= acknowledged + started
    assert len(list(tmp_path.glob("w-*.val"))) <= 2 * at_once + 1
    heirs = [Store(StoreSettings(directory=str(tmp_path))) for _ in range(2 * at_once)]
    for heir in heirs:
        heir.open()
    assert reader.in_flight() == 0
    lost = reader.families({ABANDONED.name})[0].points[0].value
    assert 0.0 <= lost <= started  # type: ignore[operator]
    for store in (*heirs, reader):
        store.close()


SERVER = """
import multiprocessing
from perfkit.store.backing import identity

def report(queue):
    queue.put(identity.find_server())

if __name__ == "__main__":
    print(identity.find_server())
    for method in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        workers = [context.Process(target=report, args=(queue,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        found = {queue.get() for _ in workers}
        for worker in workers:
            worker.join()
        (server,) = found
        assert server.pid == __import__("os").getpid(), (method, server)
        assert server.started == identity.start_time(server.pid)
    print("agreed")
"""


def test_workers_of_one_server_agree_whether_spawned_or_forked(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "None\nagreed\n", done.stderr


def test_forked_workers_agree_and_an_executed_one_stands_alone(tmp_path: Path) -> None:
    printed = run(
        """
        import subprocess
        from perfkit.store.backing.identity import find_server
        me = os.getpid()
        assert find_server() is None

        def forked():
            assert find_server().pid == me
            sys.argv[0] = "renamed"
            assert find_server().pid == me

        in_child(forked)
        in_child(forked)
        check = "from perfkit.store.backing.identity import find_server; print(find_server())"
        print(subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stdout)
        """
    )
    assert printed.strip() == "None"


PRELOADED = """
settings = StoreSettings()
store = Store(settings, service="shop", origin="/app/main.py")
row = store.row(HITS, ("home",))
store.add(row, 100)
import tempfile
import perfkit.store.backing.directory as directory
directory.SHARED_MEMORY = Path(sys.argv[1])
directory.ENOUGH = 0
from multiprocessing import Pipe
pipes = []
for _ in range(3):
    ours, theirs = Pipe()
    if os.fork() == 0:
        store.open()
        assert store.is_shared, store.degraded
        store.add(row, 1)
        theirs.send((store.number, str(store.directory)))
        theirs.recv()
        theirs.send(total(store))
        theirs.recv()
        os._exit(0)
    pipes.append(ours)
opened = [pipe.recv() for pipe in pipes]
assert sorted(number for number, _ in opened) == [1, 2, 3]
assert len({directory for _, directory in opened}) == 1
for pipe in pipes:
    pipe.send("read")
assert [pipe.recv() for pipe in pipes] == [3.0] * 3
for pipe in pipes:
    pipe.send("end")
for _ in pipes:
    os.wait()
store.open()
assert not store.is_shared
assert total(store) == 100.0
"""


def test_a_preloading_server_and_its_workers(tmp_path: Path) -> None:
    run(PRELOADED, str(tmp_path))


@pytest.mark.parametrize("module", ["psutil", "multiprocessing", "asyncio", "prometheus_client", "shutil", "tempfile"])
def test_importing_the_store_is_light_and_does_nothing(module: str) -> None:
    run(f"assert {module!r} not in sys.modules, {module!r}\nimport threading\nassert threading.active_count() == 1")


def test_a_child_leaves_the_parents_slots_alone_though_a_daemons_start_closed_all_files(tmp_path: Path) -> None:
    run(
        """
        import logging
        logging.disable()
        stores = [Store(StoreSettings(directory=sys.argv[1] + each)) for each in "ab"]
        rows = []
        for store in stores:
            store.open()
            rows.append(store.row(HITS, ("home",)))
            store.add(rows[-1], 5)
            store.families()
        os.closerange(3, 256)

        def child():
            for store, row in zip(stores, rows):
                assert not store.is_open
                store.add(row, 1)
                assert total(store) == 1.0

        in_child(child)
        assert [store.values[row.index] for store, row in zip(stores, rows)] == [5.0, 5.0]
        os._exit(0)
        """,
        str(tmp_path),
    )


def test_a_thing_that_fails_after_a_fork_keeps_no_other_from_being_told() -> None:
    run(
        """
        from perfkit.store.backing import fork

        class Fails:
            def after_fork(self):
                raise OSError("as it may")

        class Listens(Fails):
            told = False
            def after_fork(self):
                self.told = True

        things = [Fails(), Listens(), Fails(), Listens(), Fails()]
        for thing in things:
            fork.watch(thing)
        sys.unraisablehook = lambda _: None

        def child():
            assert things[1].told and things[3].told

        in_child(child)
        """
    )

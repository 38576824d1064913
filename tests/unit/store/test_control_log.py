"""Commands reach every worker, once, in order; what is torn is skipped, what was missed is said."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.store.control import CUT_AT, EPOCH, MAX_LOG, Control
from perfkit.store.lock import directory_lock

Worker = Callable[..., Control]


@pytest.fixture
def counted() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def errors(counted: list[tuple[str, str]]) -> ErrorLog:
    return ErrorLog(count=lambda component, kind: counted.append((component, kind)))


@pytest.fixture
def worker(tmp_path: Path, errors: ErrorLog) -> Iterator[Worker]:
    opened: list[Control] = []

    def make(number: int, *, is_live: Callable[[int], bool] = lambda number: True) -> Control:
        control = Control(errors=errors)
        control.open(tmp_path, number, locked=lambda: directory_lock(tmp_path / "lock"), is_live=is_live)
        opened.append(control)
        return control

    yield make
    for control in opened:
        control.close()


def heard(control: Control, command: str = "clear") -> list[dict[str, Any]]:
    payloads: list[dict[str, Any]] = []
    control.on(command, payloads.append)
    return payloads


def test_in_memory_a_command_reaches_its_listeners_before_append_returns() -> None:
    control = Control()
    payloads = heard(control)
    assert control.append("clear", {"tag": "a"})
    assert payloads == [{"tag": "a"}]


def test_in_memory_the_epoch_rises_with_each_command() -> None:
    control = Control()
    before = control.epoch
    control.append("clear", {})
    assert control.epoch == control.slots[EPOCH] > before


def test_a_command_reaches_the_other_workers_at_their_next_poll(worker: Worker) -> None:
    one, two = worker(1), worker(2)
    mine, others = heard(one), heard(two)
    one.append("clear", {"tag": "a"})
    one.append("clear", {"tag": "b"})
    assert mine == [{"tag": "a"}, {"tag": "b"}]
    assert others == []
    assert two.poll() == 2
    assert others == mine
    assert two.poll() == 0


def test_another_worker_sees_the_epoch_change_before_it_polls(worker: Worker) -> None:
    one, two = worker(1), worker(2)
    before = two.slots[EPOCH]
    one.append("clear", {})
    assert two.slots[EPOCH] != before


def test_a_new_worker_does_not_replay_but_sees_the_epoch(worker: Worker) -> None:
    one = worker(1)
    one.append("clear", {})
    late = worker(2)
    payloads = heard(late)
    assert late.poll() == 0
    assert payloads == []
    assert late.epoch == one.epoch > 0


def test_listeners_from_before_the_opening_stay(tmp_path: Path, worker: Worker) -> None:
    control = Control()
    payloads = heard(control)
    control.open(tmp_path, 2, locked=lambda: directory_lock(tmp_path / "lock"), is_live=lambda number: True)
    worker(1).append("clear", {})
    control.poll()
    assert payloads == [{}]
    control.close()
    assert not control.is_shared
    control.append("clear", {"here": 1})
    assert payloads == [{}, {"here": 1}]


def test_a_listener_taken_off_is_not_called() -> None:
    control = Control()
    payloads = heard(control)
    control.off("clear", payloads.append)
    control.append("clear", {})
    control.off("clear", payloads.append)
    assert payloads == []


def test_an_error_of_a_listener_reaches_nobody_and_stops_nobody(
    errors: ErrorLog, counted: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    control = Control(errors=errors)
    control.on("clear", lambda payload: 1 / 0)
    payloads = heard(control)
    control.append("clear", {})
    assert payloads == [{}]
    assert counted == [("store", "ZeroDivisionError")]


def test_a_listener_may_append_and_order_is_kept() -> None:
    control = Control()
    order: list[str] = []
    control.on("first", lambda payload: (control.append("second", {}), order.append("first")))
    control.on("second", lambda payload: order.append("second"))
    control.append("first", {})
    assert order == ["first", "second"]


def test_threads_that_append_at_once_lose_nothing(worker: Worker) -> None:
    one, two = worker(1), worker(2)
    payloads = heard(two)
    barrier = threading.Barrier(4)

    def tell(thread: int) -> None:
        barrier.wait()
        for number in range(50):
            one.append("clear", {"thread": thread, "number": number})

    threads = [threading.Thread(target=tell, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    two.poll()
    for thread in range(4):
        assert [p["number"] for p in payloads if p["thread"] == thread] == list(range(50))


def test_the_log_is_cut_when_all_live_workers_have_read_it(tmp_path: Path, worker: Worker) -> None:
    one, two = worker(1), worker(2)
    payloads = heard(two)
    for number in range(2 * CUT_AT // 1000):
        one.append("clear", {"number": number, "filling": "x" * 1000})
        two.poll()
    assert (tmp_path / "control.log").stat().st_size <= CUT_AT + 1100
    assert [payload["number"] for payload in payloads] == list(range(2 * CUT_AT // 1000))
    assert two.missed == 0


def test_the_log_is_not_cut_before_a_live_worker_has_read_it(tmp_path: Path, worker: Worker) -> None:
    one, slow = worker(1), worker(2)
    payloads = heard(slow)
    for number in range(60):
        one.append("clear", {"number": number, "filling": "x" * 1000})
    assert (tmp_path / "control.log").stat().st_size > CUT_AT
    slow.poll()
    assert [payload["number"] for payload in payloads] == list(range(60))


def test_the_appending_worker_itself_loses_no_command_of_others_to_a_cut(worker: Worker) -> None:
    one, two = worker(1), worker(2)
    payloads = heard(two)
    for number in range(60):
        one.append("clear", {"number": number, "filling": "x" * 1000})
    two.append("clear", {"number": 60})
    assert [payload["number"] for payload in payloads] == list(range(61))
    assert two.missed == 0


def test_a_dead_worker_does_not_keep_the_log_from_being_cut(tmp_path: Path, worker: Worker) -> None:
    dead = 2
    one = worker(1, is_live=lambda number: number != dead)
    worker(dead)
    for _ in range(60):
        one.append("clear", {"filling": "x" * 1000})
    assert (tmp_path / "control.log").stat().st_size <= CUT_AT + 1100


def test_a_sleeping_worker_cannot_make_the_log_grow_and_is_told_that_it_missed_something(
    tmp_path: Path, worker: Worker, counted: list[tuple[str, str]]
) -> None:
    one, asleep = worker(1), worker(2)
    told: list[bool] = []
    asleep.on_missed(lambda: told.append(True))
    payloads = heard(asleep)
    for number in range(25):
        one.append("clear", {"number": number, "filling": "x" * 60_000})
    assert (tmp_path / "control.log").stat().st_size <= MAX_LOG
    asleep.poll()
    assert asleep.missed == 1
    assert told == [True]
    assert payloads[-1]["number"] == 24
    assert ("store", "commands_missed") in counted


def test_a_torn_record_is_skipped_and_counted(tmp_path: Path, worker: Worker, counted: list[tuple[str, str]]) -> None:
    one, two = worker(1), worker(2)
    payloads = heard(two)
    one.append("clear", {"number": 1})
    size = (tmp_path / "control.log").stat().st_size
    one.append("clear", {"number": 2})
    one.append("clear", {"number": 3})
    with (tmp_path / "control.log").open("r+b") as log:
        log.seek(size + 10)
        log.write(b"\xff\xff")
    two.poll()
    assert [payload["number"] for payload in payloads] == [1, 3]
    assert two.corrupt == 1
    assert ("store", "command_corrupt") in counted


@pytest.mark.parametrize("garbage", [b"\0" * 40, b"\xff" * 40, b"\1"])
def test_a_length_that_cannot_be_loses_the_rest_but_not_what_comes_later(
    tmp_path: Path, worker: Worker, garbage: bytes
) -> None:
    one, two = worker(1), worker(2)
    payloads = heard(two)
    one.append("clear", {"number": 1, "filling": "x" * 100})
    with (tmp_path / "control.log").open("r+b") as log:
        log.write(garbage)
    two.poll()
    one.append("clear", {"number": 2})
    two.poll()
    assert payloads == [{"number": 2}]
    assert two.corrupt >= 1


def test_what_a_killed_appender_left_behind_the_end_is_cut(tmp_path: Path, worker: Worker) -> None:
    one = worker(1)
    one.append("clear", {"number": 1})
    with (tmp_path / "control.log").open("ab") as log:
        log.write(b"half a rec")
    two = worker(2)
    payloads = heard(two)
    one.append("clear", {"number": 2})
    two.poll()
    assert payloads == [{"number": 2}]
    assert two.corrupt == 0


def test_a_lost_log_is_begun_anew(tmp_path: Path, worker: Worker) -> None:
    one = worker(1)
    one.append("clear", {"number": 1})
    epoch = one.epoch
    one.close()
    (tmp_path / "control.log").unlink()
    one, two = worker(1), worker(2)
    payloads = heard(two)
    one.append("clear", {"number": 2})
    two.poll()
    assert payloads == [{"number": 2}]
    assert one.epoch > epoch


def test_a_command_too_large_is_refused_and_counted(worker: Worker, counted: list[tuple[str, str]]) -> None:
    one, two = worker(1), worker(2)
    payloads = heard(two)
    assert not one.append("clear", {"filling": "x" * 70_000})
    two.poll()
    assert payloads == []
    assert counted == [("store", "command_too_large")]


def test_a_payload_that_cannot_be_written_raises_to_its_caller() -> None:
    with pytest.raises(TypeError):
        Control().append("clear", {"thing": object()})


def test_where_the_log_cannot_be_written_the_command_still_works_here(
    tmp_path: Path, worker: Worker, counted: list[tuple[str, str]]
) -> None:
    one, two = worker(1), worker(2)
    mine, others = heard(one), heard(two)
    script = (
        "import resource, signal, sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path\n"
        "from perfkit.store.control import Control\n"
        "from perfkit.store.lock import directory_lock\n"
        f"d = Path({str(tmp_path)!r})\n"
        "c = Control(); c.open(d, 3, locked=lambda: directory_lock(d / 'lock'), is_live=lambda n: True)\n"
        "got = []; c.on('clear', got.append)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "c.append('clear', {'number': 1})\n"
        "size = (d / 'control.log').stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, size + 10))\n"
        "print(c.append('clear', {'number': 2, 'filling': 'x' * 100}), len(got))\n"
        "print((d / 'control.log').stat().st_size == size)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["False", "2", "True"]
    two.poll()
    one.poll()
    assert mine == others == [{"number": 1}]


def test_a_forked_child_neither_hears_nor_writes_the_parents_log(tmp_path: Path, worker: Worker) -> None:
    one = worker(1)
    page = one.slots
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            one.release_after_fork()
            try:
                page[EPOCH] = 99
            except ValueError:
                payloads = heard(one)
                one.append("clear", {"in": "child"})
                status = 0 if payloads == [{"in": "child"}] and not one.is_shared else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert one.epoch == 0
    assert (tmp_path / "control.log").stat().st_size == 0


@pytest.mark.process
def test_many_processes_tell_each_other_everything(tmp_path: Path, worker: Worker) -> None:
    listener = worker(1)
    payloads = heard(listener)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from perfkit.store.control import Control\n"
        "from perfkit.store.lock import directory_lock\n"
        "d, number = Path(sys.argv[1]), int(sys.argv[2])\n"
        "c = Control(); c.open(d, number, locked=lambda: directory_lock(d / 'lock'), is_live=lambda n: True)\n"
        "for i in range(100): c.append('clear', {'worker': number, 'i': i, 'filling': 'x' * 200})\n"
        "c.close()\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(number)]) for number in (2, 3, 4)]
    while any(process.poll() is None for process in workers):
        listener.poll()
    listener.poll()
    assert [process.wait() for process in workers] == [0, 0, 0]
    for number in (2, 3, 4):
        assert [p["i"] for p in payloads if p["worker"] == number] == list(range(100))
    assert (listener.missed, listener.corrupt) == (0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_page_of_another_user_is_not_mapped_as_he_could_cut_it(worker: Worker, tmp_path: Path) -> None:
    worker(1).close()
    os.chown(tmp_path / "control.val", 12345, -1)
    with pytest.raises(PermissionError, match="another user"):
        worker(2)


def test_whoever_is_alone_with_a_command_raises_the_epoch_without_it() -> None:
    control, heard = Control(), list[Any]()
    control.on("x", heard.append)
    before = control.epoch
    assert control.raise_epoch("x")
    assert control.epoch > before
    assert heard == []
    control.on("x", heard.append)
    assert not control.raise_epoch("x")
    assert control.append("x", {"n": 1})
    assert heard == [{"n": 1}] * 2


def test_nobody_is_alone_where_commands_reach_other_processes(tmp_path: Path) -> None:
    control = Control()
    control.open(tmp_path, 0, locked=nullcontext, is_live=lambda number: True)
    before = control.epoch
    assert not control.raise_epoch("x")
    assert control.epoch == before
    control.close()


class Meanwhile:
    """A lock before which something happens, once."""

    def __init__(self, control: Control, do: Callable[[], object]) -> None:
        self._control, self._lock, self._do = control, control._reading, do
        control._reading = self  # type: ignore[assignment]

    def __enter__(self) -> None:
        if self._control._reading is self:  # type: ignore[comparison-overlap]
            self._control._reading = self._lock
            self._do()
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("tell", ["append", "raise_epoch"])
def test_what_is_said_while_the_log_moves_to_files_leaves_the_log_whole(
    tmp_path: Path, worker: Worker, counted: list[tuple[str, str]], tell: str
) -> None:
    other, moving = worker(1), Control()
    others = heard(other)
    Meanwhile(
        moving,
        lambda: moving.open(tmp_path, 2, locked=lambda: directory_lock(tmp_path / "lock"), is_live=lambda number: True),
    )
    if tell == "append":
        assert moving.append("clear", {"tag": "a"})
    else:
        assert not moving.raise_epoch("clear")
        moving.append("clear", {"tag": "a"})
    moving.append("clear", {"tag": "b"})
    other.poll()
    moving.close()
    assert others == [{"tag": "a"}, {"tag": "b"}]
    assert counted == []


def test_the_log_is_not_closed_under_one_who_writes(
    tmp_path: Path, worker: Worker, counted: list[tuple[str, str]], errors: ErrorLog
) -> None:
    other, closing = worker(1), Control(errors=errors)
    others, closers = heard(other), []

    @contextmanager
    def locked() -> Iterator[None]:
        if closing._number >= 0 and not closers:
            closers.append(threading.Thread(target=closing.close))
            closers[0].start()
            closers[0].join(0.2)
        with directory_lock(tmp_path / "lock"):
            yield

    closing.open(tmp_path, 2, locked=locked, is_live=lambda number: True)
    assert closing.append("clear", {"tag": "a"})
    closers[0].join(20)
    assert not closing.is_shared
    other.poll()
    assert others == [{"tag": "a"}]
    assert counted == []

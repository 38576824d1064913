"""Texts: every worker reads those of all, newest first; bounded, and sound after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.errors import ErrorLog
from perfkit.store.texts import RING_BYTES, Texts
from perfkit.testing import FakeClock

Worker = Callable[..., Texts]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def worker(tmp_path: Path, clock: FakeClock) -> Iterator[Worker]:
    opened: list[Texts] = []

    def make(number: int, size: int = 4096) -> Texts:
        texts = Texts(size=size, clock=clock)
        texts.open(tmp_path, number)
        opened.append(texts)
        return texts

    yield make
    for texts in opened:
        texts.close()


def numbers(texts: Texts, kind: str | None = None, limit: int = 1000) -> list[int]:
    return [record["n"] for record in texts.read(kind, limit)]


def test_in_memory_texts_are_read_newest_first() -> None:
    texts = Texts()
    for n in range(3):
        texts.append("sql", {"n": n})
    assert numbers(texts) == [2, 1, 0]


def test_only_the_kind_asked_for_is_read_and_no_more_than_the_limit() -> None:
    texts = Texts()
    for n in range(6):
        texts.append("even" if n % 2 == 0 else "odd", {"n": n})
    assert numbers(texts, "even") == [4, 2, 0]
    assert numbers(texts, "even", limit=2) == [4, 2]
    assert numbers(texts, "none") == []


def test_in_memory_old_texts_make_room(clock: FakeClock) -> None:
    texts = Texts(size=4096, clock=clock)
    for n in range(1000):
        texts.append("sql", {"n": n})
    kept = numbers(texts)
    assert kept == list(range(999, 999 - len(kept), -1))
    assert 50 < len(kept) < 200


def test_every_worker_reads_the_texts_of_all_newest_first(worker: Worker, clock: FakeClock) -> None:
    one, two = worker(1), worker(2)
    for n, writer in enumerate((one, two, two, one)):
        clock.advance(1.0)
        writer.append("sql", {"n": n})
    assert numbers(one) == numbers(two) == [3, 2, 1, 0]


def test_the_file_is_made_at_the_first_record_and_never_grows(tmp_path: Path, worker: Worker) -> None:
    one = worker(1, size=RING_BYTES)
    path = tmp_path / "t-1.ring"
    assert not path.exists()
    one.append("sql", {"n": 1})
    assert path.stat().st_size == RING_BYTES
    assert path.stat().st_blocks * 512 >= RING_BYTES
    for n in range(3000):
        one.append("sql", {"n": n, "text": "x" * 200})
    assert path.stat().st_size == RING_BYTES


def test_a_full_ring_keeps_the_newest_and_nothing_older_than_a_hole(worker: Worker) -> None:
    one, two = worker(1), worker(2)
    for n in range(1000):
        one.append("sql", {"n": n, "text": "x" * (n % 97)})
        if n % 50 == 0:
            kept = numbers(two)
            assert kept == list(range(n, n - len(kept), -1))
    assert len(numbers(two)) > 20
    assert two.corrupt <= 1


def test_texts_from_before_the_opening_go_along(tmp_path: Path, worker: Worker, clock: FakeClock) -> None:
    texts = Texts(size=4096, clock=clock)
    texts.append("sql", {"n": 1})
    texts.open(tmp_path, 1)
    assert numbers(worker(2)) == [1]
    assert numbers(texts) == [1]
    texts.close()


def test_a_text_too_large_is_refused_and_counted() -> None:
    counted: list[str] = []
    texts = Texts(size=4096, errors=ErrorLog(count=lambda component, kind: counted.append(kind)))
    assert not texts.append("sql", {"text": "x" * 513})
    assert texts.append("sql", {"text": "x" * 400})
    assert (texts.refused, counted) == (1, ["text_too_large"])
    assert len(texts.read()) == 1


def test_a_damaged_record_is_skipped_and_the_others_are_read(tmp_path: Path, worker: Worker) -> None:
    one, two = worker(1), worker(2)
    for n in range(3):
        one.append("sql", {"n": n, "text": "some text"})
    path = tmp_path / "t-1.ring"
    data = path.read_bytes()
    second = data.index(b"\xc1\xfe\xc1\xff", 4)
    with path.open("r+b") as file:
        file.seek(second + 25)
        file.write(b"\0\0")
    assert numbers(two) == [2, 0]
    assert two.corrupt == 1


def test_a_dead_workers_texts_are_read_until_its_successor_overwrites_them(tmp_path: Path, worker: Worker) -> None:
    script = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from perfkit.store.texts import Texts\n"
        "texts = Texts(size=4096); texts.open(Path(sys.argv[1]), 1)\n"
        "for n in range(300): texts.append('sql', {'n': n}, at=float(n))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    reader = worker(2)
    before = numbers(reader)
    assert before[0] == 299
    heir = worker(1)
    heir.append("sql", {"n": 300}, at=300.0)
    after = numbers(reader)
    assert after[:2] == [300, 299]
    assert after == list(range(300, 300 - len(after), -1))


def test_a_text_cannot_pass_for_another_record(worker: Worker) -> None:
    one, two = worker(1), worker(2)
    one.append("sql", {"n": 1, "text": "\xc1\xfe\xc1\xff" * 20, "data": b"\xc1\xfe\xc1\xff" * 20})
    one.append("sql", {"n": 2})
    assert sorted(numbers(two)) == [1, 2]


def test_threads_that_append_at_once_lose_nothing(worker: Worker) -> None:
    one = worker(1, size=RING_BYTES)
    barrier = threading.Barrier(4)

    def write(thread: int) -> None:
        barrier.wait()
        for n in range(200):
            one.append("sql", {"n": thread * 1000 + n})

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(worker(2))) == sorted(t * 1000 + n for t in range(4) for n in range(200))


def test_a_forked_child_does_not_write_to_the_parents_ring(tmp_path: Path, worker: Worker) -> None:
    one = worker(1)
    one.append("sql", {"n": 1})
    before = (tmp_path / "t-1.ring").read_bytes()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            one.release_after_fork()
            one.append("sql", {"n": 2})
            status = 0 if numbers(one) == [2] else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (tmp_path / "t-1.ring").read_bytes() == before


def test_without_space_the_texts_stay_in_this_process(tmp_path: Path, clock: FakeClock) -> None:
    counted: list[str] = []
    texts = Texts(clock=clock, errors=ErrorLog(count=lambda component, kind: counted.append(kind)))
    texts.open(tmp_path / "removed", 1)
    texts.append("sql", {"n": 1})
    assert numbers(texts) == [1]
    assert counted == ["FileNotFoundError"]


@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=120))
def test_the_ring_agrees_with_a_list(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    directory = tmp_path_factory.mktemp("ring")
    texts = Texts(size=4096, clock=FakeClock())
    texts.open(directory, 1)
    for n, size in enumerate(sizes):
        texts.append("sql", {"n": n, "text": "x" * size})
    kept = numbers(texts)
    texts.close()
    assert kept == list(range(len(sizes) - 1, len(sizes) - 1 - len(kept), -1))
    # A lap never starts before half of the ring is full, and a record is at most 512 bytes.
    assert sum(sizes[n] + 60 for n in kept) >= min(sum(size + 20 for size in sizes), 2500)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_ring_of_another_user_is_not_mapped_as_he_could_cut_it(tmp_path: Path) -> None:
    (tmp_path / "t-1.ring").write_bytes(b"")
    os.chown(tmp_path / "t-1.ring", 12345, -1)
    texts = Texts()
    texts.open(tmp_path, 1)
    assert texts.append("exchange", {"n": 1})
    assert texts.read() == [{"n": 1}]
    assert (tmp_path / "t-1.ring").stat().st_size == 0

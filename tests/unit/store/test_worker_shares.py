"""What each worker knows, told to all: the newest of each counts, and all say the same."""

from __future__ import annotations

import multiprocessing
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from perfkit.store import Store, StoreSettings
from perfkit.store.checkpoints import Shares
from perfkit.store.checkpoints.shares import REPEAT_INTERVAL, TELL_INTERVAL
from perfkit.testing import FakeClock

KIND = "test.thing"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    count: int = 0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    store = Store(StoreSettings(directory=str(tmp_path)), clock=clock)
    store.open()
    yield store
    store.close()


def of(store: Store, most: int = 10) -> Shares[Known]:
    return Shares(store, KIND, Known, most=most)


def read(shares: Shares[Known], clock: FakeClock) -> dict[str, list[int]]:
    clock.advance(1.5)
    return {name: [each.count for each in known] for name, known in shares.read().items()}


def test_alone_it_is_what_was_said_last() -> None:
    shares = of(Store())
    for count in range(3):
        shares.tell("a", Known(count=count), 1000.0 + count / 10)
    assert [each.count for each in shares.read()["a"]] == [2]


def test_all_workers_read_the_newest_of_each(store: Store, clock: FakeClock) -> None:
    one, other = of(store), of(store)
    one.tell("a", Known(count=1), clock.monotonic())
    clock.advance(0.1)
    other.tell("a", Known(count=10), clock.monotonic())
    other.tell("b", Known(count=7), clock.monotonic())
    assert read(one, clock) == read(other, clock) == {"a": [10, 1], "b": [7]}
    clock.advance(TELL_INTERVAL)
    one.tell("a", Known(count=2), clock.monotonic())
    assert read(one, clock) == read(other, clock) == {"a": [2, 10], "b": [7]}


def test_changes_are_written_every_few_seconds_and_again_after_minutes(store: Store, clock: FakeClock) -> None:
    shares = of(store)

    def written() -> int:
        return len(store.texts.read(KIND))

    for count in range(40):
        shares.tell("a", Known(count=count), clock.advance(0.1))
    assert written() == 1
    shares.tell("a", Known(count=40), clock.advance(TELL_INTERVAL))
    assert written() == 2
    shares.tell("a", Known(count=40), clock.advance(TELL_INTERVAL * 2))
    assert written() == 2
    shares.tell("a", Known(count=40), clock.advance(REPEAT_INTERVAL))
    assert written() == 3


def test_what_is_told_is_bounded(store: Store, clock: FakeClock) -> None:
    shares = of(store, most=3)
    for number in range(10):
        shares.tell(f"n{number}", Known(count=number), clock.monotonic())
    assert sorted(read(shares, clock)) == ["n0", "n1", "n2"]


def test_what_cannot_be_read_is_left_out(store: Store, clock: FakeClock) -> None:
    shares = of(store)
    store.texts.append(KIND, {"of": "another version"})
    store.texts.append(KIND, {"worker": "w", "name": "a", "known": {"count": "many"}})
    shares.tell("a", Known(count=1), clock.monotonic())
    assert read(shares, clock) == {"a": [1]}


def test_a_forked_child_is_a_worker_of_its_own() -> None:
    shares = of(Store())
    shares.tell("a", Known(count=1), 1000.0)
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    child = context.Process(target=lambda: told.put(list(shares.read())))
    child.start()
    assert told.get(timeout=60) == []
    child.join(60)
    assert list(shares.read()) == ["a"]


def test_many_that_change_all_the_time_are_told_once_a_second_and_leave_room_for_other_texts(
    store: Store, clock: FakeClock
) -> None:
    shares, seconds = of(store, most=50), 200
    for second in range(seconds):
        for name in range(50):
            shares.tell(str(name), Known(count=second), clock.monotonic())
        clock.advance(1.0)
    told = len(store.texts.read(KIND))
    assert told <= 50 + seconds
    assert all(known > [seconds - 60] for known in read(shares, clock).values())


def test_after_a_fork_no_thread_meets_the_parent_s_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    shares, parent, seen = of(Store()), os.getpid(), []
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)

    def token_hex(_: int) -> str:
        seen.append(shares._pid)
        return "00000000"

    monkeypatch.setattr(secrets, "token_hex", token_hex)
    shares._lock.acquire()  # as a thread of the parent may have held it that is not there in the child
    shares.tell("a", Known(count=1), 1000.0)
    assert seen == [parent], "the child counts as known only once it has a lock of its own"

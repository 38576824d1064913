"""Threads: no update is lost, and no reader or newcomer disturbs them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from haste import hasty

from perfkit.core.families import Definition, MetricType
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Row, Store, StoreSettings
from perfkit.store.layout import FINISHED, STARTED
from perfkit.store.series.updates import UPDATE_LOCK, add, locked

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))
THREADS, ROUNDS = 8, 4000


@pytest.fixture(autouse=True)
def busy_switching() -> Iterator[None]:
    with hasty(1e-6):
        yield


def in_threads(*works: Callable[[], object]) -> None:
    """Run all at once; raise what one of them raised."""
    failed: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            barrier.wait(90)
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failed, failed


@pytest.mark.parametrize("shared", [False, True])
def test_no_update_of_any_thread_is_lost(tmp_path: Path, shared: bool) -> None:
    store = Store(StoreSettings(mode="auto" if shared else "memory", directory=str(tmp_path)))
    store.open()
    hits, times = store.row(HITS, ("home",)), store.row(REQUEST_DURATION, ("GET", "/", "200", "http", ""))

    def work() -> None:
        for _ in range(ROUNDS):
            store.add(hits, 1.0)
            store.observe(times, 0.25)

    in_threads(*[work] * THREADS)
    counter, histogram = (store.families({name})[0].points[0].value for name in (HITS.name, REQUEST_DURATION.name))
    assert counter == THREADS * ROUNDS
    assert (histogram.count, histogram.sum) == (THREADS * ROUNDS, THREADS * ROUNDS * 0.25)  # type: ignore[union-attr]
    store.close()


def test_no_update_is_lost_while_the_store_opens(tmp_path: Path) -> None:
    for attempt in range(10):
        store = Store(StoreSettings(directory=str(tmp_path / str(attempt))))
        other = Store(StoreSettings(directory=str(tmp_path / str(attempt))))
        other.open()
        other.row(HITS, ("slots are taken by others",))
        rows = [store.row(HITS, (f"p{number}",)) for number in range(20)]

        def work(store: Store = store, rows: list[Row] = rows) -> None:
            for step in range(2000):
                values = store.values
                values[STARTED] += 1.0
                store.add(rows[step % 20], 1.0)
                values = store.values
                values[FINISHED] += 1.0

        in_threads(*[work] * 4, store.open)
        store.tick(store.clock.monotonic())
        points = {point.labels: point.value for point in other.families({HITS.name})[0].points}
        assert [points[row.labels] for row in rows] == [400.0] * 20
        assert store.in_flight() == 0
        store.close()
        other.close()


def test_new_series_from_many_threads_have_slots_of_their_own(tmp_path: Path) -> None:
    stores = [Store(StoreSettings(directory=str(tmp_path))) for _ in range(4)]
    for store in stores:
        store.open()

    def work(store: Store) -> None:
        for number in range(100):
            store.add(store.row(HITS, (f"p{number}",)), 1.0)

    in_threads(*[lambda store=store: work(store) for store in stores * 2])  # type: ignore[misc]
    points = stores[0].families({HITS.name})[0].points
    assert {point.labels: point.value for point in points} == {(f"p{number}",): 8.0 for number in range(100)}
    lines = (tmp_path / "keys.log").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 105  # the log itself, two families, their _other, the pages
    for store in stores:
        store.close()


def test_readers_and_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    seen: list[float] = []

    def read() -> None:
        for _ in range(100):
            points = [point for family in store.families({HITS.name}) for point in family.points]
            seen.append(sum(point.value for point in points))  # type: ignore[misc]

    def write() -> None:
        for number in range(1000):
            store.add(store.row(HITS, (f"p{number % 300}",)), 1.0)

    in_threads(read, read, write, write, write)
    assert store.families({HITS.name})[0].points
    assert sum(point.value for point in store.families({HITS.name})[0].points) == 3000.0  # type: ignore[misc]
    store.close()


def test_where_threads_run_truly_at_once_updates_take_the_lock() -> None:
    store = Store(StoreSettings(mode="memory"))
    row = store.row(HITS, ("home",))
    locked_add = locked(add)
    with UPDATE_LOCK:
        thread = threading.Thread(target=locked_add, args=(store, row, 1.0))
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        assert store.values[row.index] == 0.0
    thread.join(90)
    in_threads(*[lambda: [locked_add(store, row, 1.0) for _ in range(1000)]] * 4)
    assert store.values[row.index] == 4001.0


@pytest.mark.parametrize("moves", ["opens", "finds its files removed"])
def test_a_series_that_is_new_while_the_store_moves_loses_nothing(tmp_path: Path, moves: str) -> None:
    store = Store(StoreSettings(directory=str(tmp_path / "files")))
    ground = store._ground
    if moves != "opens":
        store.open()
        shutil.rmtree(tmp_path / "files")
    swap = ground._swap

    def swap_and_count(*backing: Any) -> None:
        swap(*backing)
        store.add(store.row(HITS, ("new",)), 5.0)

    ground._swap = swap_and_count  # type: ignore[method-assign]
    if moves == "opens":
        store.open()
    else:
        store.tick(store.clock.monotonic() + 5.0)
    ground._swap = swap  # type: ignore[method-assign]
    assert store.is_shared
    store.add(store.row(HITS, ("new",)), 1.0)
    assert [point.value for point in store.families({HITS.name})[0].points] == [6.0]
    store.close()

"""A recording measures anew and forgets nothing: what was counted since, before, and between any two moments."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.core.families import Histogram
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Store, StoreSettings, Window
from perfkit.store.history.past import MOST
from perfkit.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    files = StoreSettings(directory=str(tmp_path / "store"))
    store = Store(StoreSettings(mode="memory") if request.param == "memory" else files, clock=clock)
    store.open()
    yield store
    store.close()


def serve(store: Store, clock: FakeClock, seconds: int, *, took: float = 0.02, route: str = "/") -> None:
    """One request a second."""
    row = store.row(store.define(REQUEST_DURATION), ("GET", route, "200", "http", ""))
    for _ in range(seconds):
        store.observe(row, took)
        clock.advance(1.0)
        store.tick(clock.monotonic())


def number(seen: Window | None) -> int:
    assert seen is not None
    return int(sum(point.value.count for point in seen.points if isinstance(point.value, Histogram)))


def test_since_a_recording_only_what_came_later_counts(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 100)
    begun = store.past.begin_recording()
    assert store.past.recordings == (begun,)
    assert number(store.past.recorded(300.0)) == 0
    serve(store, clock, 17, route="/new")
    seen = store.past.recorded(300.0)
    assert number(seen) == 17
    assert seen.duration == pytest.approx(17.0)
    assert {point.labels[1] for point in seen.points} == {"/new"}
    # Whoever does not ask for it sees all, as alerts do.
    assert number(store.window(300.0)) == 117


def test_a_window_shorter_than_the_recording_is_as_it_was(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 40)
    store.past.begin_recording()
    serve(store, clock, 300)
    assert number(store.past.recorded(60.0)) == number(store.window(60.0))
    assert number(store.past.recorded()) == 300


def test_without_a_recording_all_since_the_start_is_recorded(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 40)
    assert number(store.past.recorded()) == 40


def test_what_was_between_two_recordings_is_exact(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 33)
    first = store.past.begin_recording()
    serve(store, clock, 47, took=0.3)
    second = store.past.begin_recording()
    serve(store, clock, 11)
    between = store.past.between(first, second)
    assert number(between) == 47
    assert between is not None
    assert (between.start, between.end) == (first, second)
    (point,) = between.points
    assert isinstance(point.value, Histogram)
    assert point.value.sum == pytest.approx(47 * 0.3)
    assert number(store.past.between(second, clock.time())) == 11


def test_a_recording_is_taken_back(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 20)
    store.past.begin_recording()
    serve(store, clock, 5)
    assert store.past.end_recording()
    assert number(store.past.recorded(300.0)) == 25
    assert not store.past.end_recording()


def test_few_recordings_are_remembered(store: Store, clock: FakeClock) -> None:
    begun = []
    for _ in range(MOST + 3):
        serve(store, clock, 1)
        begun.append(store.past.begin_recording())
    assert store.past.recordings == tuple(begun[-MOST:])


def test_of_what_lies_too_close_together_nothing_is_known(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 600)
    at = clock.time() - 120.0
    parts = [store.past.between(at + n, at + n + 1.0) for n in range(30)]
    assert sum(each is None for each in parts) == 29
    assert store.past.between(clock.time() + 50.0, clock.time() + 90.0) is None


def test_inside_nothing_of_before_or_after_counts(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 100, route="/old")
    release = clock.time()
    serve(store, clock, 100, route="/new")
    later = clock.time()
    serve(store, clock, 100, route="/newer")
    seen = store.past.between(release, later, inside=True)
    assert seen is not None
    assert {point.labels[1] for point in seen.points} == {"/new"}
    assert 30 <= number(seen) <= 100
    assert store.past.between(clock.time() - 2.0, clock.time(), inside=True) is None


def test_slices_are_of_one_route_and_end_in_the_past(store: Store, clock: FakeClock) -> None:
    serve(store, clock, 150, route="/a")
    serve(store, clock, 150, route="/b")
    _, slices = store.past.slices(300.0, route=("GET", "/b"))
    assert sum(sum(each.counts) for each in slices) == 150
    until = clock.time() - 120.0
    _, older = store.past.slices(90.0, until=until, route=("GET", "/a"))
    assert older
    assert older[-1].end <= until + 30.0
    assert abs(sum(sum(each.counts) for each in older) - sum(each.end - each.start for each in older)) <= 60.0


BEGIN = """
import sys
from perfkit.store import Store, StoreSettings

store = Store(StoreSettings(directory=sys.argv[1]))
store.open()
print(store.past.begin_recording())
store.close()
"""


def test_what_one_worker_begins_all_read_at_once(tmp_path: Path) -> None:
    directory = str(tmp_path / "store")
    store = Store(StoreSettings(directory=directory))
    store.open()
    try:
        row = store.row(store.define(REQUEST_DURATION), ("GET", "/", "200", "http", ""))
        for _ in range(9):
            store.observe(row, 0.02)
        workers = [
            subprocess.Popen([sys.executable, "-c", BEGIN, directory], stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        begun = sorted(float(worker.communicate(timeout=100.0)[0]) for worker in workers)
        assert store.past.recordings == tuple(begun)
        assert number(store.past.recorded(300.0)) == 0
        store.observe(row, 0.02)
        assert number(store.past.recorded(300.0)) == 1
    finally:
        store.close()

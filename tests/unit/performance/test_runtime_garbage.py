"""The garbage collector's work: its counts are the interpreter's, its pauses are measured without touching a store."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from perfkit.core.families import Histogram
from perfkit.performance.runtime.garbage import Garbage, pauses
from perfkit.performance.runtime.metrics import GC_PAUSE
from perfkit.store import Store, StoreSettings


@pytest.fixture
def store() -> Store:
    return Store(StoreSettings(mode="memory"))


@pytest.fixture
def garbage(store: Store) -> Iterator[Garbage]:
    garbage = Garbage(store)
    garbage.start()
    yield garbage
    garbage.stop()


def values(store: Store, name: str) -> dict[str, float]:
    return {
        point.labels[0]: point.value
        for family in store.families({name})
        for point in family.points
        if isinstance(point.value, (int, float))
    }


def paused(store: Store, generation: str = "2") -> tuple[float, float]:
    """Return how many pauses of *generation* were counted, and their seconds."""
    for family in store.families({GC_PAUSE.name}):
        for point in family.points:
            if point.labels == (generation,) and isinstance(point.value, Histogram):
                return point.value.count, point.value.sum
    return 0.0, 0.0


def test_counts_are_those_of_the_interpreter(store: Store, garbage: Garbage) -> None:
    garbage.sample()
    before, told_before = values(store, "python_gc_collections_total"), gc.get_stats()
    gc.collect()
    garbage.sample()
    after, told_after = values(store, "python_gc_collections_total"), gc.get_stats()
    assert after["2"] - before["2"] >= 1.0
    assert after["2"] - before["2"] <= told_after[2]["collections"] - told_before[2]["collections"] + 1
    assert set(after) == {"0", "1", "2"}
    assert set(values(store, "python_gc_objects_collected_total")) == {"0", "1", "2"}
    assert set(values(store, "python_gc_objects_uncollectable_total")) == {"0", "1", "2"}


def test_collected_objects_are_counted(store: Store, garbage: Garbage) -> None:
    gc.collect()
    garbage.sample()
    before = values(store, "python_gc_objects_collected_total")["2"]
    for _ in range(100):
        knot: list[object] = []
        knot.append(knot)
        del knot
    gc.collect()
    garbage.sample()
    total = sum(values(store, "python_gc_objects_collected_total").values())
    assert total >= before + 90.0 or total >= 90.0


def test_each_pause_is_counted_once(store: Store, garbage: Garbage) -> None:
    garbage.sample()
    count, seconds = paused(store)
    for _ in range(3):
        gc.collect()
    garbage.sample()
    after, longer = paused(store)
    assert after - count >= 3.0
    assert longer > seconds
    gc.disable()
    try:
        garbage.sample()
        garbage.sample()
        assert paused(store) == (after, longer)
    finally:
        gc.enable()


def test_two_systems_of_one_service_count_a_pause_once(tmp_path: object) -> None:
    stores = [Store(StoreSettings(directory=str(tmp_path)), service="shop", origin="app.py") for _ in range(2)]
    both = [Garbage(store) for store in stores]
    for store, each in zip(stores, both, strict=True):
        store.open()
        each.start()
    try:
        for each in both:
            each.sample()
        before = paused(stores[0])[0]
        gc.disable()
        gc.collect()
        for each in both:
            each.sample()
        assert paused(stores[0])[0] == paused(stores[1])[0] == before + 1.0
    finally:
        gc.enable()
        for store, each in zip(stores, both, strict=True):
            each.stop()
            store.close()


def test_the_callback_is_there_while_somebody_wants_it_and_gone_afterwards(store: Store) -> None:
    before = list(gc.callbacks)
    first, second = Garbage(store), Garbage(store)
    first.start()
    first.start()
    second.start()
    assert len(gc.callbacks) == len(before) + (0 if pauses()._callback in before else 1)
    first.stop()
    first.stop()
    assert pauses()._callback in gc.callbacks
    second.stop()
    assert gc.callbacks == before


def test_a_collection_that_was_under_way_at_the_start_is_no_pause() -> None:
    note = pauses()._callback
    counts = list(pauses().counts)
    note("stop", {"generation": 2})
    assert pauses().counts == counts


def test_a_generation_that_is_not_known_is_left_out() -> None:
    note, counts = pauses()._callback, list(pauses().counts)
    note("start", {"generation": 9})
    note("stop", {"generation": 9})
    assert pauses().counts == counts


def test_a_forked_child_counts_its_own_collections_only(store: Store, garbage: Garbage) -> None:
    for _ in range(5):
        gc.collect()
    garbage.sample()
    pid = os.fork()
    if pid == 0:
        try:
            mine = Store(StoreSettings(mode="memory"))
            own = Garbage(mine)
            own.start()
            gc.collect()
            own.sample()
            count = values(mine, "python_gc_collections_total")["2"]
            pause_count, _ = paused(mine)
            os._exit(0 if count == pause_count == 1.0 and len(gc.callbacks) == 1 + _others() else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def _others() -> int:
    return sum(1 for each in gc.callbacks if each is not pauses()._callback)


def test_an_interpreter_that_ends_while_pauses_are_measured_says_nothing() -> None:
    code = (
        "from perfkit.store import Store; from perfkit.performance.runtime.garbage import Garbage\n"
        "garbage = Garbage(Store()); garbage.start()\n"
        "knots = []\n"
        "class Knot:\n"
        "    def __init__(self): self.me = self\n"
        "    def __del__(self, collect=__import__('gc').collect): collect()\n"
        "knots = [Knot() for _ in range(50)]\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_interpreter_with_another_collector_has_reasons_instead_of_numbers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(gc, "callbacks")
    monkeypatch.setattr(gc, "get_stats", lambda: "PyPy says it in words")
    garbage = Garbage(store)
    garbage.start()
    garbage.sample()
    garbage.stop()
    assert sorted(garbage.unavailable) == [
        "perfkit_gc_pause_seconds",
        "python_gc_collections_total",
        "python_gc_objects_collected_total",
        "python_gc_objects_uncollectable_total",
    ]
    assert values(store, "python_gc_collections_total") == {}

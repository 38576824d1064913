"""Is it a leak: the robust slope of the lower envelope, the watcher over a worker, and what it tells the others."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.errors import ConfigurationError
from perfkit.performance.findings import growing
from perfkit.performance.memory.contents import MOST, MOST_OWN, Allocations, grown, types
from perfkit.performance.memory.slope import floor_of, slope
from perfkit.performance.memory.watch import KIND, MemoryGrowth, MemoryWatcher, suspects
from perfkit.performance.settings import MemoryWatch
from perfkit.store import Store, StoreSettings
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock

MIB = 1024 * 1024
HOUR = 3600.0


def watched(memory: list[float], settings: MemoryWatch | None = None) -> tuple[MemoryGrowth, ...]:
    """Return what a worker tells after it had so much *memory*, each ten seconds."""
    clock = FakeClock()
    store = Store(StoreSettings(mode="memory"), clock=clock)
    watcher = MemoryWatcher(store, settings or MemoryWatch())
    for resident in memory:
        watcher.sample(resident, clock.advance(10.0))
    return suspects(store.texts.read(KIND), [watcher.pid], clock.time())


def noisy(values: list[float], seed: int = 1) -> list[float]:
    """Return *values* with noise, and every twentieth an outlier upwards, as a large answer is."""
    rng = random.Random(seed)
    return [value + rng.uniform(0, 2) * MIB + (80 * MIB if rng.random() < 0.05 else 0.0) for value in values]


@given(rate=st.floats(0.5, 500.0), start=st.floats(0.0, 1000.0))
def test_the_slope_of_a_line_is_that_of_the_line(rate: float, start: float) -> None:
    line = slope([(float(at), start + rate * at) for at in range(30)])
    assert line is not None
    assert line.per_second == pytest.approx(rate, rel=1e-6)
    assert (line.rising, line.is_steady) == (1.0, True)


def test_too_few_points_tell_nothing() -> None:
    assert slope([(float(at), float(at)) for at in range(8)]) is None
    assert slope([(1.0, 1.0)] * 20) is None


def test_the_floor_is_the_lowest_of_each_piece() -> None:
    points = [(float(at), 100.0 - at % 10) for at in range(300)]
    floor = floor_of(points, 300.0)
    assert len(floor) == 30
    assert {value for _, value in floor} == {91.0}


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_suspected_with_its_rate(seed: int) -> None:
    (found,) = watched(noisy([200 * MIB + 60 * MIB * n / 360 for n in range(360)], seed))
    assert found.bytes_per_hour == pytest.approx(60 * MIB, rel=0.15)
    assert found.low <= found.bytes_per_hour <= found.high
    assert found.confidence > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_a_steady_worker_is_not_suspected(seed: int) -> None:
    assert watched(noisy([200.0 * MIB] * 720, seed)) == ()


@pytest.mark.parametrize("period", [30, 60, 97, 200])
def test_a_saw_tooth_is_not_suspected(period: int) -> None:
    assert watched(noisy([200 * MIB + 50 * MIB * (n % period) / period for n in range(1000)])) == ()


def test_a_step_is_not_suspected() -> None:
    assert watched(noisy([200.0 * MIB] * 200 + [300.0 * MIB] * 300)) == ()


def test_a_plateau_after_the_start_is_not_suspected() -> None:
    values = [200 * MIB + 100 * MIB * min(n, 60) / 60 for n in range(700)]
    assert watched(noisy(values)) == ()


def test_growth_of_little_is_not_suspected() -> None:
    assert watched(noisy([200 * MIB + 5 * MIB * n / 360 for n in range(360)])) == ()


def test_a_suspicion_ends_when_the_growth_does() -> None:
    grows = [200 * MIB + 100 * MIB * n / 360 for n in range(360)]
    assert watched(noisy(grows))
    assert watched(noisy(grows + [300.0 * MIB] * 720)) == ()


def test_what_dead_workers_said_and_what_is_old_does_not_count() -> None:
    growth = MemoryGrowth(
        at=100.0, pid=7, resident=1.0, bytes_per_hour=1.0, low=1.0, high=1.0, seconds=1.0, confidence=1.0
    )
    import msgspec

    record = msgspec.to_builtins(growth)
    assert suspects([record], [7], 110.0) == (growth,)
    assert suspects([record], [8], 110.0) == ()
    assert suspects([record], [7], 1000.0) == ()
    assert suspects([{"of": "another version"}], [7], 110.0) == ()


class Leaked:
    """What leaks in the next test; it has a reference, so that the garbage collector knows it."""

    def __init__(self) -> None:
        self.other: list[int] = []


@pytest.fixture
def fresh() -> Iterator[None]:
    """Only what a test makes itself is looked at, not what the thousands before it have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("fresh")
def test_the_type_that_grew_is_told() -> None:
    before = types(budget=5.0)
    kept = [Leaked() for _ in range(30_000)]
    found = grown(before, types(budget=5.0))
    name = f"{Leaked.__module__}.{Leaked.__qualname__}"
    assert name in found
    assert found[name] == pytest.approx(len(kept), rel=0.2)
    assert len(found) <= MOST + MOST_OWN


class Entry:
    """What the audit list of the next tests keeps."""

    def __init__(self) -> None:
        self.other: list[int] = []


def short_watch(*, leaks: bool) -> tuple[MemoryGrowth, ...]:
    """Return what a worker tells after half a minute in which its memory grows, by entries that it keeps or not."""
    clock = FakeClock()
    store = Store(StoreSettings(mode="memory"), clock=clock)
    watcher = MemoryWatcher(store, MemoryWatch(window=30, warm_up=3, growth=MIB, types=True))
    kept: list[Entry] = []
    for second in range(25):
        kept += [Entry() for _ in range(40)]
        if not leaks:
            del kept[:-50]
        watcher.sample((100 + second) * MIB, clock.advance(1.0))
    return suspects(store.texts.read(KIND), [watcher.pid], clock.time())


@pytest.mark.usefixtures("fresh")
def test_in_a_short_time_a_type_that_becomes_more_is_the_proof_and_tells_the_line() -> None:
    (growth,) = short_watch(leaks=True)
    (finding,) = growing([growth])
    name = f"{Entry.__module__}.Entry"
    assert growth.types[name] > 300
    assert finding.object == name
    path, _, line = str(finding.site).rpartition(":")
    assert Path(path).read_text().splitlines()[int(line) - 1] == "class Entry:"
    assert f"more of {name}." in finding.message
    assert finding.fix["python"]


@pytest.mark.usefixtures("fresh")
def test_memory_that_grows_for_a_short_time_alone_proves_nothing() -> None:
    assert short_watch(leaks=False) == ()


def test_the_line_that_allocates_most_is_told_before_a_type() -> None:
    growth = MemoryGrowth(
        at=1.0,
        pid=7,
        resident=1.0,
        bytes_per_hour=1.0,
        low=1.0,
        high=1.0,
        seconds=3600.0,
        confidence=1.0,
        types={"shop.Entry": 10},
        homes={"shop.Entry": "shop/audit.py:9"},
        lines={json.__file__ + ":3": 7 * MIB, "shop/audit.py:31": 5 * MIB},
    )
    (finding,) = growing([growth])
    assert finding.site == "shop/audit.py:31"
    assert "5.0 MiB more were allocated at shop/audit.py:31." in finding.message


def test_a_short_window_without_types_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="only the types that grow"):
        PerformanceSystem({"performance": {"memory": {"window": 60}}}, environment="testing")


def test_counting_types_ends_when_its_time_is_up() -> None:
    assert sum(types(budget=0.0).values()) > 0


def test_the_line_that_allocated_is_told_and_tracing_ends_with_the_watch() -> None:
    import tracemalloc

    allocations = Allocations()
    allocations.start()
    try:
        allocations.mark()
        kept = [bytes(1000) for _ in range(1000)]
        assert any(__file__ in line and size > 900_000 for line, size in allocations.grown().items())
        assert len(kept) == 1000
    finally:
        allocations.stop()
    assert not tracemalloc.is_tracing()

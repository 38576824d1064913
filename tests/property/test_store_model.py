"""The whole store against the obvious model: a few dicts.

Workers open, count, close and are killed in any order; whoever reads must see what the model says. Each worker is
a `Store` on the files of one directory; the kernel cannot tell them from processes.
"""

from __future__ import annotations

import shutil
import tempfile
from bisect import bisect_left
from collections import defaultdict
from itertools import count
from pathlib import Path

from examples import share
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import integers, sampled_from
from store_deaths import kill

from perfkit.core.families import Definition, Family, GaugeMode, Histogram, MetricType
from perfkit.core.names import ABANDONED
from perfkit.store import Store, StoreSettings
from perfkit.store.layout import FINISHED, STARTED
from perfkit.testing import FakeClock

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))
TIMES = Definition(name="times_seconds", type=MetricType.HISTOGRAM, boundaries=(1.0, 2.0, 5.0))
LEVEL = Definition(name="level", type=MetricType.GAUGE, labels=("page",))
PEAK = Definition(name="peak", type=MetricType.GAUGE, mode=GaugeMode.MAX)

pages = sampled_from(["a", "b", "c"])
picks = integers(0, 7)


class Fleet(RuleBasedStateMachine):
    """Workers and what should be read of them."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.stores: list[Store] = []
        self.highest = 0
        self.hits: dict[str, float] = defaultdict(float)
        self.times = [0.0] * 4
        self.time_sum = 0.0
        self.gauges: dict[int, dict[tuple[str, ...], float]] = {}
        self.flights: dict[int, int] = {}
        self.lost = 0.0
        self.left_in_flight: dict[int, int] = {}
        self.names = count()

    @initialize()
    def start_the_first_worker(self) -> None:
        self.start_a_worker()

    @rule()
    @precondition(lambda self: len(self.stores) < 5)
    def start_a_worker(self) -> None:
        store = Store(StoreSettings(directory=str(self.directory)), clock=self.clock)
        early = store.row(HITS, ("early",))
        store.add(early, 1.0)
        self.hits["early"] += 1.0
        store.open()
        assert store.is_shared, store.degraded
        taken = {other.number for other in self.stores}
        assert store.number == min(set(range(1, 10)) - taken)
        self.stores.append(store)
        self.highest = max(self.highest, store.number)
        self.gauges[store.number] = {}
        self.lost += self.left_in_flight.pop(store.number, 0)
        self.flights[store.number] = 0

    @rule(pick=picks, page=pages, amount=integers(0, 100))
    @precondition(lambda self: self.stores)
    def add(self, pick: int, page: str, amount: int) -> None:
        store = self.pick(pick)
        store.add(store.row(HITS, (page,)), amount)
        self.hits[page] += amount

    @rule(pick=picks, value=sampled_from([0.5, 1.0, 1.5, 2.0, 5.0, 9.0]))
    @precondition(lambda self: self.stores)
    def observe(self, pick: int, value: float) -> None:
        store = self.pick(pick)
        store.observe(store.row(TIMES), value)
        self.times[bisect_left(TIMES.boundaries, value)] += 1.0
        self.time_sum += value

    @rule(pick=picks, page=pages, value=integers(-5, 5))
    @precondition(lambda self: self.stores)
    def set_a_gauge(self, pick: int, page: str, value: int) -> None:
        store = self.pick(pick)
        store.set(store.row(LEVEL, (page,)), value)
        store.set(store.row(PEAK), value)
        self.gauges[store.number][page,] = value
        self.gauges[store.number][()] = value

    @rule(pick=picks)
    @precondition(lambda self: self.stores)
    def begin_an_exchange(self, pick: int) -> None:
        store = self.pick(pick)
        store.values[STARTED] += 1.0
        self.flights[store.number] += 1

    @rule(pick=picks)
    @precondition(lambda self: any(self.flights.values()))
    def end_an_exchange(self, pick: int) -> None:
        busy = [store for store in self.stores if self.flights[store.number]]
        if busy:
            store = busy[pick % len(busy)]
            store.values[FINISHED] += 1.0
            self.flights[store.number] -= 1

    @rule(pick=picks)
    @precondition(lambda self: self.stores)
    def new_series_come_up(self, pick: int) -> None:
        store = self.pick(pick)
        name = f"new{next(self.names)}"
        store.add(store.row(HITS, (name,)), 1.0)
        self.hits[name] += 1.0

    @rule(pick=picks)
    @precondition(lambda self: len(self.stores) > 1)
    def close(self, pick: int) -> None:
        store = self.pick(pick)
        self.forget(store)
        store.close()

    @rule(pick=picks)
    @precondition(lambda self: len(self.stores) > 1)
    def kill(self, pick: int) -> None:
        store = self.pick(pick)
        self.forget(store)
        kill(store)
        self.clock.advance(1.5)

    @rule()
    def a_second_passes(self) -> None:
        self.clock.advance(1.0)
        for store in self.stores:
            store.tick(self.clock.monotonic())

    @invariant()
    def everybody_reads_what_the_model_says(self) -> None:
        for store in self.stores[:2]:
            families = {family.definition.name: family for family in store.families()}
            assert self.points(families.get("hits_total")) == {(page,): amount for page, amount in self.hits.items()}
            times = self.points(families.get("times_seconds")).get((), Histogram((), [0.0] * 4, 0.0))
            assert isinstance(times, Histogram)
            assert (list(times.counts), times.sum) == (self.times, self.time_sum)
            alive = [self.gauges[store.number] for store in self.stores]
            levels: dict[tuple[str, ...], float] = defaultdict(float)
            for gauges in alive:
                for labels, value in gauges.items():
                    if labels:
                        levels[labels] += value
            assert self.points(families.get("level")) == levels
            peaks = [gauges[()] for gauges in alive if () in gauges]
            assert self.points(families.get("peak")) == ({(): max(peaks)} if peaks else {})
            assert store.in_flight() == sum(self.flights.values())
            assert families[ABANDONED.name].points[0].value == self.lost
        assert len(list(self.directory.glob("w-*.val"))) == self.highest <= 5

    def pick(self, number: int) -> Store:
        return self.stores[number % len(self.stores)]

    def forget(self, store: Store) -> None:
        self.stores.remove(store)
        del self.gauges[store.number]
        self.left_in_flight[store.number] = self.flights.pop(store.number)

    @staticmethod
    def points(family: Family | None) -> dict[tuple[str, ...], object]:
        return {} if family is None else {point.labels: point.value for point in family.points}

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        shutil.rmtree(self.directory)


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=share(0.4), stateful_step_count=30)

"""The cache beside an obvious model: a dict of values with their ends, looked through from end to end."""

from __future__ import annotations

import fnmatch
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perfkit.cache import CacheManager, MsgpackCodec
from perfkit.testing import FakeClock

KEYS = st.sampled_from(["a:1", "a:2", "b:1", "b:22", "c"])
TTLS = st.sampled_from([None, 1.0, 5.0, 0.0])
TAGS = st.sets(st.sampled_from(["x", "y"])).map(tuple)
PATTERNS = st.sampled_from(["a:*", "*", "*:1", "?", "b:[0-9]*", "c", "nothing*"])


class Model(RuleBasedStateMachine):
    """Without eviction, each answer is known exactly."""

    strategy = "lru"

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.cache = CacheManager(strategy=self.strategy, max_size=100, clock=self.clock)
        self.held: dict[str, tuple[Any, float, frozenset[str], float]] = {}
        self.number = 0

    def fresh(self) -> dict[str, Any]:
        now = self.clock.monotonic()
        self.held = {key: kept for key, kept in self.held.items() if kept[1] > now}
        return {key: kept[0] for key, kept in self.held.items()}

    def end(self, ttl: float | None) -> float:
        return float("inf") if ttl is None else self.clock.monotonic() + ttl

    @rule(key=KEYS, ttl=TTLS, tags=TAGS, sliding=st.booleans())
    def set(self, key: str, ttl: float | None, tags: tuple[str, ...], sliding: bool) -> None:
        self.number += 1
        assert self.cache.set(key, self.number, ttl, tags, sliding=sliding) is (ttl != 0.0)
        self.held[key] = (self.number, self.end(ttl), frozenset(tags), (ttl or 0.0) if sliding else 0.0)

    @rule(key=KEYS, ttl=TTLS)
    def add(self, key: str, ttl: float | None) -> None:
        self.number += 1
        expected = key not in self.fresh() and ttl != 0.0
        assert self.cache.add(key, self.number, ttl) is expected
        if expected:
            self.held[key] = (self.number, self.end(ttl), frozenset(), 0.0)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.cache.get(key) == self.fresh().get(key)
        if key in self.held and self.held[key][3]:
            value, _, tags, sliding = self.held[key]
            self.held[key] = (value, self.end(sliding), tags, sliding)

    @rule(key=KEYS, ttl=st.sampled_from([1.0, 5.0, None]))
    def memoize(self, key: str, ttl: float | None) -> None:
        self.number += 1
        there = self.fresh()
        assert self.cache.memoize(key, lambda: self.number, ttl) == there.get(key, self.number)
        if key not in there:
            self.held[key] = (self.number, self.end(ttl), frozenset(), 0.0)
        elif self.held[key][3]:
            value, _, tags, sliding = self.held[key]
            self.held[key] = (value, self.end(sliding), tags, sliding)

    @rule(key=KEYS, ttl=TTLS)
    def touch(self, key: str, ttl: float | None) -> None:
        assert self.cache.touch(key, ttl) is (key in self.fresh())
        if key in self.held:
            value, _, tags, sliding = self.held[key]
            self.held[key] = (value, self.end(ttl), tags, sliding)

    @rule(key=KEYS)
    def increment(self, key: str) -> None:
        there = self.fresh().get(key, 0)
        assert self.cache.increment(key) == there + 1
        _, end, tags, sliding = self.held.get(key, (0, float("inf"), frozenset(), 0.0))
        self.held[key] = (there + 1, end, tags, sliding)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.cache.delete(key) is (key in self.fresh())
        self.held.pop(key, None)

    @rule(tags=TAGS)
    def invalidate_tags(self, tags: tuple[str, ...]) -> None:
        self.cache.invalidate_tags(tags)
        self.held = {key: kept for key, kept in self.held.items() if not kept[2] & set(tags)}

    @rule(pattern=PATTERNS)
    def invalidate_pattern(self, pattern: str) -> None:
        matched = [key for key in self.fresh() if fnmatch.fnmatchcase(key, pattern)]
        assert self.cache.invalidate_pattern(pattern) == len(matched)
        for key in matched:
            del self.held[key]

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.held = {}

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def tick(self) -> None:
        self.cache.tick(self.clock.monotonic())

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        there = self.fresh()
        assert {key: key in self.cache for key in ("a:1", "a:2", "b:1", "b:22", "c")} == {
            key: key in there for key in ("a:1", "a:2", "b:1", "b:22", "c")
        }

    @rule()
    def count(self) -> None:
        assert len(self.cache) == len(self.fresh())


class AdaptiveModel(Model):
    strategy = "adaptive"


class LfuModel(Model):
    strategy = "lfu"


class TtlModel(Model):
    strategy = "ttl"


class FifoModel(Model):
    strategy = "fifo"


for machine in (Model, AdaptiveModel, LfuModel, TtlModel, FifoModel):
    machine.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)

TestLruCache = Model.TestCase
TestAdaptiveCache = AdaptiveModel.TestCase
TestLfuCache = LfuModel.TestCase
TestTtlCache = TtlModel.TestCase
TestFifoCache = FifoModel.TestCase


@pytest.mark.parametrize("strategy", ["lru", "lfu", "fifo", "ttl", "adaptive"])
@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 3000), st.sampled_from([None, 1.0, 10.0])), max_size=120
    )
)
def test_bounds_hold_after_every_step_and_values_are_never_mixed_up(
    strategy: str, steps: list[tuple[int, int, float | None]]
) -> None:
    clock = FakeClock()
    cache = CacheManager(strategy=strategy, max_size=8, max_bytes=8000, sizeof=lambda value: value[1], clock=clock)
    last: dict[int, tuple[int, int]] = {}
    for key, size, ttl in steps:
        cache.set(key, (key, size), ttl)
        last[key] = (key, size)
        found = cache.get(key // 2)
        assert found is None or found == last[key // 2]
        tier = cache._engine.tier
        assert tier.count <= 8
        assert tier.bytes <= 8000
        assert tier.bytes == sum(entry.size for entry in cache._space.entries.values())
        clock.advance(0.3)


data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.timedeltas(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**63), 2**64 - 1), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=data)
def test_msgpack_carries_all_plain_data(value: Any) -> None:
    codec = MsgpackCodec()
    back = codec.decode(codec.encode(value))
    assert back == value
    assert repr(back) == repr(value)

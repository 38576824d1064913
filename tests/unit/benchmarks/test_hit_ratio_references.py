"""The references are what they say, and ours agree with them key by key."""

from __future__ import annotations

import random
from functools import cache as remembered

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.hit_ratio.__main__ import of_ours, summary
from benchmarks.hit_ratio.references import ONLINE, hit_ratio, optimum
from benchmarks.hit_ratio.traces import SYNTHETIC
from perfkit.cache import CacheManager

TRACES = st.lists(st.integers(0, 12), min_size=1, max_size=80)


def held_by_model(order: list[int], size: int, key: int, *, moves: bool) -> bool:
    """The slow, obvious model of first in, first out, and of least recently used: a list."""
    if key in order:
        if moves:
            order.remove(key)
            order.append(key)
        return True
    if len(order) == size:
        order.pop(0)
    order.append(key)
    return False


@pytest.mark.parametrize(("strategy", "name"), [("lru", "LRU"), ("fifo", "FIFO")])
@settings(max_examples=150, deadline=None)
@given(trace=TRACES, size=st.integers(1, 9))
def test_lru_and_fifo_hold_exactly_the_keys_of_the_reference_and_of_the_obvious_model(
    strategy: str, name: str, trace: list[int], size: int
) -> None:
    ours, reference = CacheManager(strategy=strategy, max_size=size), ONLINE[name](size)
    order: list[int] = []
    for key in trace:
        is_there = ours.get(key, False)
        assert is_there == reference.access(key) == held_by_model(order, size, key, moves=strategy == "lru")
        if not is_there:
            ours.set(key, True)


@pytest.mark.parametrize("trace", ["zipf1.0", "scanmix", "recency", "shift"])
@pytest.mark.parametrize(("strategy", "name"), [("lru", "LRU"), ("fifo", "FIFO")])
def test_lru_and_fifo_equal_the_reference_on_a_trace(strategy: str, name: str, trace: str) -> None:
    keys = SYNTHETIC[trace](10_000)
    assert of_ours(strategy, 300, keys) == hit_ratio(ONLINE[name](300), keys)


def test_many_hits_in_a_row_leave_lru_exact() -> None:
    ours, reference = CacheManager(strategy="lru", max_size=50), ONLINE["LRU"](50)
    chance = random.Random(3)
    for phase in range(20):
        keys = [chance.randrange(60) for _ in range(20)] + [chance.randrange(45) for _ in range(700)]
        for key in keys:
            is_there = ours.get(key, False)
            assert is_there == reference.access(key), phase
            if not is_there:
                ours.set(key, True)


def best_by_trying_all(size: int, keys: tuple[int, ...]) -> int:
    @remembered
    def hits(place: int, held: frozenset[int]) -> int:
        if place == len(keys):
            return 0
        key = keys[place]
        if key in held:
            return 1 + hits(place + 1, held)
        if len(held) < size:
            return hits(place + 1, held | {key})
        return max(hits(place + 1, held - {gone} | {key}) for gone in held)

    return hits(0, frozenset())


@settings(max_examples=60, deadline=None)
@given(trace=st.lists(st.integers(0, 5), min_size=1, max_size=12).map(tuple), size=st.integers(1, 3))
def test_no_choice_hits_more_often_than_the_optimum(trace: tuple[int, ...], size: int) -> None:
    assert optimum(size, trace) == pytest.approx(best_by_trying_all(size, trace) / len(trace))


@pytest.mark.parametrize("name", list(ONLINE))
@settings(max_examples=50, deadline=None)
@given(trace=TRACES, size=st.integers(2, 9))
def test_no_reference_beats_the_optimum_or_forgets_what_fits(name: str, trace: list[int], size: int) -> None:
    found = hit_ratio(ONLINE[name](size), trace)
    assert found <= optimum(size, trace) + 1e-9 or name == "W-TinyLFU"  # which need not take a key in
    if len(set(trace)) <= size - 1 and name not in ("W-TinyLFU", "S3-FIFO"):
        assert found == pytest.approx(1 - len(set(trace)) / len(trace))


def test_sieve_passes_over_who_was_visited_and_keeps_its_place() -> None:
    sieve = ONLINE["SIEVE"](3)
    answers = [sieve.access(key) for key in (1, 2, 3, 1, 4, 1, 2, 3)]
    # 1 was visited, so 2 leaves for 4; then 3, at the hand, leaves for 2.
    assert answers == [False, False, False, True, False, True, False, False]


def test_adaptive_keeps_its_promises_on_short_traces() -> None:
    found = []
    for name in ("zipf0.9", "scanmix", "onehit", "recency", "loop"):
        keys = SYNTHETIC[name](20_000)
        size = max(10, len(set(keys)) // 30)
        ratios = {f"perfkit {each}": 100 * of_ours(each, size, keys) for each in ("lru", "lfu", "fifo", "adaptive")}
        ratios |= {each: 100 * hit_ratio(make(size), keys) for each, make in ONLINE.items()}
        found.append({"trace": name, "share": 1 / 30, "size": size, "ratios": ratios})
    figures = summary(found)
    assert figures["adaptive_over_lru"] >= 4.5
    assert figures["adaptive_over_lru_worst"] >= -1.5
    assert figures["adaptive_under_best"] <= 0.9

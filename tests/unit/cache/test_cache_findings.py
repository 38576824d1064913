"""What the cache finds wrong with its use: each with traffic that shows it, and with traffic that does not."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from perfkit.cache import CacheManager
from perfkit.cache.findings.rules import find
from perfkit.cache.memory.traffic import MANY, MOST, Traffic, shape
from perfkit.cache.shadow.snapshot import ShadowEstimate, ShadowSnapshot
from perfkit.cache.snapshot import CacheSnapshot, NamespaceSnapshot
from perfkit.core.findings import Finding, Priority
from perfkit.core.spans import begin_exchange, seal_exchange
from perfkit.testing import FakeClock


def codes(cache: CacheManager) -> dict[str, Finding]:
    return {finding.code: finding for finding in cache.findings()}


def snapshot(**details: Any) -> CacheSnapshot:
    return CacheSnapshot(**{"strategy": "lru", "max_size": 1000, **details})


def found(cache: CacheSnapshot, traffic: Traffic | None = None) -> dict[str, Finding]:
    traffic = traffic or Traffic()
    return {finding.code: finding for finding in find(cache, traffic.storms, traffic.heavy.values())}


def test_a_cache_that_does_well_has_no_findings() -> None:
    cache = CacheManager(max_size=1000)
    for _ in range(5):
        for key in range(500):
            cache.memoize(key, lambda: 1, ttl=100)
    assert codes(cache) == {}


def test_callers_that_wait_for_one_load_are_a_stampede_with_its_numbers() -> None:
    cache = CacheManager()
    ready = threading.Barrier(31)

    def load() -> int:
        give_up_at = time.monotonic() + 20
        while cache._engine.flights.table["default", "user:1234"].waiting < 30 and time.monotonic() < give_up_at:
            time.sleep(0.005)
        return 1

    def call() -> None:
        ready.wait(20)
        cache.memoize("user:1234", load)

    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    ready.wait(20)
    for thread in threads:
        thread.join(30)
    finding = codes(cache)["PK301"]
    assert finding.kind == "cache_stampede"
    assert finding.evidence == {"callers": 29, "times": 1}
    assert finding.object == "default: user:#"
    assert "stale_while_revalidate" in finding.fix["python"]
    assert finding.priority is Priority.MEDIUM


@pytest.mark.anyio
async def test_tasks_that_wait_are_one_too() -> None:
    cache = CacheManager()

    async def load() -> int:
        await asyncio.sleep(0.05)
        return 1

    await asyncio.gather(*(cache.amemoize("k", load) for _ in range(20)))
    assert codes(cache)["PK301"].evidence["callers"] == 19


@pytest.mark.anyio
async def test_a_few_who_wait_are_none() -> None:
    cache = CacheManager()

    async def load() -> int:
        await asyncio.sleep(0.01)
        return 1

    await asyncio.gather(*(cache.amemoize("k", load) for _ in range(MANY)))
    assert codes(cache) == {}


def test_values_that_many_make_for_themselves_are_a_stampede() -> None:
    clock = FakeClock()
    cache = CacheManager(clock=clock)
    for _ in range(15):
        assert cache.get("front") is None
    for _ in range(15):
        clock.advance(0.01)
        cache.set("front", 1, ttl=60)
    finding = codes(cache)["PK301"]
    assert finding.evidence["callers"] == 15
    assert finding.priority is Priority.HIGH
    assert finding.confidence == "likely"
    assert 'cache.set("front"' in line_of(finding)


def test_values_that_end_at_one_time_are_a_stampede_if_they_come_together() -> None:
    for pause, is_one in ((0.01, True), (60.0, False)):
        clock = FakeClock()
        cache = CacheManager(clock=clock)
        for number in range(15):
            # Until the hour, as threads compute it that are interrupted before they store: now earlier, now later.
            cache.set("front", "page", ttl=3600.0 - clock.monotonic() % 3600.0 + 0.01 * (number % 3))
            clock.advance(pause)
        assert ("PK301" in codes(cache)) is is_one


def test_who_waits_for_one_load_is_told_by_line_and_route() -> None:
    cache = CacheManager()
    exchange = begin_exchange()
    run_stampede(cache)
    seal_exchange(exchange, "GET /front")
    finding = codes(cache)["PK301"]
    assert 'cache.amemoize("k"' in line_of(finding)
    assert finding.route == "GET /front"


def run_stampede(cache: CacheManager) -> None:
    async def load() -> int:
        await asyncio.sleep(0.05)
        return 1

    async def ask() -> int:
        value: int = await cache.amemoize("k", load)
        return value

    async def all_at_once() -> None:
        await asyncio.gather(*(ask() for _ in range(20)))

    asyncio.run(all_at_once())


def line_of(finding: Finding) -> str:
    path, _, line = str(finding.site).rpartition(":")
    return Path(path).read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize("apart", [1.5, 10.0])
def test_a_value_renewed_now_and_then_is_none(apart: float) -> None:
    clock = FakeClock()
    cache = CacheManager(clock=clock)
    for _ in range(50):
        clock.advance(apart)
        cache.set("front", 1, ttl=60)
    assert codes(cache) == {}


def test_a_namespace_that_hardly_ever_answers_is_useless() -> None:
    cache = CacheManager(max_size=100)
    pages = cache.namespace("pages")
    for number in range(1500):
        pages.get(f"page?t={number}")
        pages.set(f"page?t={number}", "x")
    finding = codes(cache)["PK302"]
    assert (finding.object, finding.kind) == ("pages", "useless_cache")
    assert finding.evidence["hit_ratio"] == 0.0
    assert finding.evidence["lookups"] == 1500
    assert finding.confidence == "sure"
    assert "PK304" not in codes(cache)


@pytest.mark.parametrize(("hits", "misses"), [(60, 940), (0, 900), (900, 100)])
def test_one_that_answers_now_and_then_or_is_hardly_asked_is_not(hits: int, misses: int) -> None:
    space = NamespaceSnapshot(hits=hits, misses=misses, hit_ratio=hits / (hits + misses))
    assert found(snapshot(namespaces={"pages": space})) == {}


def test_values_that_are_refused_or_take_much_of_the_bound_are_oversized() -> None:
    cache = CacheManager(max_bytes=100_000)
    assert not cache.set("report:17", b"x" * 40_000)
    assert cache.set("export:9", b"x" * 20_000)
    assert cache.set("small", b"x" * 2000)
    findings = {finding.object: finding for finding in cache.findings() if finding.code == "PK303"}
    assert set(findings) == {"default: report:#", "default: export:#"}
    assert findings["default: report:#"].evidence["refused"] == 1
    assert findings["default: report:#"].priority is Priority.MEDIUM
    assert findings["default: export:#"].priority is Priority.LOW
    assert findings["default: export:#"].evidence["largest"] >= 20_000


def skewed(count: int, keys: int, seed: int) -> list[str]:
    weights = list(accumulate(1.0 / rank**0.9 for rank in range(1, keys + 1)))
    return [f"k{key}" for key in random.Random(seed).choices(range(keys), cum_weights=weights, k=count)]


def read_through(cache: CacheManager, keys: list[str], **how: Any) -> None:
    for number, key in enumerate(keys):
        if cache.get(key) is None:
            cache.set(key, 1, **how)
        if number % 100 == 99:
            cache.tick(0.0)


def test_a_cache_that_is_too_small_hears_what_doubling_and_another_strategy_gain() -> None:
    cache = CacheManager(max_size=300, rng=random.Random(2))
    read_through(cache, skewed(40_000, 3000, 1))
    findings = codes(cache)
    too_small, strategy = findings["PK306"], findings["PK307"]
    gain = too_small.estimate["hit_ratio_gain"]
    assert 0.06 < gain < 0.2
    assert too_small.message.startswith(f"Doubling this cache gains {100 * gain:.0f} points")
    assert too_small.fix == {"environment": "PERFKIT_CACHE__MAX_SIZE=600"}
    assert strategy.fix == {"environment": "PERFKIT_CACHE__STRATEGY=adaptive"}
    assert 0.04 < strategy.estimate["hit_ratio_gain"] < 0.15
    assert {"2", "4", "0.5"} == set(too_small.evidence["sizes"])


def test_an_adaptive_cache_of_the_right_size_hears_nothing() -> None:
    cache = CacheManager(strategy="adaptive", max_size=1000, rng=random.Random(2))
    for seed in range(4):
        read_through(cache, skewed(10_000, 1100, seed))
    assert set(codes(cache)) == set()


def test_values_that_are_never_read_are_told() -> None:
    cache = CacheManager(max_size=300, rng=random.Random(2))
    fresh = 0
    for _ in range(200):
        # Many for one request each, and a few that are used again and again.
        for key in range(20):
            for _ in range(3):
                if cache.get(f"hot{key}") is None:
                    cache.set(f"hot{key}", 1)
        for _ in range(60):
            fresh += 1
            cache.get(f"once{fresh}")
            cache.set(f"once{fresh}", 1)
        cache.tick(0.0)
    finding = codes(cache)["PK304"]
    assert finding.evidence["unread"] > 0.9
    assert finding.object == "default"


def test_values_that_are_read_are_not() -> None:
    cache = CacheManager(max_size=300, rng=random.Random(2))
    read_through(cache, [key for key in skewed(20_000, 3000, 1) for _ in range(2)])
    assert "PK304" not in codes(cache)


def with_ttl(ttl: float) -> Iterator[CacheManager]:
    clock = FakeClock()
    cache = CacheManager(max_size=10_000, clock=clock, rng=random.Random(2))
    for _ in range(60):
        for number in range(400):
            if cache.get(f"k{number}") is None:
                cache.set(f"k{number}", 1, ttl=ttl)
            if cache.get(f"k{number}") is None:
                raise AssertionError("It has not expired yet.")
            if number % 100 == 99:
                cache.tick(0.0)
        clock.advance(10.0)
    yield cache


def test_values_that_come_back_after_they_expired_have_a_ttl_that_is_too_short() -> None:
    for cache in with_ttl(5.0):
        finding = codes(cache)["PK305"]
        assert finding.evidence["expired_of_misses"] > 0.9
        assert 0.3 < finding.estimate["hit_ratio_gain"] <= 0.5
        assert "PK306" not in codes(cache)


def test_values_that_last_are_not_told() -> None:
    for cache in with_ttl(5000.0):
        assert "PK305" not in codes(cache)


def test_values_that_expire_and_never_come_back_are_not_told() -> None:
    clock = FakeClock()
    cache = CacheManager(max_size=10_000, clock=clock, rng=random.Random(2))
    fresh = 0
    for _ in range(100):
        for _ in range(100):
            fresh += 1
            for _ in range(2):
                if cache.get(f"k{fresh}") is None:
                    cache.set(f"k{fresh}", 1, ttl=15.0)
        cache.tick(0.0)
        clock.advance(10.0)
    assert cache._shadow is not None
    assert cache._shadow._window is not None
    assert "PK305" not in codes(cache)


def shadowed(**details: Any) -> CacheSnapshot:
    return snapshot(shadow=ShadowSnapshot(total=ShadowEstimate(hit_ratio=0.6, **details)))


def test_gains_are_told_from_three_points_on() -> None:
    assert set(found(shadowed(sizes={"2": 0.631}))) == {"PK306"}
    assert found(shadowed(sizes={"2": 0.629, "4": 0.9})) == {}
    assert set(found(shadowed(strategies={"lfu": 0.64, "adaptive": 0.5}))) == {"PK307"}
    assert found(shadowed(strategies={"lfu": 0.62})) == {}


def test_adaptive_is_advised_where_it_is_about_as_good_as_the_best() -> None:
    assert "adaptive" in found(shadowed(strategies={"lfu": 0.70, "adaptive": 0.695}))["PK307"].action
    assert "lfu" in found(shadowed(strategies={"lfu": 0.70, "adaptive": 0.65}))["PK307"].action


def test_a_bound_in_bytes_is_doubled_in_bytes() -> None:
    cache = CacheSnapshot(
        strategy="lru",
        max_bytes=5000,
        shadow=ShadowSnapshot(total=ShadowEstimate(hit_ratio=0.6, sizes={"2": 0.7})),
    )
    assert found(cache)["PK306"].fix == {"environment": "PERFKIT_CACHE__MAX_BYTES=10000"}


def test_the_time_that_loading_would_take_less_is_estimated() -> None:
    cache = snapshot(
        hits=600,
        misses=400,
        load_seconds=80.0,
        shadow=ShadowSnapshot(total=ShadowEstimate(hit_ratio=0.6, sizes={"2": 0.7})),
    )
    assert found(cache)["PK306"].estimate == pytest.approx({"hit_ratio_gain": 0.1, "load_seconds_saved": 20.0})


def test_what_is_remembered_of_keys_is_bounded_and_without_their_numbers() -> None:
    traffic = Traffic()
    names = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(10 * MOST)]
    for name in names:
        traffic.wait("n", name, MANY)
        traffic.weigh("n", name, 10, is_refused=False)
        for time_ in range(3):
            traffic.repeat("n", name, float(time_))
    assert len(traffic.storms) == len(traffic.heavy) == MOST
    assert len(traffic._running) <= MOST
    assert len(found(snapshot(), traffic)) <= 2
    assert shape("session:5f2b9c0d1e2f3a4b:user:77") == "session:#:user:#"
    assert shape(("user", 77)) == "user:#"
    assert shape(object()) == "object"
    assert len(shape("x" * 10_000)) <= 80


def test_the_same_problem_has_the_same_fingerprint_over_time() -> None:
    one, two = (found(shadowed(sizes={"2": ratio}))["PK306"].fingerprint for ratio in (0.7, 0.8))
    assert one == two == "cache_too_small:cache"

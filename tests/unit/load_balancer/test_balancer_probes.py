"""What probes tell is heeded: by `auto` their latency, by `prequal` the load beside the fleet's."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from perfkit.load_balancer import LoadBalancer
from perfkit.load_balancer.strategies.auto import Auto
from perfkit.testing import FakeClock


def run(latencies: dict[str, float | None], *, seconds: float = 20.0, strategy: str = "auto") -> Counter[str]:
    """Return who was picked when all answer alike, all are idle, and probes tell *latencies*."""
    clock = FakeClock()
    balancer = LoadBalancer(strategy, clock=clock, rng=random.Random(2), slow_start=0)
    for name in latencies:
        balancer.add_server(name, host="h")
    counts, chance = Counter[str](), random.Random(3)
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        clock.advance(0.02)
        lease = balancer.acquire()
        counts[lease.server.name] += 1
        for name in balancer.probe_targets(2):
            balancer.record_probe(name, in_flight=1.0, latency=latencies[name])
        lease.release(latency=0.02 * (0.5 + chance.random()))
    return counts


def test_an_idle_server_whose_probes_tell_that_it_became_slow_gets_little() -> None:
    counts = run({"s0": 0.5, **{f"s{number}": 0.05 for number in range(1, 6)}})
    assert counts["s0"] < 0.25 * sum(counts.values()) / 6


@pytest.mark.parametrize("latency", [None, 0.0, 0.001, 0.05, 1e6])
def test_what_all_tell_alike_changes_nothing(latency: float | None) -> None:
    counts = run({f"s{number}": latency for number in range(5)}, seconds=40.0)
    plain = run(dict.fromkeys([f"s{number}" for number in range(5)]), seconds=40.0)
    assert len(counts) == len(plain) == 5
    assert max(counts.values()) < 3 * max(plain.values())


@pytest.mark.parametrize("latency", [5e-324, 1e-300, 1e300])
def test_a_server_that_tells_the_impossible_upsets_nobody(latency: float) -> None:
    balancer = LoadBalancer("auto", clock=FakeClock(), rng=random.Random(2), slow_start=0)
    strategy = balancer._strategy
    assert isinstance(strategy, Auto)
    for name in ("s0", "s1", "s2", "s3"):
        balancer.add_server(name, host="h")
    for _ in range(1000):
        balancer.acquire().release(latency=0.02)
        for name in ("s0", "s1", "s2", "s3"):
            balancer.record_probe(name, in_flight=1.0, latency=0.05 if name != "s0" else latency)
    estimates = [strategy.estimate(server, 0.0) for server in balancer.servers[1:]]
    # Two requests count as in flight there, and the part that is for service is half of the latency: 0.028 s.
    assert estimates == [pytest.approx(0.028, rel=0.2)] * 3


def test_prequal_takes_a_cold_server_before_a_hot_one_and_each_probe_once() -> None:
    clock = FakeClock()
    balancer = LoadBalancer("prequal", clock=clock, rng=random.Random(2), slow_start=0)
    for number in range(4):
        balancer.add_server(f"s{number}", host="h")
    for _ in range(64):
        for name, busy in (("s0", 9.0), ("s1", 1.0), ("s2", 2.0), ("s3", 8.0)):
            balancer.record_probe(name, in_flight=busy, latency=0.01 / busy)
    clock.advance(1.0)
    for name, busy in (("s0", 9.0), ("s1", 1.0), ("s2", 2.0), ("s3", 8.0)):
        balancer.record_probe(name, in_flight=busy, latency=0.01 / busy)
    # Two is the quantile: s1 and s2 are cold, s2 tells the shorter latency; then the hot one that is less busy.
    assert [balancer.acquire().server.name for _ in range(3)] == ["s2", "s1", "s3"]

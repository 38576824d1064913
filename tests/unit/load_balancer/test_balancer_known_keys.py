"""Keys whose servers are kept at hand go where they would go without that, and the shelf is bounded."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable

import pytest

from perfkit.load_balancer import LoadBalancer
from perfkit.load_balancer.strategies.hashing import hash as hashing
from perfkit.load_balancer.strategies.hashing.hash import ConsistentHash
from perfkit.testing import FakeClock


def fleet(count: int = 10, strategy: str = "hash") -> LoadBalancer:
    balancer = LoadBalancer(strategy, clock=FakeClock(), rng=random.Random(1), slow_start=0)
    for number in range(count):
        balancer.add_server(f"s{number}", host="h")
    return balancer


def shelf(balancer: LoadBalancer) -> dict[str, object]:
    strategy = balancer._strategy
    assert isinstance(strategy, ConsistentHash)
    current = strategy.homes.current
    assert current is not None
    return current[2]  # type: ignore[return-value]  # only its keys are looked at


def walk(balancer: LoadBalancer, keys: Iterable[Hashable]) -> list[str]:
    """Return where each key goes while nothing is given back, so that most are led past busy servers."""
    return [balancer.acquire(key).server.name for key in keys]


def test_a_known_key_goes_where_it_went_unknown_however_busy_the_servers_are(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    keys = [f"user:{int(chance.paretovariate(1.0)) % 60}" for _ in range(600)]
    known = fleet()
    found = walk(known, keys)
    assert len(shelf(known)) == len(set(keys))
    monkeypatch.setattr(hashing, "LONGEST_KNOWN", -1)
    unknown = fleet()
    assert walk(unknown, keys) == found
    assert not shelf(unknown)
    assert len(set(found)) == 10


def test_what_is_known_is_forgotten_with_the_table() -> None:
    balancer, keys = fleet(), [f"user:{number}" for number in range(300)]
    for key in keys:
        balancer.acquire(key).release(latency=0.01)
    balancer.add_server("new", host="h")
    balancer.remove_server("s3")
    fresh = fleet()
    fresh.add_server("new", host="h")
    fresh.remove_server("s3")
    homes = []
    for one in (balancer, fresh):
        homes.append([])
        for key in keys:
            lease = one.acquire(key)
            homes[-1].append(lease.server.name)
            lease.release(latency=0.01)
    assert homes[0] == homes[1]
    assert "new" in homes[0]
    assert "s3" not in homes[0]


def test_a_server_that_is_away_is_passed_over_and_its_known_keys_come_home() -> None:
    balancer, keys = fleet(), [f"user:{number}" for number in range(200)]

    def homes() -> list[str]:
        names = []
        for key in keys:
            lease = balancer.acquire(key)
            names.append(lease.server.name)
            lease.release(latency=0.01)
        return names

    before = homes()
    balancer.set_health("s1", False)
    during = homes()
    balancer.set_health("s1", True)
    assert "s1" not in during
    assert all(new == old for old, new in zip(before, during, strict=True) if old != "s1")
    assert homes() == before


def test_only_short_text_is_kept_and_not_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MOST_KNOWN", 8)
    balancer = fleet()
    for key in (1, True, 1.0, b"1", ("a", 1), "x" * 257):
        balancer.acquire(key).release(latency=0.01)
    assert not shelf(balancer)
    for number in range(100):
        balancer.acquire(f"key {number}").release(latency=0.01)
        assert 0 < len(shelf(balancer)) <= 8


@pytest.mark.parametrize("pair", [(1, True), (1, 1.0), ("a", b"a")])
def test_equal_keys_of_other_kinds_do_not_take_each_others_server(pair: tuple[Hashable, Hashable]) -> None:
    alone = [fleet(50).acquire(key).server.name for key in pair]
    both = fleet(50)
    together = []
    for key in pair:
        lease = both.acquire(key)
        together.append(lease.server.name)
        lease.release(latency=0.01)
    assert together == alone


def test_auto_sees_within_a_millisecond_that_a_keys_server_is_far_worse() -> None:
    clock = FakeClock()
    balancer = LoadBalancer("auto", clock=clock, rng=random.Random(1), slow_start=0)
    for number in range(5):
        balancer.add_server(f"s{number}", host="h")
    home = balancer.acquire("user").server.name
    for number in range(400):
        clock.advance(0.002)
        lease = balancer.acquire(f"key {number}")
        lease.release(latency=5.0 if lease.server.name == home else 0.01)
    clock.advance(0.002)
    assert balancer.acquire("user").server.name != home

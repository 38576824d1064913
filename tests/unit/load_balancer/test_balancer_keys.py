"""The table of keys is filled beside the requests wherever somebody can do it there."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from perfkit.load_balancer import LoadBalancer
from perfkit.load_balancer.strategies.hashing import hash as hashing
from perfkit.testing import FakeClock

KEYS = [f"user:{number}" for number in range(200)]


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return how many tables were filled since the last call."""
    count, fill = 0, hashing.fill

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        return fill(*args, **kwargs)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(hashing, "fill", counted)

    def since() -> int:
        nonlocal count
        told, count = count, 0
        return told

    return since


def made(strategy: str, count: int = 5) -> LoadBalancer:
    balancer = LoadBalancer(strategy, clock=FakeClock(), rng=random.Random(1))
    for number in range(count):
        balancer.add_server(f"s{number}", host="h")
    return balancer


def homes(balancer: LoadBalancer) -> list[str]:
    found = []
    for key in KEYS:
        lease = balancer.acquire(key)
        found.append(lease.server.name)
        lease.release(latency=0.01)
    return found


@pytest.mark.parametrize("strategy", ["hash", "auto"])
def test_a_balancer_that_stands_alone_fills_its_table_at_the_first_key(
    strategy: str, filled: Callable[[], int]
) -> None:
    balancer = made(strategy)
    assert filled() == 0
    first = homes(balancer)
    assert filled() == 1
    assert homes(balancer) == first
    balancer.add_server("new", host="h")
    balancer.add_server("newer", host="h")
    assert filled() == 0
    homes(balancer)
    assert filled() == 1


def test_hash_that_runs_never_fills_a_table_in_a_request(filled: Callable[[], int]) -> None:
    balancer = made("hash")
    balancer.start()
    assert filled() == 1
    before = homes(balancer)
    balancer.add_server("new", host="h")
    balancer.remove_server("s1")
    during = homes(balancer)
    assert filled() == 0
    assert all(new == old for old, new in zip(before, during, strict=True) if old != "s1")
    assert "s1" not in during
    balancer.tick(0.0)
    assert filled() == 1
    assert "new" in homes(balancer)
    balancer.stop()


def test_auto_that_runs_fills_it_only_once_there_are_keys_and_beside_them(filled: Callable[[], int]) -> None:
    balancer = made("auto")
    balancer.start()
    balancer.tick(0.0)
    assert filled() == 0
    homes(balancer)
    assert filled() == 0
    balancer.tick(1.0)
    assert filled() == 1
    alone = made("auto")
    assert homes(balancer) == homes(alone)
    balancer.stop()


def test_a_balancer_that_was_stopped_stands_alone_again(filled: Callable[[], int]) -> None:
    balancer = made("hash")
    balancer.start()
    balancer.stop()
    balancer.add_server("new", host="h")
    filled()
    assert "new" in homes(balancer)
    assert filled() == 1


def test_servers_that_come_after_the_start_get_their_keys(filled: Callable[[], int]) -> None:
    balancer = made("hash", count=0)
    balancer.start()
    assert filled() == 0
    balancer.add_server("late", host="h")
    assert set(homes(balancer)) == {"late"}
    balancer.stop()

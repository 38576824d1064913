"""What fails while the fleet is made anew is noticed all the same, and many threads at once disturb nobody."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from haste import hasty

from perfkit.core.context import Context
from perfkit.load_balancer import LoadBalancer, LoadBalancerSettings
from perfkit.load_balancer.discovery import drains
from perfkit.load_balancer.reports.report import LoadReport
from perfkit.load_balancer.strategies import STRATEGIES
from perfkit.load_balancer.strategies.prequal import Prequal
from perfkit.store import Store
from perfkit.testing import FakeClock

WAIT = 20.0


def while_it_is_made(balancer: LoadBalancer, do: Any) -> None:
    """Make the fleet anew, and *do* something when it is known who belongs to it and nobody can see it yet."""
    roster = balancer._roster
    assemble = roster._assemble

    def assembled(due: float) -> Any:
        fleet = assemble(due)
        roster._assemble = assemble  # type: ignore[method-assign]
        do()
        return fleet

    roster._assemble = assembled  # type: ignore[method-assign]
    balancer.restore_server("s0")
    balancer.acquire().cancel()


@pytest.mark.parametrize("strategy", ["round_robin", "random", "least_connections"])
def test_a_server_that_is_ejected_while_the_fleet_is_made_gets_nothing(strategy: str) -> None:
    balancer = LoadBalancer(strategy, clock=FakeClock(), settings=LoadBalancerSettings(consecutive_failures=5))
    for number in range(4):
        balancer.add_server(f"s{number}", host="h")
    leases = [balancer.acquire(exclude=["s0", "s2", "s3"]) for _ in range(5)]
    while_it_is_made(balancer, lambda: [lease.release(success=False) for lease in leases])
    picked = {balancer.acquire().server.name for _ in range(40)}
    assert picked == {"s0", "s2", "s3"}


def test_a_fleet_that_fails_while_it_is_made_panics() -> None:
    balancer = LoadBalancer(
        "round_robin", clock=FakeClock(), settings=LoadBalancerSettings(consecutive_failures=0, failure_share=2.0)
    )
    for number in range(4):
        balancer.add_server(f"s{number}", host="h")
    leases = [balancer.acquire() for _ in range(4)]
    while_it_is_made(balancer, lambda: [lease.release(success=False) for lease in leases])
    balancer.acquire().cancel()
    assert balancer._roster.fleet.is_panicking


@pytest.fixture
def in_haste() -> Iterator[None]:
    with hasty():
        yield


@pytest.mark.usefixtures("in_haste")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_servers_come_go_fail_and_report_while_requests_run(strategy: str) -> None:
    balancer = LoadBalancer(strategy, settings=LoadBalancerSettings(concurrency_limit=True))
    for number in range(4):
        balancer.add_server(f"s{number}", host="h")
    errors: list[BaseException] = []
    end = time.monotonic() + 0.4

    def work(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < end:
            try:
                lease = balancer.acquire(chance.choice(["a", "b", None]))
                name = lease.server.name
                lease.release(success=chance.random() < 0.8, report={"in_flight": chance.randrange(5)})
                balancer.record_probe(name, in_flight=1.0, latency=0.01)
                balancer.probe_targets(2)
            except BaseException as error:
                errors.append(error)

    def change() -> None:
        number = 4
        while time.monotonic() < end:
            try:
                balancer.add_server(f"s{number}", host="h")
                balancer.drain_server("s1")
                balancer.explain()
                balancer.get_stats()
                balancer.restore_server("s1")
                balancer.remove_server(f"s{number}")
                number += 1
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)] + [threading.Thread(target=change)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert errors == []
    assert [server.in_flight for server in balancer.servers] == [0] * 4


def test_a_server_that_is_found_while_it_is_drained_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    balancer = LoadBalancer("round_robin", context=Context(store=store))
    expect = balancer._roster.expect

    def found_meanwhile(name: str, *, is_draining: bool) -> bool:
        balancer.add_server(name, host="h")
        return expect(name, is_draining=is_draining)

    monkeypatch.setattr(balancer._roster, "expect", found_meanwhile)
    drains.tell(store, "s1", is_draining=True)
    assert [server.is_draining for server in balancer.servers] == [True]


class Growing(deque[float]):
    """Has others add to it whenever somebody has looked through it."""

    def __iter__(self) -> Iterator[float]:
        found = list(super().__iter__())
        self.extend([4.0] * 40)
        return iter(found)


def test_reports_that_come_while_prequal_looks_at_the_last_ones_are_no_error() -> None:
    strategy, server = Prequal(), LoadBalancer().add_server("one", host="h")
    strategy._seen = Growing(maxlen=64)
    strategy.on_report(server, LoadReport(in_flight=2.0), 0.0, False)
    assert strategy._hot == 2.0

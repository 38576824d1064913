"""The reference document's load balancer: `addServer`, `executeRequest`, six strategies, in Python."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from perfkit import PerformanceSystem
from perfkit.load_balancer import LoadBalancer, NoServerAvailable, Server
from perfkit.testing import FakeClock


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing") as system:
        yield system


def test_get_component(system: PerformanceSystem) -> None:
    assert system.get_component("load_balancer") is system.load_balancer


def test_load_balancing_can_be_switched_off() -> None:
    with PerformanceSystem({"load_balancer": {"enabled": False}}, environment="testing") as system:
        with pytest.raises(LookupError, match=r"Set load_balancer\.enabled to true"):
            system.get_component("load_balancer")
        system.get_performance_dashboard()


def test_add_server_and_execute_request(system: PerformanceSystem) -> None:
    balancer = system.load_balancer
    balancer.add_server("server1", host="localhost", port=3001, weight=1)
    balancer.add_server("server2", host="localhost", port=3002, weight=2)

    def ask(server: Server) -> str:
        return f"http://{server.host}:{server.port}"

    assert balancer.execute_request(ask) in {"http://localhost:3001", "http://localhost:3002"}
    assert balancer.execute_request(ask, key="user 1") == balancer.execute_request(ask, key="user 1")


def test_aexecute_request(system: PerformanceSystem) -> None:
    system.load_balancer.add_server("server1", host="localhost", port=3001)

    async def ask(server: Server) -> str:
        await asyncio.sleep(0)
        return server.name

    assert asyncio.run(system.load_balancer.aexecute_request(ask)) == "server1"


def test_remove_drain_and_get_stats(system: PerformanceSystem) -> None:
    balancer = system.load_balancer
    for number in range(3):
        balancer.add_server(f"server{number}", host="localhost", port=3000 + number)
    balancer.remove_server("server0")
    balancer.drain_server("server1")
    for _ in range(5):
        assert balancer.execute_request(lambda server: server.name) == "server2"
    stats = balancer.get_stats()
    assert (stats.picks, stats.successes, stats.failures) == (5, 5, 0)
    assert stats.servers["server2"].picks == 5
    assert stats.servers["server1"].state == "draining"


@pytest.mark.parametrize(
    "strategy",
    [
        "round_robin",
        "weighted_round_robin",
        "least_connections",
        "least_response_time",
        "resource_based",
        "hash",
        "random",
        "power_of_two",
        "peak_ewma",
        "prequal",
        "auto",
    ],
)
def test_every_strategy_has_its_name(strategy: str) -> None:
    system = PerformanceSystem({"load_balancer": {"strategy": strategy}}, environment="testing")
    system.load_balancer.add_server("one", host="localhost", port=1)
    assert system.load_balancer.strategy == strategy
    assert system.load_balancer.acquire().server.name == "one"


def test_round_robin_takes_turns() -> None:
    balancer = LoadBalancer("round_robin")
    for name in "abc":
        balancer.add_server(name, host="h")
    names = [balancer.acquire().server.name for _ in range(6)]
    assert Counter(names) == {"a": 2, "b": 2, "c": 2}
    assert names[:3] == names[3:]


def test_weighted_round_robin_goes_by_weight() -> None:
    balancer = LoadBalancer("weighted_round_robin")
    balancer.add_server("light", host="h", weight=1)
    balancer.add_server("heavy", host="h", weight=3)
    assert Counter(balancer.acquire().server.name for _ in range(8)) == {"light": 2, "heavy": 6}


def test_it_stands_alone_with_clock_and_rng() -> None:
    def run() -> list[str]:
        clock = FakeClock()
        balancer = LoadBalancer(strategy="auto", clock=clock, rng=random.Random(7))
        for number in range(4):
            balancer.add_server(f"s{number}", host="h", port=number, weight=1)
        names = []
        for number in range(200):
            lease = balancer.acquire(key=None)
            names.append(lease.server.name)
            clock.advance(0.01)
            lease.release(success=number % 9 != 0, latency=0.05, report={"in_flight": number % 5})
            for name in balancer.probe_targets(2):
                balancer.record_probe(name, in_flight=1, latency=0.05)
            balancer.set_health("s3", number < 100)
        return names

    assert run() == run()


def test_no_server_is_a_lookup_error_and_calls_have_the_documented_form() -> None:
    balancer = LoadBalancer()
    with pytest.raises(NoServerAvailable):
        balancer.acquire()
    assert issubclass(NoServerAvailable, LookupError)
    balancer.add_server("one", host="h", port=1, weight=1)
    lease = balancer.acquire()
    lease.release(success=True, latency=None, report=None)
    lease.release()
    assert balancer.retry_budget.try_acquire() is True
    balancer.restore_server("one")
    assert list(inspect.signature(balancer.set_health).parameters) == ["name", "healthy"]

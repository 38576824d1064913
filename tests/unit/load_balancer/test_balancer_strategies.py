"""Who is picked, strategy by strategy."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Hashable

import pytest

from perfkit.load_balancer import STRATEGIES, Group, LoadBalancer, LoadBalancerError, Server
from perfkit.load_balancer.strategies.hashing.maglev import fill, size_for
from perfkit.load_balancer.strategies.weighted_round_robin import smooth
from perfkit.testing import FakeClock
from perfkit.testing.strategy_kit import StrategyKit


class TestAuto(StrategyKit):
    def make(self) -> str:
        return "auto"


class TestAutoWithKeys(StrategyKit):
    key_needed = True

    def make(self) -> str:
        return "auto"


class TestRoundRobin(StrategyKit):
    tolerance = 0.01

    def make(self) -> str:
        return "round_robin"


class TestWeightedRoundRobin(StrategyKit):
    tolerance = 0.01

    def make(self) -> str:
        return "weighted_round_robin"


class TestLeastConnections(StrategyKit):
    def make(self) -> str:
        return "least_connections"


class TestLeastResponseTime(StrategyKit):
    def make(self) -> str:
        return "least_response_time"


class TestResourceBased(StrategyKit):
    def make(self) -> str:
        return "resource_based"


class TestHash(StrategyKit):
    key_needed = True

    def make(self) -> str:
        return "hash"


class TestRandom(StrategyKit):
    def make(self) -> str:
        return "random"


class TestPowerOfTwo(StrategyKit):
    def make(self) -> str:
        return "power_of_two"


class TestPeakEwma(StrategyKit):
    def make(self) -> str:
        return "peak_ewma"


class TestPrequal(StrategyKit):
    def make(self) -> str:
        return "prequal"


def fleet(strategy: str, weights: list[float], clock: FakeClock | None = None, seed: int = 1) -> LoadBalancer:
    balancer = LoadBalancer(strategy, clock=clock or FakeClock(), rng=random.Random(seed))
    for number, weight in enumerate(weights):
        balancer.add_server(f"s{number}", host="127.0.0.1", port=1, weight=weight)
    return balancer


def test_each_strategy_has_a_kit() -> None:
    tried = {kind().make() for kind in StrategyKit.__subclasses__() if kind.__module__ == __name__}
    assert tried == set(STRATEGIES)


def test_auto_is_the_default() -> None:
    assert LoadBalancer().strategy == "auto"


def test_an_unknown_strategy_is_an_error_with_the_likely_one() -> None:
    with pytest.raises(LoadBalancerError, match="Did you mean 'round_robin'"):
        LoadBalancer("round_robbin")


def test_a_strategy_of_ones_own_may_be_a_class_or_an_object() -> None:
    class Last:
        def prepare(self, group: Group) -> object:
            def pick(now: float, key: Hashable | None) -> Server:
                return group.servers[-1]

            return pick

    for given in (Last, Last()):
        balancer = LoadBalancer(given)
        balancer.add_server("one", host="a")
        balancer.add_server("two", host="b")
        assert balancer.strategy == "Last"
        assert balancer.acquire().server.name == "two"
    with pytest.raises(LoadBalancerError, match="has a method prepare"):
        LoadBalancer(object())


def test_smooth_weighted_round_robin_is_nginxs() -> None:
    assert "".join("abc"[place] for place in smooth([5, 1, 1])) == "aabacaa"


@pytest.mark.parametrize("strategy", ["weighted_round_robin", "random"])
@pytest.mark.parametrize("weights", [[5, 1, 1], [0.5, 1.5, 2.0], [3.14159, 2.71828, 1.41421]])
def test_weights_are_shares(strategy: str, weights: list[float]) -> None:
    balancer = fleet(strategy, weights)
    counts = Counter(balancer.acquire().server.name for _ in range(20_000))
    for number, weight in enumerate(weights):
        assert counts[f"s{number}"] == pytest.approx(20_000 * weight / sum(weights), rel=0.05)


@pytest.mark.parametrize("strategy", ["least_connections", "power_of_two", "auto"])
def test_a_heavier_server_has_more_in_flight(strategy: str) -> None:
    balancer = fleet(strategy, [1, 1, 4])
    leases = [balancer.acquire() for _ in range(300)]
    light, _, heavy = (server.in_flight for server in balancer.servers)
    assert len(leases) == 300
    assert heavy > 2 * light


def test_least_connections_picks_the_least_busy_of_all_up_to_sixteen() -> None:
    balancer = fleet("least_connections", [1] * 16)
    leases = [balancer.acquire() for _ in range(160)]
    assert {server.in_flight for server in balancer.servers} == {10}
    for lease in leases:
        if lease.server.name == "s5":
            lease.release()
    assert [balancer.acquire().server.name for _ in range(3)] == ["s5"] * 3


@pytest.mark.parametrize("strategy", ["auto", "least_response_time", "peak_ewma"])
def test_a_slow_server_gets_less(strategy: str) -> None:
    clock = FakeClock()
    balancer = fleet(strategy, [1] * 5, clock)
    counts: Counter[str] = Counter()
    for _ in range(2000):
        lease = balancer.acquire()
        counts[lease.server.name] += 1
        clock.advance(0.02)
        lease.release(latency=0.5 if lease.server.name == "s2" else 0.05)
    assert counts["s2"] < 2000 / 5 / 3


def test_auto_with_one_client_and_equal_servers_is_least_connections() -> None:
    clock, chance = FakeClock(), random.Random(2)
    balancer = fleet("auto", [1] * 5, clock)
    leases = []
    worst = 0
    for _ in range(4000):
        clock.advance(0.01)
        leases.append(balancer.acquire())
        if len(leases) > 15:
            leases.pop(int(chance.random() * 16)).release(latency=chance.expovariate(20))
        counts = [server.in_flight for server in balancer.servers]
        worst += max(counts) - min(counts) > 2
    assert worst < 400


def test_auto_trusts_reports_before_latency() -> None:
    clock = FakeClock()
    balancer = fleet("auto", [1] * 4, clock)
    counts: Counter[str] = Counter()
    for _ in range(1000):
        lease = balancer.acquire()
        counts[lease.server.name] += 1
        clock.advance(0.01)
        lease.release(latency=0.05, report={"in_flight": 9 if lease.server.name == "s1" else 1})
    assert counts["s1"] < 60


def test_resource_based_leaves_a_full_server_alone() -> None:
    clock = FakeClock()
    balancer = fleet("resource_based", [1] * 4, clock)
    counts: Counter[str] = Counter()
    for _ in range(1000):
        lease = balancer.acquire()
        counts[lease.server.name] += 1
        clock.advance(0.01)
        load = 0.99 if lease.server.name == "s1" else 0.4
        lease.release(latency=0.05, report=f"TEXT application_utilization={load}, named_metrics.rif=2")
    assert counts["s1"] < 60


def test_prequal_picks_the_least_busy_of_those_it_probed() -> None:
    clock = FakeClock()
    balancer = fleet("prequal", [1] * 4, clock)
    for _ in range(3):
        for number in range(4):
            balancer.record_probe(f"s{number}", in_flight=number, latency=0.05 * (number + 1))
    assert balancer.acquire().server.name == "s0"
    assert sorted(balancer.probe_targets(4)) == ["s0", "s1", "s2", "s3"]


def test_hash_is_even_within_five_percent_at_ten_servers() -> None:
    balancer = fleet("hash", [1] * 10)
    counts: Counter[str] = Counter()
    for number in range(100_000):
        lease = balancer.acquire(f"user:{number}")
        counts[lease.server.name] += 1
        lease.release()
    assert max(counts.values()) <= 10_500
    assert min(counts.values()) >= 9_500


@pytest.mark.parametrize(("count", "bound"), [(10, 1.2), (100, 2.0)])
def test_few_keys_move_when_a_server_comes_or_goes(count: int, bound: float) -> None:
    keys = [f"user:{number}" for number in range(20_000)]

    def homes(names: list[str]) -> list[str]:
        balancer = LoadBalancer("hash", clock=FakeClock(), rng=random.Random(1))
        for name in names:
            balancer.add_server(name, host="h")
        found = []
        for key in keys:
            lease = balancer.acquire(key)
            found.append(lease.server.name)
            lease.release()
        return found

    names = [f"server-{number}" for number in range(count)]
    before, fewer, more = homes(names), homes(names[1:]), homes([*names, "new"])
    gone = sum(one != two for one, two in zip(before, fewer, strict=True)) / len(keys)
    come = sum(one != two for one, two in zip(before, more, strict=True)) / len(keys)
    assert gone <= bound / count
    assert come <= bound / (count + 1)


def test_keys_come_home_after_an_ejection() -> None:
    clock = FakeClock()
    balancer = fleet("hash", [1] * 5, clock)
    keys = [f"k{number}" for number in range(500)]

    def homes() -> dict[str, str]:
        found = {}
        for key in keys:
            lease = balancer.acquire(key)
            found[key] = lease.server.name
            lease.release()
        return found

    before = homes()
    balancer.set_health("s2", False)
    away = homes()
    assert all(before[key] == "s2" for key in keys if away[key] != before[key])
    assert "s2" not in away.values()
    balancer.set_health("s2", True)
    assert homes() == before


@pytest.mark.parametrize("seed", range(5))
def test_bounded_load_is_never_exceeded(seed: int) -> None:
    import math

    balancer, chance = fleet("hash", [1] * 12, seed=seed), random.Random(seed)
    leases = []
    for _ in range(3000):
        lease = balancer.acquire(f"key {int(chance.paretovariate(0.6))}")
        leases.append(lease)
        total = sum(server.in_flight for server in balancer.servers)
        assert lease.server.in_flight <= math.ceil(1.5 * total / 12)
        if len(leases) > 150 or chance.random() < 0.3:
            leases.pop(int(chance.random() * len(leases))).release()


def test_other_processes_choose_the_same_server() -> None:
    program = (
        "from perfkit.load_balancer import LoadBalancer\n"
        "balancer = LoadBalancer('hash')\n"
        "for n in range(9): balancer.add_server(f's{n}', host='h')\n"
        "print([balancer.acquire(key).server.name for key in ['a', 'b', b'c', 4, ('x', 1), 'ü']])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_the_order_of_servers_does_not_matter_to_a_table() -> None:
    names = [f"n{number}" for number in range(20)]
    table = fill(names, [1.0] * 20, size_for(20))
    turned = fill(names[::-1], [1.0] * 20, size_for(20))
    assert [names[place] for place in table] == [names[::-1][place] for place in turned]
    shares = Counter(table)
    assert max(shares.values()) - min(shares.values()) <= 1


def test_a_heavier_server_has_more_of_the_table() -> None:
    shares = Counter(fill(["a", "b", "c"], [1.0, 2.0, 1.0], size_for(3)))
    assert shares[1] / shares[0] == pytest.approx(2.0, rel=0.01)

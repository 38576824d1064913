"""The contract of a balancing strategy, as tests: inherit `StrategyKit` and say how to make one.

class TestMyStrategy(StrategyKit):
    def make(self): return MyStrategy()
"""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections import Counter

import pytest

from perfkit.load_balancer import LoadBalancer, NoServerAvailable, Strategy
from perfkit.testing.clock import FakeClock

__all__ = ["StrategyKit"]


class StrategyKit:
    """Whatever it chooses by, a strategy chooses who may be chosen, forgets nobody, and repeats itself for a seed.

    Attributes:
        key_needed: True for a strategy whose choice is even only over many keys.
        tolerance: How far from even the shares of equal servers may be, as a part of the mean.
    """

    key_needed = False
    tolerance = 0.35

    def make(self) -> Strategy | str:
        """Return a new strategy, or the name of one."""
        raise NotImplementedError("A StrategyKit must know its strategy. Define make(self).")

    def balancer(self, servers: int, *, seed: int = 1, clock: FakeClock | None = None) -> LoadBalancer:
        """Return a balancer of *servers* servers, called s0, s1…"""
        balancer = LoadBalancer(self.make(), clock=clock or FakeClock(), rng=random.Random(seed))
        for number in range(servers):
            balancer.add_server(f"s{number}", host="127.0.0.1", port=8000 + number)
        return balancer

    def picks(self, balancer: LoadBalancer, count: int, *, clock: FakeClock | None = None) -> list[str]:
        """Return whom *count* requests were given to, each over before the next begins."""
        names = []
        for number in range(count):
            lease = balancer.acquire(f"key {number}" if self.key_needed else None)
            names.append(lease.server.name)
            if clock is not None:
                clock.advance(0.01)
            lease.release(latency=0.05)
        return names

    def test_without_servers_there_is_nobody_to_pick(self) -> None:
        with pytest.raises(NoServerAvailable):
            self.balancer(0).acquire()

    @pytest.mark.parametrize("servers", [1, 2, 3, 15, 16, 17, 40, 300])
    def test_whoever_is_there_is_picked_sooner_or_later(self, servers: int) -> None:
        clock = FakeClock()
        balancer = self.balancer(servers, clock=clock)
        assert set(self.picks(balancer, 60 * servers, clock=clock)) == {server.name for server in balancer.servers}

    def test_equal_servers_get_equal_shares(self) -> None:
        clock = FakeClock()
        counts = Counter(self.picks(self.balancer(10, clock=clock), 5000, clock=clock))
        assert all(abs(count - 500) <= self.tolerance * 500 for count in counts.values()), counts

    def test_who_is_away_is_not_picked_and_comes_back(self) -> None:
        clock = FakeClock()
        balancer = self.balancer(5, clock=clock)
        balancer.set_health("s1", False)
        balancer.drain_server("s2")
        balancer.remove_server("s3")
        assert set(self.picks(balancer, 500, clock=clock)) == {"s0", "s4"}
        balancer.set_health("s1", True)
        balancer.restore_server("s2")
        assert set(self.picks(balancer, 2000, clock=clock)) == {"s0", "s1", "s2", "s4"}

    def test_a_server_that_fails_at_once_does_not_attract_requests(self) -> None:
        clock = FakeClock()
        balancer = self.balancer(5, clock=clock)
        received = 0
        for number in range(3000):
            lease = balancer.acquire(f"key {number}" if self.key_needed else None)
            is_bad = lease.server.name == "s3"
            received += is_bad
            clock.advance(0.001 if is_bad else 0.01)
            lease.release(success=not is_bad, latency=0.001 if is_bad else 0.05)
        assert received <= 3000 / 5 / 4

    def test_the_same_seed_and_clock_give_the_same_picks(self) -> None:
        def run() -> list[str]:
            clock = FakeClock()
            balancer = self.balancer(20, seed=7, clock=clock)
            chance, open_leases, names = random.Random(3), [], []
            for number in range(1500):
                clock.advance(chance.random() * 0.02)
                lease = balancer.acquire(f"key {number % 50}" if self.key_needed else None)
                names.append(lease.server.name)
                open_leases.append(lease)
                for name in balancer.probe_targets(1):
                    balancer.record_probe(name, in_flight=int(chance.random() * 9), latency=0.05)
                if len(open_leases) > 8:
                    done = open_leases.pop(int(chance.random() * len(open_leases)))
                    done.release(success=chance.random() > 0.02, latency=chance.random() * 0.1)
            return names

        assert run() == run()

    def test_threads_at_once_lose_no_count(self) -> None:
        balancer = self.balancer(7)
        interval = sys.getswitchinterval()
        barrier = threading.Barrier(4)

        def work() -> None:
            barrier.wait(30)
            for number in range(500):
                balancer.acquire(f"key {number}").release(success=number % 50 != 0)

        threads = [threading.Thread(target=work) for _ in range(4)]
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        finally:
            sys.setswitchinterval(interval)
        assert [server.in_flight for server in balancer.servers] == [0] * 7
        assert sum(server.picks for server in balancer.servers) == 2000

    def test_a_fleet_that_changes_all_the_time_is_no_trouble(self) -> None:
        clock, chance = FakeClock(), random.Random(5)
        balancer = self.balancer(3, clock=clock)
        leases = []
        for number in range(800):
            clock.advance(chance.random())
            step, names = chance.random(), [server.name for server in balancer.servers]
            name = chance.choice(names)
            if step < 0.04:
                balancer.add_server(f"n{number}", host="127.0.0.1", port=1)
            elif step < 0.07 and len(names) > 2:
                balancer.remove_server(name)
            elif step < 0.24:
                balancer.set_health(name, chance.random() < 0.7)
            elif step < 0.28:
                balancer.restore_server(name)
            leases.append(balancer.acquire(number if self.key_needed else None))
            assert not leases[-1].server.is_removed
            if len(leases) > 10:
                leases.pop(0).release(success=chance.random() < 0.8, latency=chance.random())
        for lease in leases:
            lease.release()
        assert all(server.in_flight == 0 for server in balancer.servers)

    def test_a_lease_that_is_dropped_gives_itself_back(self) -> None:
        balancer = self.balancer(3)
        for number in range(30):
            balancer.acquire(number)
        gc.collect()
        assert sum(server.in_flight for server in balancer.servers) == 0
        assert balancer.get_stats().leaked == 30

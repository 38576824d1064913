"""What `auto` does with a server that fails: doubt it, try it now and then, believe it at once when it answers."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from perfkit.load_balancer import LoadBalancer
from perfkit.testing import FakeClock

ANSWER = 0.05


class Bench:
    """A balancer whose servers answer within `ANSWER`, but for those that are dead."""

    def __init__(self, count: int = 10, *, rate: float = 50.0) -> None:
        self.clock = FakeClock()
        self.balancer = LoadBalancer("auto", clock=self.clock, rng=random.Random(3), slow_start=0)
        for number in range(count):
            self.balancer.add_server(f"s{number}", host="h")
        self.dead: set[str] = set()
        self.between = 1.0 / rate
        self.picks: list[tuple[float, str]] = []

    def ask(self, seconds: float, *, failing: float = 0.0) -> Counter[str]:
        """Ask one request after the other for *seconds*; *failing* of the answers of the living fail too."""
        chance, counts = random.Random(7), Counter[str]()
        ends = self.clock.monotonic() + seconds
        while self.clock.monotonic() < ends:
            lease = self.balancer.acquire()
            name = lease.server.name
            counts[name] += 1
            self.picks.append((self.clock.monotonic(), name))
            if name in self.dead:
                lease.release(False, latency=0.001)
            else:
                lease.release(chance.random() >= failing, latency=ANSWER * (0.5 + chance.random()))
            self.clock.advance(self.between)
        return counts


def test_before_the_first_answer_requests_in_flight_spread_over_all() -> None:
    balancer = LoadBalancer("auto", clock=FakeClock(), rng=random.Random(1))
    for number in range(8):
        balancer.add_server(f"s{number}", host="h")
    leases = [balancer.acquire() for _ in range(32)]
    assert {server.in_flight for server in balancer.servers} == {4}
    for lease in leases:
        lease.release()


def test_a_dead_server_loses_one_request_and_then_single_ones_after_waits_that_grow() -> None:
    bench = Bench()
    bench.ask(10.0)
    bench.dead.add("s2")
    died = bench.clock.monotonic()
    bench.ask(20.0)
    times = [at - died for at, name in bench.picks if name == "s2" and at >= died]
    assert 3 <= len(times) <= 8, times
    waits = [later - sooner for sooner, later in pairwise(times)]
    assert waits[0] >= 0.3
    assert waits == sorted(waits) or max(waits) >= 4.0


def test_one_that_answers_again_has_its_share_at_once() -> None:
    bench = Bench()
    bench.ask(10.0)
    bench.dead.add("s2")
    bench.ask(4.0)
    bench.dead.clear()
    # With one request at a time chance decides for seconds who is the fastest; so over many.
    counts = bench.ask(20.0)
    assert counts["s2"] >= 0.6 * sum(counts.values()) / 10


def test_after_a_failure_the_next_request_goes_to_no_other_that_failed() -> None:
    bench = Bench(6)
    bench.ask(5.0)
    bench.dead.update(("s1", "s2", "s3"))
    bench.ask(1.0)
    bench.picks.clear()
    bench.ask(30.0)
    dead = [(at, name) for at, name in bench.picks if name in bench.dead]
    assert dead
    assert all(later[0] - sooner[0] >= 0.04 for sooner, later in pairwise(dead))


def test_where_failures_are_usual_one_of_them_says_little() -> None:
    bench = Bench(rate=100.0)
    bench.ask(30.0, failing=0.1)
    counts = bench.ask(20.0, failing=0.1)
    assert min(counts.values()) >= 0.1 * sum(counts.values()) / 10


@pytest.mark.parametrize(("answers_meanwhile", "is_left"), [(True, False), (False, True)])
def test_one_that_is_slow_but_answers_others_is_not_thought_dead(answers_meanwhile: bool, is_left: bool) -> None:
    bench = Bench()
    bench.ask(10.0)
    balancer, clock = bench.balancer, bench.clock
    leases = [balancer.acquire() for _ in range(20)]
    name = leases[0].server.name
    lease, other = [each for each in leases if each.server.name == name][:2]
    clock.advance(2.0)
    if answers_meanwhile:
        other.release(latency=ANSWER)
    lease.release(False, latency=2.0)
    doubt = balancer.server(name).memory.doubt
    for each in leases:
        each.cancel()
    assert (doubt > 0.5) is is_left


def test_a_server_that_is_removed_while_it_is_doubted_is_never_tried() -> None:
    bench = Bench(4)
    bench.ask(2.0)
    bench.dead.add("s1")
    bench.ask(1.0)
    bench.balancer.remove_server("s1")
    assert "s1" not in bench.ask(20.0)


def test_explain_says_what_is_thought_of_each_server() -> None:
    bench = Bench(4)
    bench.ask(4.0)
    bench.dead.add("s2")
    bench.ask(4.0)
    bench.balancer.drain_server("s3")
    found = bench.balancer.explain()
    reasons = {each.name: each.reason for each in found.servers}
    assert found.summary == "auto chooses among 3 of 4 servers."
    assert reasons["s0"].startswith("well: one to choose from, 0 in flight; one more request would take about ")
    assert reasons["s2"].startswith("failing: one to choose from, 0 in flight, ")
    assert "; gone with a chance of 99 %, tried again in " in reasons["s2"]
    assert reasons["s3"] == "draining: gets nothing new, 0 in flight"
    assert bench.balancer.explain("s2").summary == found.summary

"""Which servers get requests: ejection, return, panic, levels, drains."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.load_balancer import (
    Circuit,
    LoadBalancer,
    LoadBalancerError,
    LoadBalancerSettings,
    NoServerAvailable,
    ServerNotFoundError,
    ServerSpec,
    ServerState,
)
from perfkit.load_balancer.fleet import OVERPROVISION, PANIC_LOAD, shares
from perfkit.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def fleet(clock: FakeClock, count: int = 5, strategy: str = "round_robin", **settings: object) -> LoadBalancer:
    balancer = LoadBalancer(
        clock=clock,
        rng=random.Random(1),
        settings=LoadBalancerSettings(strategy=strategy, **settings),  # type: ignore[arg-type]
    )
    for number in range(count):
        balancer.add_server(f"s{number}", host="h", port=number + 1)
    return balancer


def fail(balancer: LoadBalancer, name: str, times: int) -> None:
    """Let the next *times* requests to *name* fail, until it is ejected; the others are well."""
    left = times
    while left and not balancer.server(name).ejected_until:
        lease = balancer.acquire()
        is_bad = lease.server.name == name
        lease.release(success=not is_bad, latency=0.01)
        left -= is_bad


def share(balancer: LoadBalancer, name: str, count: int = 2000) -> float:
    """Return which part of the next requests *name* gets."""
    picked = 0
    for _ in range(count):
        lease = balancer.acquire()
        picked += lease.server.name == name
        lease.release(latency=0.01)
    return picked / count


def test_five_failures_in_a_row_eject_and_four_do_not(clock: FakeClock) -> None:
    balancer = fleet(clock)
    fail(balancer, "s1", 4)
    assert balancer.server("s1").state is ServerState.HEALTHY or balancer.server("s1").joined_at is not None
    assert share(balancer, "s1", 5) == 0.2
    fail(balancer, "s1", 5)
    assert balancer.server("s1").state is ServerState.EJECTED
    assert balancer.server("s1").circuit is Circuit.OPEN
    assert share(balancer, "s1") == 0.0


def test_a_server_that_fails_every_second_time_is_ejected_within_twenty_of_its_requests(clock: FakeClock) -> None:
    balancer, seen = fleet(clock), 0
    while balancer.server("s1").state is not ServerState.EJECTED:
        lease = balancer.acquire()
        is_it = lease.server.name == "s1"
        seen += is_it
        lease.release(success=not is_it or seen % 2 == 0, latency=0.01)
    assert seen <= 20


def test_old_failures_outside_the_window_do_not_eject(clock: FakeClock) -> None:
    balancer = fleet(clock)
    for _ in range(40):
        fail(balancer, "s1", 1)
        share(balancer, "s1", 25)
        clock.advance(2.0)
    assert balancer.server("s1").ejections == 0


def test_an_ejected_server_comes_back_on_probation_and_one_failure_ejects_it_for_longer(clock: FakeClock) -> None:
    balancer = fleet(clock)
    fail(balancer, "s1", 5)
    clock.advance(5.6)
    assert share(balancer, "s1", 500) > 0.0
    assert balancer.server("s1").circuit is Circuit.CLOSED
    fail(balancer, "s1", 5)
    clock.advance(11.1)
    balancer.get_stats()
    assert balancer.server("s1").state is ServerState.PROBATION
    assert balancer.server("s1").circuit is Circuit.HALF_OPEN
    fail(balancer, "s1", 1)
    assert balancer.server("s1").state is ServerState.EJECTED
    clock.advance(13.0)
    assert share(balancer, "s1") == 0.0
    clock.advance(4.0)
    assert share(balancer, "s1") > 0.0


def test_a_long_clean_time_makes_the_next_ejection_short_again(clock: FakeClock) -> None:
    balancer = fleet(clock)
    for times in range(1, 4):
        fail(balancer, "s1", 5)
        clock.advance(5.6 * times)
        share(balancer, "s1", 500)
    assert balancer.server("s1").ejections == 3
    for _ in range(80):
        clock.advance(1.0)
        share(balancer, "s1", 20)
        balancer.set_health("s0", balancer.server("s0").is_healthy is False)
    assert balancer.server("s1").ejections == 0


def test_a_server_that_came_back_starts_slowly(clock: FakeClock) -> None:
    balancer = fleet(clock, count=20, strategy="auto")
    share(balancer, "s1")
    clock.advance(10.0)
    balancer.set_health("s1", False)
    clock.advance(1.0)
    balancer.set_health("s1", True)
    first = []
    for _ in range(10):
        clock.advance(0.1)
        first.append(share(balancer, "s1", 400))
    assert 0.0 < sum(first) / len(first) <= 0.5 / 20
    assert balancer.server("s1").state is ServerState.WARMING
    clock.advance(3.0)
    assert share(balancer, "s1") == pytest.approx(0.05, rel=0.3)


def test_servers_that_come_together_do_not_start_slowly(clock: FakeClock) -> None:
    balancer = fleet(clock, count=4)
    assert share(balancer, "s1", 400) == 0.25


def test_a_failed_check_takes_a_server_out_and_a_good_one_brings_it_back(clock: FakeClock) -> None:
    balancer = fleet(clock)
    balancer.set_health("s1", False)
    assert balancer.server("s1").state is ServerState.UNHEALTHY
    assert share(balancer, "s1") == 0.0
    balancer.set_health("s1", True)
    assert share(balancer, "s1") > 0.0


def test_a_good_check_does_not_end_the_ejection_of_a_server_that_fails_again_and_again(clock: FakeClock) -> None:
    balancer = fleet(clock)
    for times in range(1, 3):
        fail(balancer, "s1", 5)
        clock.advance(5.6 * times)
        share(balancer, "s1", 500)
    fail(balancer, "s1", 5)
    balancer.set_health("s1", False)
    balancer.set_health("s1", True)
    assert balancer.server("s1").state is ServerState.EJECTED


def test_draining_ends_what_comes_and_restoring_forgives(clock: FakeClock) -> None:
    balancer = fleet(clock)
    fail(balancer, "s1", 5)
    balancer.drain_server("s1")
    assert balancer.server("s1").state is ServerState.DRAINING
    balancer.restore_server("s1")
    assert balancer.server("s1").is_eligible
    assert share(balancer, "s1") > 0.0


def test_when_all_drain_there_is_no_server(clock: FakeClock) -> None:
    balancer = fleet(clock, count=2)
    balancer.drain_server("s0")
    balancer.drain_server("s1")
    with pytest.raises(NoServerAvailable, match="all of them are draining"):
        balancer.acquire()


def test_a_server_that_is_removed_gets_nothing_and_its_leases_end_well(clock: FakeClock) -> None:
    balancer = fleet(clock, count=2)
    lease = balancer.acquire()
    balancer.remove_server(lease.server.name)
    lease.release(success=False)
    assert lease.server.in_flight == 0
    assert lease.server.state is ServerState.REMOVED
    with pytest.raises(ServerNotFoundError, match="There is no server"):
        balancer.drain_server(lease.server.name)


@pytest.mark.parametrize("strategy", ["auto", "round_robin", "power_of_two", "least_connections"])
@pytest.mark.parametrize("sick", [6, 7, 9, 10])
def test_in_panic_no_server_gets_more_than_twice_its_share(clock: FakeClock, strategy: str, sick: int) -> None:
    balancer = fleet(clock, count=10, strategy=strategy)
    for number in range(sick):
        balancer.set_health(f"s{number}", False)
    counts: Counter[str] = Counter()
    for _ in range(10_000):
        clock.advance(0.001)
        lease = balancer.acquire()
        counts[lease.server.name] += 1
        lease.release(success=int(lease.server.name[1:]) >= sick, latency=0.01)
    assert balancer.fleet.is_panicking
    assert max(counts.values()) <= 2000
    if sick < 10:
        # The well ones keep what they can bear.
        assert sum(counts[f"s{number}"] for number in range(sick, 10)) >= 0.93 * min(
            10_000, 1000 * PANIC_LOAD * (10 - sick)
        )


@pytest.mark.parametrize("strategy", ["auto", "least_connections"])
def test_when_most_begin_to_fail_the_rest_is_not_overrun(clock: FakeClock, strategy: str) -> None:
    balancer = fleet(clock, count=10, strategy=strategy)
    counts: Counter[str] = Counter()
    for number in range(30_000):
        clock.advance(0.002)
        lease = balancer.acquire()
        if number > 6000:
            counts[lease.server.name] += 1
        lease.release(success=int(lease.server.name[1:]) >= 6, latency=0.01)
    assert max(counts.values()) <= 2.0 * 24_000 / 10


def test_there_is_always_a_server_while_one_is_known(clock: FakeClock) -> None:
    balancer = fleet(clock, count=3, strategy="auto")
    for _ in range(500):
        clock.advance(0.01)
        balancer.acquire().release(success=False, latency=0.001)
    for number in range(3):
        balancer.set_health(f"s{number}", False)
    assert balancer.acquire().server.name in {"s0", "s1", "s2"}


def test_the_next_priority_takes_what_the_first_cannot_bear(clock: FakeClock) -> None:
    balancer = LoadBalancer("random", clock=clock, rng=random.Random(1))
    for number in range(10):
        balancer.add_server(f"first{number}", host="a", port=number)
        balancer.add_server(f"second{number}", host="b", port=number, priority=1)

    def second() -> float:
        names = [balancer.acquire().server.name for _ in range(4000)]
        return sum(name.startswith("second") for name in names) / 4000

    assert second() == 0.0
    for number in range(2):
        balancer.set_health(f"first{number}", False)
    assert second() == 0.0
    for number in range(2, 5):
        balancer.set_health(f"first{number}", False)
    assert second() == pytest.approx(0.3, abs=0.03)


def test_ones_own_zone_comes_first_and_spills_in_proportion(clock: FakeClock) -> None:
    balancer = LoadBalancer("random", clock=clock, rng=random.Random(1), zone="here")
    for number in range(5):
        balancer.add_server(f"near{number}", host="a", port=number, zone="here")
        balancer.add_server(f"far{number}", host="b", port=number, zone="there")

    def far() -> float:
        names = [balancer.acquire().server.name for _ in range(4000)]
        return sum(name.startswith("far") for name in names) / 4000

    assert far() == 0.0
    for number in range(3):
        balancer.set_health(f"near{number}", False)
    assert far() == pytest.approx(1.0 - 0.4 * OVERPROVISION, abs=0.03)


@given(health=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6))
def test_shares_of_levels_add_up_and_none_takes_more_than_it_can_bear(health: list[float]) -> None:
    parts = shares(health)
    bearable = [min(1.0, OVERPROVISION * part) for part in health]
    if sum(bearable) == 0.0:
        assert sum(parts) == 0.0
        return
    assert sum(parts) == pytest.approx(1.0)
    if sum(bearable) >= 1.0:
        assert all(part <= bound + 1e-9 for part, bound in zip(parts, bearable, strict=True))
        # No level gets anything while one before it could bear more.
        for place, part in enumerate(parts):
            if part > 1e-9:
                assert all(parts[before] >= bearable[before] - 1e-9 for before in range(place))


def test_what_cannot_be_a_server_is_refused(clock: FakeClock) -> None:
    balancer = fleet(clock)
    for arguments in (
        {"name": ""},
        {"name": "x", "weight": 0},
        {"name": "x", "weight": float("nan")},
        {"name": "x", "port": -1},
    ):
        with pytest.raises(LoadBalancerError):
            balancer.add_server(**arguments)  # type: ignore[arg-type]
    with pytest.raises(LoadBalancerError, match="A name belongs to one address"):
        balancer.add_server("s1", host="elsewhere")


def test_the_same_server_added_again_changes_its_weight(clock: FakeClock) -> None:
    balancer = fleet(clock, count=2, strategy="weighted_round_robin")
    balancer.add_server("s1", host="h", port=2, weight=3)
    assert share(balancer, "s1", 400) == 0.75


def test_reconciling_keeps_what_stays(clock: FakeClock) -> None:
    balancer = fleet(clock, count=3)
    kept = balancer.server("s1")
    fail(balancer, "s1", 2)
    specs = [
        ServerSpec(name="s1", host="h", port=2),
        ServerSpec(name="s2", host="moved", port=3),
        ServerSpec(name="new"),
    ]
    assert balancer.reconcile(specs) == (["s2", "new"], ["s0", "s2"])
    assert balancer.server("s1") is kept
    assert kept.failures == 2
    assert balancer.server("s2").host == "moved"
    assert [server.name for server in balancer.servers] == ["s1", "s2", "new"]


def test_explain_says_why(clock: FakeClock) -> None:
    balancer = fleet(clock, count=4)
    share(balancer, "s0", 100)
    balancer.drain_server("s1")
    balancer.set_health("s2", False)
    fail(balancer, "s3", 5)
    found = balancer.explain()
    reasons = {each.name: each.reason for each in found.servers}
    assert found.is_panicking
    assert "draining" in reasons["s1"]
    assert "active check fails" in reasons["s2"]
    assert "ejected for" in reasons["s3"]
    assert reasons["s0"].startswith("well")
    assert str(balancer.explain("s1")).count("\n") == 1


def test_findings_name_servers_that_fail_or_are_slow(clock: FakeClock) -> None:
    balancer = fleet(clock, count=4)
    for _ in range(800):
        lease = balancer.acquire()
        name = lease.server.name
        bad = name == "s1" and lease.server.picks % 10 == 0
        lease.release(success=not bad, latency=1.0 if name == "s2" else 0.01)
    found = {(finding.kind, finding.object) for finding in balancer.findings()}
    assert found == {("failing_server", "s1"), ("slow_server", "s2")}


def test_explain_tells_the_estimates_of_auto_and_the_best_first(clock: FakeClock) -> None:
    balancer = fleet(clock, count=4, strategy="auto")
    for _ in range(200):
        lease = balancer.acquire()
        clock.advance(0.01)
        lease.release(latency=0.5 if lease.server.name == "s1" else 0.05)
    estimates = [each.estimate for each in balancer.explain().servers]
    assert estimates == sorted(estimates, key=lambda each: each or 0.0)
    assert balancer.explain().servers[-1].name == "s1"

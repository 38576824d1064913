"""Hedging for code that blocks: two threads race, and what is given up gives its server back when it ends."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
from patience import until

from perfkit.load_balancer import LoadBalancer, LoadBalancerSettings, Server, deadline, remaining
from perfkit.load_balancer.resilience.race import Track


@pytest.fixture
def balancer() -> LoadBalancer:
    """Two servers, and answers enough to know what slow is."""
    made = LoadBalancer(settings=LoadBalancerSettings(hedging=True, retries=0), rng=random.Random(1))
    for number in range(2):
        made.add_server(f"s{number}", host="h")
    for _ in range(30):
        made.execute_request(lambda server: None, idempotent=True)
    return made


def in_flight(balancer: LoadBalancer) -> int:
    return sum(server.in_flight for server in balancer.servers)


class Asked:
    """The first who is asked waits for `go`, and then does as it is told; the second answers."""

    def __init__(self, then: Callable[[], str], second: Callable[[], str] = lambda: "second") -> None:
        self.go = threading.Event()
        self.names: list[str] = []
        self._then, self._second = then, second

    def __call__(self, server: Server) -> str:
        self.names.append(server.name)
        if len(self.names) == 1:
            assert self.go.wait(60)
            return self._then()
        return self._second()


def test_a_slow_answer_is_asked_of_a_second_server_and_the_first_runs_on_for_nobody(balancer: LoadBalancer) -> None:
    fetch = Asked(lambda: "first")
    before = sum(server.successes for server in balancer.servers)
    assert balancer.execute_request(fetch, idempotent=True) == "second"
    assert len(set(fetch.names)) == 2
    assert in_flight(balancer) == 1
    fetch.go.set()
    until(lambda: in_flight(balancer) == 0)
    assert sum(server.successes for server in balancer.servers) == before + 1
    assert failures(balancer) == 0


def failures(balancer: LoadBalancer) -> int:
    return sum(server.failures for server in balancer.servers)


def test_where_the_second_fails_the_first_is_waited_for(balancer: LoadBalancer) -> None:
    def first() -> str:
        until(lambda: failures(balancer) == 1)
        return "first"

    def second() -> str:
        fetch.go.set()
        raise ConnectionResetError("gone")

    fetch = Asked(first, second)
    assert balancer.execute_request(fetch, idempotent=True) == "first"
    assert failures(balancer) == 1
    assert in_flight(balancer) == 0


def test_where_both_fail_the_last_error_is_raised_and_nothing_is_left(balancer: LoadBalancer) -> None:
    def first() -> str:
        until(lambda: failures(balancer) == 1)
        raise TimeoutError("the first")

    def second() -> str:
        fetch.go.set()
        raise ConnectionResetError("the second")

    fetch = Asked(first, second)
    with pytest.raises(TimeoutError, match="the first"):
        balancer.execute_request(fetch, idempotent=True)
    assert failures(balancer) == 2
    assert in_flight(balancer) == 0


def test_a_mistake_of_the_caller_ends_the_race(balancer: LoadBalancer) -> None:
    def wrong() -> str:
        raise ValueError("mine")

    fetch = Asked(lambda: "first", wrong)
    with pytest.raises(ValueError, match="mine"):
        balancer.execute_request(fetch, idempotent=True)
    assert failures(balancer) == 0
    fetch.go.set()
    until(lambda: in_flight(balancer) == 0)


def test_what_may_not_be_done_twice_runs_in_its_own_thread(balancer: LoadBalancer) -> None:
    assert balancer.execute_request(lambda server: threading.current_thread()) is threading.current_thread()
    other = balancer.execute_request(lambda server: threading.current_thread(), idempotent=True)
    assert other.name.startswith("perfkit-hedge")


def test_a_deadline_holds_in_the_other_thread_too(balancer: LoadBalancer) -> None:
    with deadline(5.0):
        left = balancer.execute_request(lambda server: remaining(), idempotent=True)
    assert left is not None
    assert left <= 5.0


def test_where_no_thread_is_free_a_request_runs_in_its_own(balancer: LoadBalancer) -> None:
    go = threading.Event()
    track = balancer._execution._track = Track(1)
    held = track.begin(lambda: go.wait(60))
    assert held is not None
    assert track.begin(lambda: None) is None
    assert balancer.execute_request(lambda server: threading.current_thread(), idempotent=True) is (
        threading.current_thread()
    )
    go.set()
    until(lambda: track.begin(lambda: None) is not None)
    track.close()


def test_a_balancer_that_was_stopped_can_race_again(balancer: LoadBalancer) -> None:
    balancer.start()
    assert balancer.execute_request(Asked(lambda: "", lambda: "").names.append, idempotent=True) is None
    balancer.stop()
    assert balancer.execute_request(lambda server: server.name, idempotent=True) in ("s0", "s1")

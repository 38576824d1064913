"""Retries, hedges, deadlines: what keeps one failure from becoming many."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.load_balancer import (
    DeadlineExceeded,
    LoadBalancer,
    LoadBalancerSettings,
    Server,
    deadline,
    remaining,
)
from perfkit.load_balancer.resilience.deadline import read_headers, write_headers
from perfkit.load_balancer.resilience.hedging import SlowAfter
from perfkit.load_balancer.resilience.retry import Verdict, judge_error, judge_result
from perfkit.testing import FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def fleet(clock: FakeClock, count: int = 4, **settings: object) -> LoadBalancer:
    balancer = LoadBalancer(
        clock=clock,
        rng=random.Random(1),
        settings=LoadBalancerSettings(**settings),  # type: ignore[arg-type]
    )
    for number in range(count):
        balancer.add_server(f"s{number}", host="h", port=number + 1)
    return balancer


def in_flight(balancer: LoadBalancer) -> int:
    return sum(server.in_flight for server in balancer.servers)


@pytest.mark.parametrize("strategy", ["auto", "round_robin"])
def test_when_everything_fails_the_load_is_at_most_a_fifth_more(clock: FakeClock, strategy: str) -> None:
    balancer = fleet(clock, strategy=strategy)
    attempts = 0
    for _ in range(600):
        for _ in range(2):
            clock.advance(0.015)
            balancer.acquire().release(success=False, latency=0.001)
            attempts += 1
            if not balancer.retry_budget.try_acquire():
                break
    assert 600 < attempts <= 1.21 * 600


@given(
    failures=st.lists(st.booleans(), min_size=200, max_size=600),
    gap=st.sampled_from([0.001, 0.03, 1.0]),
    tries=st.integers(2, 6),
)
def test_retries_are_at_most_a_fifth_of_the_requests_and_the_reserve(
    failures: list[bool], gap: float, tries: int
) -> None:
    clock = FakeClock()
    balancer = fleet(clock)
    granted = 0
    for fails in failures:
        clock.advance(gap)
        for attempt in range(tries):
            balancer.acquire().release(success=not fails)
            if not fails or attempt == tries - 1 or not balancer.retry_budget.try_acquire():
                break
            granted += 1
    assert granted <= 0.2 * len(failures) + balancer.retry_budget.reserve


def test_a_few_failures_among_many_are_all_tried_again(clock: FakeClock) -> None:
    balancer = fleet(clock)
    for number in range(3000):
        clock.advance(0.03)
        fails = number % 10 == 0
        balancer.acquire().release(success=not fails)
        if fails:
            assert balancer.retry_budget.try_acquire()


def test_a_budget_of_zero_grants_nothing(clock: FakeClock) -> None:
    assert not fleet(clock, retry_budget=0.0).retry_budget.try_acquire()


def test_a_refused_connection_is_tried_on_another_server(clock: FakeClock) -> None:
    balancer, asked = fleet(clock), []

    def fetch(server: Server) -> str:
        asked.append(server.name)
        if len(asked) == 1:
            raise ConnectionRefusedError("refused")
        return server.name

    assert balancer.execute_request(fetch) == asked[1]
    assert asked[0] != asked[1]
    assert balancer.server(asked[0]).failures == 1
    assert in_flight(balancer) == 0


def test_what_may_have_been_done_is_not_done_twice_unless_it_may_be(clock: FakeClock) -> None:
    balancer, asked = fleet(clock), []

    def pay(server: Server) -> None:
        asked.append(server.name)
        raise ConnectionResetError("in the middle")

    with pytest.raises(ConnectionResetError):
        balancer.execute_request(pay)
    assert len(asked) == 1
    with pytest.raises(ConnectionResetError):
        balancer.execute_request(pay, idempotent=True)
    assert len(asked) == 3
    assert len(set(asked[1:])) == 2


def test_an_error_of_the_caller_is_not_the_servers(clock: FakeClock) -> None:
    balancer = fleet(clock)

    def wrong(server: Server) -> None:
        raise KeyError("no such field")

    with pytest.raises(KeyError):
        balancer.execute_request(wrong, idempotent=True)
    assert sum(server.failures for server in balancer.servers) == 0
    assert sum(server.picks for server in balancer.servers) == 1


def test_an_answer_of_503_is_tried_again_and_returned_if_there_is_no_other(clock: FakeClock) -> None:
    balancer = fleet(clock)
    answers = iter([503, 200, 503, 503, 404])

    def fetch(server: Server) -> SimpleNamespace:
        return SimpleNamespace(status_code=next(answers))

    assert balancer.execute_request(fetch, idempotent=True).status_code == 200
    assert balancer.execute_request(fetch, idempotent=True).status_code == 503
    assert balancer.execute_request(fetch, idempotent=True).status_code == 404
    assert sum(server.failures for server in balancer.servers) == 3


def test_a_load_report_among_the_headers_is_read(clock: FakeClock) -> None:
    balancer = fleet(clock, count=1)
    answer = SimpleNamespace(status_code=200, headers={"endpoint-load-metrics": "TEXT named_metrics.rif=7"})
    balancer.execute_request(lambda server: answer)
    assert balancer.server("s0").report.in_flight == 7.0


async def test_async_requests_are_tried_again_too(clock: FakeClock) -> None:
    balancer, asked = fleet(clock), []

    async def fetch(server: Server) -> str:
        asked.append(server.name)
        await asyncio.sleep(0)
        if len(asked) < 2:
            raise ConnectionRefusedError("refused")
        return server.name

    assert await balancer.aexecute_request(fetch, "key") == asked[1]
    assert await balancer.aexecute_request(lambda server: server.name) in {"s0", "s1", "s2", "s3"}
    assert in_flight(balancer) == 0


async def test_a_cancelled_request_is_neither_good_nor_bad(clock: FakeClock) -> None:
    balancer = fleet(clock)
    begun = anyio.Event()

    async def hang(server: Server) -> None:
        begun.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(balancer.aexecute_request, hang)
        await begun.wait()
        group.cancel_scope.cancel()
    assert in_flight(balancer) == 0
    assert sum(server.successes + server.failures for server in balancer.servers) == 0


async def test_a_slow_answer_is_asked_of_a_second_server_and_the_loser_is_given_up() -> None:
    balancer = LoadBalancer("round_robin", settings=LoadBalancerSettings(hedging=True), rng=random.Random(1))
    for number in range(3):
        balancer.add_server(f"s{number}", host="h", port=number + 1)
    cancelled, slow, asked = [], set[str](), []

    async def fetch(server: Server) -> str:
        asked.append(server.name)
        try:
            await asyncio.sleep(60 if server.name in slow else 0.001)
        except asyncio.CancelledError:
            cancelled.append(server.name)
            raise
        return server.name

    for _ in range(40):
        await balancer.aexecute_request(fetch, idempotent=True)
    asked.clear()
    slow.add("s1")
    answers = set()
    for _ in range(200):
        answers.add(await balancer.aexecute_request(fetch, idempotent=True))
        if "s1" in asked:
            break
    await asyncio.sleep(0)
    assert "s1" in asked
    assert "s1" not in answers
    assert "s1" in cancelled
    assert in_flight(balancer) == 0
    assert sum(server.failures for server in balancer.servers) == 0


async def test_a_hedge_takes_over_when_the_first_fails() -> None:
    balancer = LoadBalancer(settings=LoadBalancerSettings(hedging=True, retries=0), rng=random.Random(1))
    balancer.add_server("s0", host="h")
    balancer.add_server("s1", host="h")
    first: list[str] = []
    is_hedged = asyncio.Event()

    async def warm(server: Server) -> None:
        await asyncio.sleep(0.001)

    async def fetch(server: Server) -> str:
        if not first:
            first.append(server.name)
            await is_hedged.wait()
            raise ConnectionResetError("late")
        is_hedged.set()
        while not balancer.server(first[0]).failures:  # noqa: ASYNC110 - what is waited for is the balancer's own
            await asyncio.sleep(0.001)
        return server.name

    for _ in range(30):
        await balancer.aexecute_request(warm, idempotent=True)
    async with asyncio.timeout(60):
        assert await balancer.aexecute_request(fetch, idempotent=True) != first[0]
    assert balancer.server(first[0]).failures == 1
    assert in_flight(balancer) == 0


def test_the_slowest_five_percent_are_found() -> None:
    chance, slow = random.Random(1), SlowAfter()
    assert slow.seconds is None
    above = 0
    for number in range(20_000):
        latency = chance.expovariate(10.0)
        if number > 5000 and slow.seconds is not None:
            above += latency > slow.seconds
        slow.observe(latency)
    assert above / 15_000 == pytest.approx(0.05, abs=0.015)


def test_a_deadline_inside_another_never_ends_later(clock: FakeClock) -> None:
    assert remaining(monotonic=clock.monotonic) is None
    with deadline(2.0, monotonic=clock.monotonic):
        clock.advance(0.5)
        with deadline(10.0, monotonic=clock.monotonic):
            assert remaining(monotonic=clock.monotonic) == pytest.approx(1.5)
            assert write_headers(monotonic=clock.monotonic) == {"x-request-timeout-ms": "1500"}
        with deadline(1.0, monotonic=clock.monotonic):
            clock.advance(3.0)
            assert remaining(monotonic=clock.monotonic) == 0.0
    assert write_headers(monotonic=clock.monotonic) == {}


def test_no_try_begins_after_the_deadline(clock: FakeClock) -> None:
    balancer, asked = fleet(clock), []

    def slow(server: Server) -> None:
        asked.append(server.name)
        clock.advance(3.0)
        raise ConnectionRefusedError

    with pytest.raises(DeadlineExceeded):
        balancer.execute_request(slow, timeout=2.0)
    assert len(asked) == 1
    with deadline(0.0, monotonic=clock.monotonic), pytest.raises(TimeoutError):
        balancer.execute_request(slow)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1500", 1.5), ("0", 0.0), ("-1", None), ("1e3", None), ("", None), ("١", None), ("999999999999", None)],
)
def test_only_a_plain_number_is_a_deadline_from_outside(text: str, seconds: float | None) -> None:
    assert read_headers({"x-request-timeout-ms": text}) == seconds


class ConnectError(Exception):
    """As httpx calls it."""


def test_whose_fault_an_error_is() -> None:
    response = SimpleNamespace(status_code=404)
    not_found, outage = RuntimeError("404"), RuntimeError("502")
    not_found.response, outage.response = response, SimpleNamespace(status_code=502)  # type: ignore[attr-defined]
    wrapped = OSError("outer")
    wrapped.__cause__ = ConnectionRefusedError("inner")
    assert judge_error(not_found) is Verdict.GOOD
    assert judge_error(outage) is Verdict.FAILED
    assert judge_error(wrapped) is Verdict.NEVER_SENT
    assert judge_error(ConnectError("no route")) is Verdict.NEVER_SENT
    assert judge_error(TimeoutError()) is Verdict.FAILED
    assert judge_error(ConnectionResetError()) is Verdict.FAILED
    assert judge_error(ValueError("bad argument")) is Verdict.GOOD
    assert judge_error(RuntimeError("anything else")) is Verdict.FAILED
    assert judge_result(SimpleNamespace(status=429)) is Verdict.FAILED
    assert judge_result({"status": 500}) is Verdict.GOOD
    assert judge_result(None) is Verdict.GOOD


def test_where_no_server_has_room_for_a_retry_the_caller_gets_what_the_first_try_gave(clock: FakeClock) -> None:
    balancer = fleet(clock, 1)
    answer = SimpleNamespace(status_code=503)

    def drain_and_answer(server: Server) -> SimpleNamespace:
        balancer.drain_server(server.name)
        return answer

    def drain_and_fail(server: Server) -> None:
        balancer.drain_server(server.name)
        raise ConnectionResetError("gone")

    assert balancer.execute_request(drain_and_answer, idempotent=True) is answer
    balancer.restore_server("s0")
    with pytest.raises(ConnectionResetError, match="gone"):
        balancer.execute_request(drain_and_fail, idempotent=True)
    assert in_flight(balancer) == 0


async def test_where_no_server_has_room_for_a_hedge_the_first_answer_is_waited_for() -> None:
    balancer = LoadBalancer(settings=LoadBalancerSettings(hedging=True), rng=random.Random(1))
    balancer.add_server("s0", host="h")

    async def warm(server: Server) -> None:
        await asyncio.sleep(0.001)

    async def slow(server: Server) -> str:
        balancer.drain_server(server.name)
        await asyncio.sleep(0.3)
        return "the first"

    for _ in range(30):
        await balancer.aexecute_request(warm, idempotent=True)
    assert await balancer.aexecute_request(slow, idempotent=True) == "the first"
    assert in_flight(balancer) == 0


async def test_a_hedged_try_that_gives_up_by_itself_leaves_nothing_in_flight() -> None:
    balancer = LoadBalancer(settings=LoadBalancerSettings(hedging=True), rng=random.Random(1))
    balancer.add_server("s0", host="h")
    balancer.add_server("s1", host="h")
    asked: list[str] = []

    async def warm(server: Server) -> None:
        await asyncio.sleep(0.001)

    async def slow_then_cancelled(server: Server) -> None:
        asked.append(server.name)
        if len(asked) == 1:
            await asyncio.sleep(30)
        raise asyncio.CancelledError

    for _ in range(30):
        await balancer.aexecute_request(warm, idempotent=True)
    with pytest.raises(asyncio.CancelledError):
        await balancer.aexecute_request(slow_then_cancelled, idempotent=True)
    assert len(asked) == 2
    assert in_flight(balancer) == 0
    assert balancer._keeper.leaked == 0

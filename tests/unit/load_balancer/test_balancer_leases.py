"""Leases: given back once, however a request ends."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import time

import pytest

from perfkit.load_balancer import STRATEGIES, LoadBalancer, LoadReport, NoServerAvailable
from perfkit.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def balancer(clock: FakeClock) -> LoadBalancer:
    balancer = LoadBalancer(clock=clock, rng=random.Random(1))
    for number in range(3):
        balancer.add_server(f"s{number}", host="h", port=number + 1)
    return balancer


def test_a_release_counts_once(balancer: LoadBalancer) -> None:
    lease = balancer.acquire()
    lease.release()
    lease.release(success=False)
    lease.cancel()
    assert (lease.server.in_flight, lease.server.successes, lease.server.failures) == (0, 1, 0)


def test_the_latency_defaults_to_the_clocks(balancer: LoadBalancer, clock: FakeClock) -> None:
    lease = balancer.acquire()
    clock.advance(0.25)
    lease.release()
    assert lease.server.seconds == pytest.approx(0.25)


def test_a_block_that_raises_is_a_failure_and_one_that_is_cancelled_is_neither(balancer: LoadBalancer) -> None:
    with balancer.acquire() as lease:
        assert lease.server.in_flight == 1
    assert lease.server.successes == 1
    with pytest.raises(OSError, match="gone"), balancer.acquire() as lease:
        raise OSError("gone")
    assert lease.server.failures == 1
    before = sum(server.successes + server.failures for server in balancer.servers)
    with pytest.raises(asyncio.CancelledError), balancer.acquire():
        raise asyncio.CancelledError
    assert sum(server.successes + server.failures for server in balancer.servers) == before
    assert sum(server.in_flight for server in balancer.servers) == 0


def test_a_lease_that_is_dropped_gives_itself_back_and_is_counted(balancer: LoadBalancer) -> None:
    lease = balancer.acquire()
    server = lease.server
    del lease
    gc.collect()
    assert server.in_flight == 0
    assert balancer.get_stats().leaked == 1


def test_others_come_before_those_that_were_tried(balancer: LoadBalancer) -> None:
    for _ in range(50):
        assert balancer.acquire(exclude=["s0", "s1"]).server.name == "s2"
    assert balancer.acquire(exclude=["s0", "s1", "s2"]).server.name in {"s0", "s1", "s2"}


@pytest.mark.parametrize(
    "report",
    [
        LoadReport(in_flight=4),
        {"in_flight": 4},
        {"rif": 4},
        {"named_metrics": {"rif": 4}},
        "TEXT named_metrics.rif=4",
        "named_metrics.rif:4",
        'JSON {"named_metrics": {"rif": 4}}',
        4,
    ],
)
def test_a_report_is_read_in_any_form(balancer: LoadBalancer, report: object) -> None:
    lease = balancer.acquire()
    lease.release(report=report)
    assert lease.server.report.in_flight == 4.0


@pytest.mark.parametrize("report", ["nonsense", {"in_flight": -1}, {"in_flight": "many"}, {}, object(), float("nan")])
def test_a_report_that_cannot_be_read_is_no_error(balancer: LoadBalancer, report: object) -> None:
    lease = balancer.acquire()
    lease.release(report=report)
    assert lease.server.report is None
    assert lease.server.successes == 1


def test_a_probe_of_a_server_that_left_is_no_error(balancer: LoadBalancer) -> None:
    (name, *_) = balancer.probe_targets(2)
    balancer.remove_server(name)
    balancer.record_probe(name, in_flight=1, latency=0.1)


def test_limits_are_kept_and_follow_the_latency() -> None:
    from perfkit.load_balancer import LoadBalancerSettings

    clock = FakeClock()
    balancer = LoadBalancer(
        clock=clock, rng=random.Random(1), settings=LoadBalancerSettings(concurrency_limit=True, strategy="round_robin")
    )
    balancer.add_server("one", host="h")
    balancer.add_server("two", host="h")
    leases = [balancer.acquire() for _ in range(40)]
    with pytest.raises(NoServerAvailable, match="as many requests in flight as their limits allow"):
        balancer.acquire()
    for lease in leases:
        lease.release(latency=0.05)
    for _ in range(60):
        for lease in [balancer.acquire() for _ in range(10)]:
            lease.release(latency=0.05 if lease.server.name == "one" else 2.0)
    before = balancer.server("two").limit
    for _ in range(60):
        for lease in [balancer.acquire() for _ in range(4)]:
            lease.release(latency=0.05, success=lease.server.name == "one")
    assert balancer.server("two").limit < before
    assert balancer.server("one").limit >= 20.0


def hammer(balancer: LoadBalancer, requests: int, threads: int, tasks: int) -> None:
    """Take and give back *requests* leases in *threads* threads and *tasks* tasks, some of which are cancelled."""

    def thread(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(requests // 2 // threads):
            lease = balancer.acquire("key" if chance.random() < 0.2 else None)
            step = chance.random()
            if step < 0.9:
                lease.release(success=step > 0.02, latency=0.001 * step, report=4 if step < 0.2 else None)
            elif step < 0.95:
                lease.cancel()
            else:
                del lease

    async def task(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(requests // 2 // tasks):
            with balancer.acquire():
                if chance.random() < 0.01:
                    await asyncio.sleep(0)

    async def all_tasks() -> None:
        running = [asyncio.ensure_future(task(seed)) for seed in range(tasks)]
        await asyncio.sleep(0)
        for each in running[::5]:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    workers = [threading.Thread(target=thread, args=(seed,)) for seed in range(threads)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for worker in workers:
            worker.start()
        asyncio.run(all_tasks())
        for worker in workers:
            worker.join(200)
    finally:
        sys.setswitchinterval(interval)
    gc.collect()
    assert [server.in_flight for server in balancer.servers] == [0] * len(balancer.servers)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_threads_and_tasks_with_cancellations_leave_nothing_in_flight(strategy: str) -> None:
    balancer = LoadBalancer(strategy)
    for number in range(10):
        balancer.add_server(f"s{number}", host="h")
    hammer(balancer, 20_000, 8, 200)


@pytest.mark.acceptance
@pytest.mark.timeout(300)
def test_a_million_leases_leave_nothing_in_flight() -> None:
    balancer = LoadBalancer()
    for number in range(20):
        balancer.add_server(f"s{number}", host="h")
    began = time.monotonic()
    hammer(balancer, 1_000_000, 8, 200)
    stats = balancer.get_stats()
    # A fifth of the tasks are cancelled before they are done.
    assert stats.picks >= 800_000
    assert stats.in_flight == 0
    assert time.monotonic() - began < 280


def test_without_the_interpreters_lock_each_step_takes_one() -> None:
    from perfkit.load_balancer.exclusion import alone

    inside, most = [0], [0]

    @alone
    def step() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.001)
        inside[0] -= 1

    @alone
    def nested() -> None:
        step()

    threads = [threading.Thread(target=nested) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert most == [1]

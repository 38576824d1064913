"""The balancer in a system: settings, numbers of all workers, drains that reach them, forks."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit import PerformanceSystem
from perfkit.core.errors import ConfigurationError
from perfkit.core.status import Status
from perfkit.load_balancer import LoadBalancer, LoadBalancerError, LoadBalancerSettings, ServerState
from perfkit.load_balancer.settings import CLIENTS
from perfkit.store.layout import STARTED
from perfkit.testing import FakeClock

SERVERS = {"one": {"host": "127.0.0.1", "port": 1}, "two": {"host": "127.0.0.1", "port": 2, "weight": 2.0}}


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem({"load_balancer": {"servers": SERVERS}}, environment="testing") as system:
        yield system


def systems(directory: Path, count: int) -> list[PerformanceSystem]:
    """Return systems that stand for workers: other origins in one directory have files of their own."""
    settings = {
        "service": "shop",
        "store": {"directory": str(directory)},
        "load_balancer": {"servers": SERVERS},
    }
    return [PerformanceSystem(settings, environment="production", origin="shop.py") for _ in range(count)]


def test_servers_of_the_settings_are_there(system: PerformanceSystem) -> None:
    balancer = system.load_balancer
    assert [(server.name, server.address, server.weight) for server in balancer.servers] == [
        ("one", "127.0.0.1:1", 1.0),
        ("two", "127.0.0.1:2", 2.0),
    ]
    assert balancer.server("one").url == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "best"},
        {"servers": {"one": {"port": 80}}},
        {"servers": {"one": {"host": "h", "port": 99_999}}},
        {"check_interval": 1.0, "check_timeout": 2.0},
        {"ejection_time": 400.0},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="load_balancer"):
        PerformanceSystem({"load_balancer": settings}, environment="testing")


def test_the_numbers_are_in_the_store_and_on_the_page(system: PerformanceSystem) -> None:
    balancer = system.load_balancer
    for number in range(10):
        balancer.acquire().release(success=number != 3, latency=0.5)
    lease = balancer.acquire()
    stats = balancer.get_stats()
    assert (stats.picks, stats.successes, stats.failures, stats.in_flight) == (11, 9, 1, 1)
    assert sum(server.picks for server in stats.servers.values()) == 11
    assert all(server.latency in (None, pytest.approx(0.5)) for server in stats.servers.values())
    page = system.export_metrics()
    assert "perfkit_load_balancer_picks_total" in page
    assert 'perfkit_load_balancer_in_flight{server="' in page
    dashboard = system.get_performance_dashboard().to_dict()
    assert dashboard["components"]["load_balancer"]["picks"] == 11
    lease.release()
    assert balancer.get_stats().in_flight == 0


def test_what_a_removed_server_did_is_not_lost(system: PerformanceSystem) -> None:
    balancer = system.load_balancer
    lease = balancer.acquire()
    balancer.remove_server(lease.server.name)
    lease.release(latency=0.5)
    assert balancer.get_stats().successes == 1
    assert balancer.get_stats().picks == 1


def test_health_watches_the_fleet(system: PerformanceSystem) -> None:
    (check,) = system.load_balancer.checks()
    assert check.run().status is Status.HEALTHY
    system.load_balancer.set_health("one", False)
    assert check.run().status is Status.WARNING
    system.load_balancer.set_health("two", False)
    assert check.run().status is Status.CRITICAL
    assert "load_balancer" in {each.name for each in system.health.get_health_summary().checks}
    assert list(LoadBalancer().checks()) == []


def test_health_watches_a_fleet_whose_first_server_is_added_later(tmp_path: Path) -> None:
    with PerformanceSystem({"store": {"directory": str(tmp_path)}}) as made:
        balancer = made.load_balancer
        assert "load_balancer" not in {each.name for each in made.health.get_health_summary().checks}
        balancer.add_server("late", host="127.0.0.1", port=1)
        made.health.tick(made.health._clock.monotonic())
        assert "load_balancer" in {each.name for each in made.health.get_health_summary().checks}


def test_workers_count_together(tmp_path: Path) -> None:
    first, second = systems(tmp_path, 2)
    with first, second:
        for _ in range(4):
            first.load_balancer.acquire().release()
        for _ in range(3):
            second.load_balancer.acquire().release(success=False)
        second.load_balancer.get_stats()
        stats = first.load_balancer.get_stats()
        assert (stats.picks, stats.successes, stats.failures) == (7, 4, 3)


def test_a_drain_reaches_the_others_and_so_does_the_way_back(tmp_path: Path) -> None:
    first, second = systems(tmp_path, 2)
    with first, second:
        first.load_balancer.drain_server("one")
        second.store.control.poll()
        assert second.load_balancer.server("one").state is ServerState.DRAINING
        assert {second.load_balancer.acquire().server.name for _ in range(20)} == {"two"}
        second.load_balancer.restore_server("one")
        first.store.control.poll()
        assert first.load_balancer.server("one").is_eligible


def test_a_drain_of_a_server_that_another_worker_does_not_know_is_no_trouble(tmp_path: Path) -> None:
    first, second = systems(tmp_path, 2)
    with first, second:
        first.load_balancer.add_server("new", host="h")
        first.load_balancer.drain_server("new")
        second.store.control.poll()
        assert [server.name for server in second.load_balancer.servers] == ["one", "two"]


def test_a_worker_that_starts_later_knows_what_drains(tmp_path: Path) -> None:
    first, second = systems(tmp_path, 2)
    with first:
        first.load_balancer.drain_server("one")
        first.load_balancer.drain_server("two")
        first.load_balancer.restore_server("two")
        with second:
            assert second.load_balancer.server("one").state is ServerState.DRAINING
            assert second.load_balancer.server("two").is_eligible


def test_a_server_that_is_discovered_later_drains_as_it_was_told(tmp_path: Path) -> None:
    first, second = systems(tmp_path, 2)
    with first, second:
        first.load_balancer.add_server("late", host="h")
        first.load_balancer.drain_server("late")
        second.store.control.poll()
        assert second.load_balancer.add_server("late", host="h").state is ServerState.DRAINING
        first.load_balancer.restore_server("late")
        second.store.control.poll()
        second.load_balancer.remove_server("late")
        assert second.load_balancer.add_server("late", host="h").is_eligible


def test_the_service_reports_its_own_load(system: PerformanceSystem) -> None:
    from perfkit.load_balancer.reports.orca import format_text, parse

    report = system.load_balancer.own_report()
    assert report.in_flight == 0.0
    assert system.load_balancer.own_report() is report
    assert parse(format_text(report)) is not None


def test_the_rate_of_requests_is_reported_after_a_second() -> None:
    from perfkit.load_balancer.reports.own import OwnLoad
    from perfkit.store import Store
    from perfkit.store.layout import FINISHED, STARTED

    clock = FakeClock()
    store = Store(clock=clock)
    own = OwnLoad(store, clock)
    assert own.report().rps is None
    store.values[STARTED] += 12.0
    store.values[FINISHED] += 10.0
    clock.advance(2.0)
    report = own.report()
    assert (report.rps, report.in_flight) == (5.0, 2.0)


@pytest.mark.process
def test_a_forked_child_has_nothing_in_flight_and_counts_its_own(tmp_path: Path) -> None:
    (system,) = systems(tmp_path, 1)
    with system:
        lease = system.load_balancer.acquire()
        child = os.fork()
        if not child:
            system.start()
            idle = [server.in_flight for server in system.load_balancer.servers] == [0, 0]
            system.load_balancer.acquire().release()
            system.load_balancer.tick(0.0)
            os._exit(0 if idle else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        lease.release()
        assert system.load_balancer.get_stats().picks == 2


def test_it_stands_alone_without_a_thread() -> None:
    import threading

    before = threading.active_count()
    balancer = LoadBalancer(rng=random.Random(1))
    balancer.add_server("one", host="h")
    balancer.start()
    balancer.acquire().release()
    assert balancer.get_stats().picks == 1
    balancer.tick(0.0)
    balancer.stop()
    assert threading.active_count() == before


def test_arguments_go_before_settings() -> None:
    settings = LoadBalancerSettings(strategy="hash", zone="a", slow_start=1.0)
    balancer = LoadBalancer("random", zone="b", settings=settings)
    assert (balancer.strategy, balancer.settings.zone, balancer.settings.slow_start) == ("random", "b", 1.0)


@pytest.mark.parametrize(
    "given",
    [{"name": 5}, {"name": ""}, {"host": 5}, {"port": "80"}, {"port": 70_000}, {"weight": "2"}, {"zone": 5}],
    ids=str,
)
def test_a_server_that_cannot_be_is_refused_in_three_sentences(given: dict[str, Any]) -> None:
    balancer = LoadBalancer()
    with pytest.raises(LoadBalancerError, match=r"was added with .*\. .*\. .*\.$"):
        balancer.add_server(**{"name": "one", **given})
    assert balancer.servers == ()


@pytest.mark.parametrize("given", [{"zone": 5}, {"slow_start": -1.0}, {"slow_start": "3"}], ids=str)
def test_an_argument_that_the_settings_would_not_allow_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(LoadBalancerError, match="Correct the argument"):
        LoadBalancer(**given)


def test_a_service_that_tells_its_load_makes_the_header_anew_each_second() -> None:
    clock = FakeClock()
    balancer = LoadBalancer(clock=clock, settings=LoadBalancerSettings(report_header="json"))
    assert balancer.report_header is None
    balancer.start()
    first = balancer.report_header
    assert first is not None
    assert first[1].startswith('JSON {"named_metrics":{"rif":0.0')
    balancer._context.store.values[STARTED] += 3.0
    clock.advance(1.0)
    balancer.tick(clock.monotonic())
    assert balancer.report_header is not None
    assert '"rif":3.0' in balancer.report_header[1]
    balancer.stop()


def test_a_balancer_that_only_tells_the_load_has_work_from_the_start() -> None:
    context = LoadBalancer()._context
    assert LoadBalancerSettings(report_header="text", outbound=False).has_work(context)
    assert not LoadBalancerSettings(outbound=False).has_work(context)


def test_calls_to_others_are_work_once_a_client_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    context = LoadBalancer()._context
    for name in CLIENTS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert not LoadBalancerSettings().has_work(context)
    monkeypatch.setitem(sys.modules, "aiohttp", sys)
    assert LoadBalancerSettings().has_work(context)

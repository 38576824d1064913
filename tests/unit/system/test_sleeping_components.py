"""Components that have nothing to do are not built until they are asked for, or have."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from patience import until

from perfkit.http.front import Front
from perfkit.load_balancer.settings import CLIENTS
from perfkit.registry import COMPONENTS
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock

LIBRARIES = ("sqlalchemy.engine", "asyncpg.connection", "prometheus_client")


@pytest.fixture(autouse=True)
def without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the app have imported nothing that a component hooks into, whatever other tests did."""
    for name in (*LIBRARIES, *CLIENTS):
        monkeypatch.delitem(sys.modules, name, raising=False)


def awake(system: PerformanceSystem) -> set[str]:
    """Return the words of the components that are ticked."""
    return {job.name for job in system.scheduler.jobs()} & set(COMPONENTS)


def system_of(settings: dict[str, Any] | None = None, **details: Any) -> PerformanceSystem:
    return PerformanceSystem(settings, environment="testing", **details)


def test_by_default_only_those_that_watch_the_app_are_awake() -> None:
    with system_of() as system:
        assert awake(system) == {"performance", "health", "alerts"}


@pytest.mark.parametrize("name", ["cache", "database", "load_balancer", "metrics"])
def test_asking_wakes_and_starts_one_once(name: str) -> None:
    with system_of() as system:
        component = system.get_component(name)
        assert component is system.get_component(name) is getattr(system, name)
        assert awake(system) == {"performance", "health", "alerts", name}
        assert [job.name for job in system.scheduler.jobs()].count(name) == 1


def test_one_that_wakes_before_the_start_is_started_with_the_others() -> None:
    system = system_of()
    system.load_balancer.add_server("one", host="127.0.0.1", port=1)
    with system:
        assert "load_balancer" in {check.name for check in system.health.get_health_summary().checks}


def test_one_that_wakes_after_the_start_is_started_then(monkeypatch: pytest.MonkeyPatch) -> None:
    from perfkit.cache.manager import CacheManager

    calls = []
    monkeypatch.setattr(CacheManager, "start", lambda self: calls.append("start"))
    monkeypatch.setattr(CacheManager, "stop", lambda self: calls.append("stop"))
    with system_of() as system:
        assert calls == []
        assert system.cache is system.cache
        assert calls == ["start"]
    assert calls == ["start", "stop"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("load_balancer", {"servers": {"one": {"host": "127.0.0.1", "port": 1}}}),
        ("cache", {"redis_url": "redis://127.0.0.1:1/0"}),
        ("metrics", {"prometheus_client": "on"}),
    ],
)
def test_one_whose_settings_give_it_work_is_awake_from_the_start(name: str, settings: dict[str, Any]) -> None:
    assert name in awake(system_of({name: settings}))


def test_a_database_that_was_given_wakes_the_optimizer_at_the_start() -> None:
    system = system_of().initialize(database=object())
    assert "database" not in awake(system)
    with system:
        assert "database" in awake(system)


@pytest.mark.parametrize(("library", "name"), [("asyncpg.connection", "database"), ("prometheus_client", "metrics")])
def test_a_library_that_is_imported_while_it_runs_wakes_who_hooks_into_it(
    library: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    with system_of({"database": {"capture": True}}, clock=clock) as system:
        assert name not in awake(system)
        monkeypatch.setitem(sys.modules, library, ModuleType(library))
        clock.advance(1.0)
        until(lambda: name in awake(system))


def test_the_optimizer_sleeps_on_where_nothing_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg.connection", ModuleType("asyncpg.connection"))
    assert "database" not in awake(system_of({"database": {"capture": False}}))


def test_a_metrics_page_wakes_the_collector_and_nothing_else() -> None:
    with system_of() as system:
        assert "target_info" in system.export_metrics()
        assert awake(system) == {"performance", "health", "alerts", "metrics"}


def test_the_dashboard_shows_those_that_slept_too() -> None:
    with system_of() as system:
        assert set(system.get_performance_dashboard().components) == set(COMPONENTS)


def test_many_threads_that_ask_at_once_get_one_component() -> None:
    with system_of() as system:
        found: list[object] = []
        barrier = threading.Barrier(8)

        def ask() -> None:
            barrier.wait()
            found.append(system.cache)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) == 8
        assert len({id(each) for each in found}) == 1
        assert [job.name for job in system.scheduler.jobs()].count("cache") == 1


def test_a_balancer_that_wakes_late_knows_what_another_worker_drained(tmp_path: Path) -> None:
    settings = {"service": "shop", "store": {"directory": str(tmp_path)}}
    first, second = (PerformanceSystem(settings, environment="production", origin="shop.py") for _ in range(2))
    with first, second:
        first.load_balancer.add_server("one", host="127.0.0.1", port=1)
        first.load_balancer.drain_server("one")
        second.store.control.poll()
        assert "load_balancer" not in awake(second)
        second.load_balancer.add_server("one", host="127.0.0.1", port=1)
        assert second.load_balancer.server("one").is_draining


def test_a_worker_whose_cache_sleeps_shows_what_the_others_counted(tmp_path: Path) -> None:
    settings = {"service": "shop", "store": {"directory": str(tmp_path)}}
    first, second = (PerformanceSystem(settings, environment="production", origin="shop.py") for _ in range(2))
    with first, second:
        first.cache.set("key", 1)
        assert first.cache.get("key") == 1
        first.cache.tick(0.0)
        assert "perfkit_cache" in second.export_metrics()
        assert "cache" not in awake(second)
        assert second.cache.get_stats().hits == 1


def test_to_look_at_the_dashboard_wakes_nothing() -> None:
    with system_of() as system:
        before = awake(system)
        front = Front(system)
        for _ in range(2):
            shown = front.overview_data()
            assert awake(system) == before
        assert {"cache", "database", "load_balancer"} <= set(shown.asleep)
        assert shown.cache is None


def test_what_another_worker_uses_is_shown_by_all(tmp_path: Path) -> None:
    settings = {"service": "shop", "store": {"directory": str(tmp_path)}}
    first, second = (PerformanceSystem(settings, environment="production", origin="shop.py") for _ in range(2))
    with first, second:
        first.cache.set("greeting", "hello")
        first.cache.get("greeting")
        told = []
        until(lambda: told.append(Front(second).overview_data()) or told[-1].cache is not None)  # type: ignore[func-returns-value]  # the look itself
        assert told[-1].cache is not None
        assert told[-1].cache.hits == 1

"""What a system is built from, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit import PerformanceConfig, get_performance_config
from perfkit.config import AccessSettings
from perfkit.core.errors import ComponentNotFoundError, ConfigurationError
from perfkit.core.names import ERRORS
from perfkit.core.status import Status
from perfkit.health import HealthChecker, HealthSnapshot
from perfkit.metrics import MetricsCollector
from perfkit.performance import PerformanceMonitor, PerformanceSnapshot
from perfkit.registry import COMPONENTS
from perfkit.snapshot import PerformanceDashboard
from perfkit.store import StoreSettings
from perfkit.system import PerformanceSystem

TOKEN = "a-token-that-must-not-leak-anywhere"


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem({"service": "shop", "access": {"token": TOKEN}}, environment="testing") as system:
        yield system


def test_a_config_object_is_used_as_it_is() -> None:
    config = get_performance_config("testing", {"service": "shop"})
    assert PerformanceSystem(config).config is config


def test_a_dict_goes_through_all_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_PERFORMANCE__WINDOW", "77")
    given = {"service": "shop", "performance": {"window": 60, "thresholds": {"response_time": 0.2}}}
    config = PerformanceSystem(given, environment="testing").config
    assert (config.service, config.store.mode) == ("shop", "memory")
    assert (config.performance.window, config.performance.thresholds.response_time) == (77.0, 0.2)
    assert given == {"service": "shop", "performance": {"window": 60, "thresholds": {"response_time": 0.2}}}


def test_without_settings_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERFKIT_ENVIRONMENT", raising=False)
    config = PerformanceSystem().config
    assert (config.environment, config.service) == ("production", "app")


def test_settings_that_cannot_be_used_are_all_in_one_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        PerformanceSystem({"service": "", "store": {"mode": "disk"}, "perfomance": {}, "health": {"memory_warning": 9}})
    message = str(caught.value)
    assert message.startswith("4 settings cannot be used:")
    for part in ("service", "store.mode", "perfomance", "health.memory_warning", "performance"):
        assert part in message


def test_a_config_object_that_cannot_be_used_is_refused_too() -> None:
    config = PerformanceConfig(service="", store=StoreSettings(retention=1.0))
    with pytest.raises(ConfigurationError) as caught:
        PerformanceSystem(config)
    assert "service" in str(caught.value)
    assert "store.retention" in str(caught.value)


@pytest.mark.parametrize("config", [3, "production", ["service"], object()])
def test_what_is_neither_config_nor_dict_is_refused_in_words(config: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a dict"):
        PerformanceSystem(config)


def test_components_are_found_by_their_word_and_as_attributes(system: PerformanceSystem) -> None:
    kinds = {"performance": PerformanceMonitor, "health": HealthChecker, "metrics": MetricsCollector}
    for name, kind in kinds.items():
        component = system.get_component(name)
        assert isinstance(component, kind)
        assert getattr(system, name) is component
        assert component.name == name


@pytest.mark.parametrize(
    ("name", "meant"), [("perfomance", "performance"), ("metric", "metrics"), ("Health", "health")]
)
def test_an_unknown_component_is_an_error_with_the_names_and_the_likely_one(
    name: str, meant: str, system: PerformanceSystem
) -> None:
    with pytest.raises(ComponentNotFoundError) as caught:
        system.get_component(name)
    assert str(caught.value) == (
        f"There is no component {name!r}. The components are: {', '.join(COMPONENTS)}. Did you mean {meant!r}?"
    )
    assert isinstance(caught.value, LookupError)


def test_a_name_like_none_of_them_gets_no_guess(system: PerformanceSystem) -> None:
    with pytest.raises(ComponentNotFoundError, match=r"Use one of these names\.$"):
        system.get_component("zzz")


@pytest.mark.parametrize("name", ["performance", "health", "metrics"])
def test_a_disabled_component_is_an_error_that_says_how_to_enable_it(name: str) -> None:
    with PerformanceSystem({name: {"enabled": False}}, environment="testing") as system:
        with pytest.raises(ComponentNotFoundError, match=rf"disabled.*Set {name}\.enabled to true"):
            system.get_component(name)
        with pytest.raises(ComponentNotFoundError):
            getattr(system, name)


@pytest.mark.parametrize("name", ["performance", "health"])
def test_without_performance_or_health_the_dashboard_says_so(name: str) -> None:
    with PerformanceSystem({name: {"enabled": False}}, environment="testing") as system:
        dashboard = system.get_performance_dashboard()
        assert dashboard.status is Status.UNKNOWN
        assert "switched off" in dashboard.summary.verdict.headline
        assert name not in dashboard.components


def test_the_dashboard_is_typed(system: PerformanceSystem) -> None:
    dashboard = system.get_performance_dashboard()
    assert isinstance(dashboard, PerformanceDashboard)
    assert isinstance(dashboard.components["performance"], PerformanceSnapshot)
    assert isinstance(dashboard.components["health"], HealthSnapshot)
    assert isinstance(dashboard.status, Status)
    assert (dashboard.service, dashboard.environment, dashboard.is_shared, dashboard.degraded) == (
        "shop",
        "testing",
        False,
        "",
    )
    assert dashboard.status is dashboard.summary.verdict.status


def test_the_dashboard_before_the_start_is_there_too() -> None:
    dashboard = PerformanceSystem(environment="testing").get_performance_dashboard()
    assert dashboard.status is Status.UNKNOWN
    json.dumps(dashboard.to_dict(), allow_nan=False)


def test_the_dashboard_as_a_dict_is_json_without_a_token(system: PerformanceSystem) -> None:
    document = system.get_performance_dashboard().to_dict()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert TOKEN not in text
    assert set(document) >= {"status", "uptime", "summary", "components", "service", "version"}
    assert set(document["components"]) == set(COMPONENTS)


def test_the_token_is_in_nothing_that_people_print(system: PerformanceSystem) -> None:
    shown = [repr(system), repr(system.config), str(system.config), repr(system.get_performance_dashboard())]
    shown += [system.export_metrics(kind) for kind in ("prometheus", "openmetrics", "json", "csv")]
    assert not [text for text in shown if TOKEN in text]


def test_a_token_that_cannot_be_used_is_not_in_the_error() -> None:
    secret = "short\x00secret"
    with pytest.raises(ConfigurationError) as caught:
        PerformanceSystem({"access": {"token": secret}})
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        PerformanceSystem(PerformanceConfig(access=AccessSettings(token=secret)))
    assert "secret" not in str(caught.value)


def test_uptime_is_that_of_the_worker(system: PerformanceSystem) -> None:
    assert 0.0 <= system.get_performance_dashboard().uptime < 60.0


@pytest.mark.parametrize("name", ["first", "second"])
def test_two_systems_of_one_service_in_one_file_share_their_numbers(name: str, tmp_path: Path) -> None:
    first, second = (
        PerformanceSystem({"service": "shop", "store": {"directory": str(tmp_path)}}, environment="production")
        for _ in range(2)
    )
    with first, second:
        first.errors.report("test", ValueError())
        second.errors.report("test", ValueError())
        for system in (first, second):
            (family,) = system.store.families({ERRORS.name})
            assert [(point.labels, point.value) for point in family.points] == [(("test", "ValueError"), 2.0)]
            assert len(system.store.workers()) == 1
        leaver, other = (first, second) if name == "first" else (second, first)
        leaver.stop()
        other.errors.report("test", ValueError())
        (family,) = other.store.families({ERRORS.name})
        assert [point.value for point in family.points] == [3.0]
        assert other.is_running


def test_systems_of_two_services_do_not_meet(tmp_path: Path) -> None:
    systems = [
        PerformanceSystem({"service": name, "store": {"directory": str(tmp_path / name)}}, environment="production")
        for name in ("shop", "blog")
    ]
    with systems[0], systems[1]:
        systems[0].errors.report("test", ValueError())
        assert systems[1].store.families({ERRORS.name}) == []


def test_a_system_knows_the_file_that_built_it() -> None:
    assert PerformanceSystem(environment="testing").store.origin == __file__
    assert PerformanceSystem(environment="testing", origin="mine").store.origin == "mine"

"""The seed document's configuration: presets by environment, overrides, validation, names of settings."""

from __future__ import annotations

from typing import Any

import pytest

from perfkit import PerformanceConfig, PerformanceSystem, get_performance_config, validate_performance_config


@pytest.mark.parametrize("environment", ["development", "production", "testing"])
def test_get_performance_config_knows_the_environments(environment: str) -> None:
    config = get_performance_config(environment)
    assert isinstance(config, PerformanceConfig)
    assert config.environment == environment


def test_overrides_are_merged_deeply() -> None:
    plain = get_performance_config("production")
    config = get_performance_config("production", {"performance": {"thresholds": {"response_time": 0.5}}})
    assert config.performance.thresholds.response_time == 0.5
    assert config.performance.thresholds.error_rate == plain.performance.thresholds.error_rate
    assert config.performance.window == plain.performance.window


def test_the_environment_variable_is_asked_when_code_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_ENVIRONMENT", "testing")
    assert get_performance_config().environment == "testing"
    assert get_performance_config("production").environment == "production"


def test_the_config_is_frozen_and_typed() -> None:
    config: Any = get_performance_config("testing")
    with pytest.raises(AttributeError):
        config.service = "another"
    with pytest.raises(AttributeError):
        config.performance.window = 1.0


def test_the_system_also_takes_a_plain_dict() -> None:
    system = PerformanceSystem({"performance": {"window": 60.0}}, environment="testing")
    assert system.config.performance.window == 60.0


def test_validate_performance_config_of_a_good_one() -> None:
    validation = validate_performance_config(get_performance_config("production"))
    assert validation.is_valid
    assert validation.errors == ()
    assert isinstance(validation.warnings, tuple)


def test_validate_performance_config_reports_every_error_with_its_path() -> None:
    validation = validate_performance_config(
        {"performance": {"window": -1, "thresholds": {"error_rate": 5}}, "store": {"retention": "long"}}
    )
    assert not validation.is_valid
    assert {error.path for error in validation.errors} == {
        "performance.window",
        "performance.thresholds.error_rate",
        "store.retention",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("performance.thresholds.response_time", 0.5),
        ("performance.thresholds.error_rate", 0.05),
        ("performance.thresholds.cpu", 0.8),
        ("performance.thresholds.memory", 0.8),
        ("performance.collect_interval", 5.0),
        ("performance.debug_logging", True),
        ("performance.enabled", False),
        ("health.enabled", False),
        ("metrics.enabled", False),
        ("store.retention", 3600.0),
    ],
)
def test_the_seeds_settings_have_these_names(path: str, value: object) -> None:
    *sections, name = path.split(".")
    given: dict[str, Any] = {name: value}
    for section in reversed(sections):
        given = {section: given}
    found: Any = get_performance_config("testing", given)
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value

"""Presets, sources and which layer wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfkit.config import PerformanceConfig, config_sources, get_performance_config
from perfkit.store.settings import StoreSettings


def test_without_anything_the_environment_is_production() -> None:
    config = get_performance_config(environ={})
    assert config.environment == "production"
    assert config_sources(config)["environment"] == "default"


def test_testing_keeps_its_numbers_in_memory() -> None:
    assert get_performance_config("testing", environ={}).store.mode == "memory"
    assert get_performance_config("production", environ={}).store.mode == "auto"


def test_buttons_are_off_in_production_only() -> None:
    actions = {name: get_performance_config(name, environ={}).access.actions for name in ("development", "production")}
    assert actions == {"development": True, "production": False}


def test_later_layers_win_one_by_one() -> None:
    settings = {"performance": {"window": 100, "collect_interval": 2}, "store": {"mode": "auto"}}
    environ = {"PERFKIT_PERFORMANCE__WINDOW": "200"}
    overrides = {"performance": {"window": 300}}

    def window(**layers: object) -> float:
        return get_performance_config("testing", environ=layers.pop("environ", {}), **layers).performance.window  # type: ignore[arg-type]

    assert window(settings=settings) == 100
    assert window(settings=settings, environ=environ) == 200
    assert window(settings=settings, environ=environ, overrides=overrides) == 300
    config = get_performance_config("testing", overrides, settings=settings, environ=environ)
    assert config.performance.collect_interval == 2, "what an override does not name stays"
    assert config.store.mode == "auto", "settings win over the preset"


def test_each_value_knows_its_source() -> None:
    config = get_performance_config(
        "testing",
        {"health": {"memory_warning": 0.5}},
        settings={"service": "shop", "performance": {"targets": {"GET /a": 1.0}}},
        environ={"PERFKIT_STORE__MAX_SLOTS": "5000", "PERFKIT_PERFORMANCE__TARGETS": '{"GET /b": 2}'},
    )
    sources = config_sources(config)
    assert sources["environment"] == "argument"
    assert sources["service"] == "settings"
    assert sources["store.mode"] == "preset testing"
    assert sources["store.max_slots"] == "environment PERFKIT_STORE__MAX_SLOTS"
    assert sources["health.memory_warning"] == "override"
    assert sources["health.memory_critical"] == "default"
    assert sources['performance.targets["GET /a"]'] == "settings"
    assert sources['performance.targets["GET /b"]'] == "environment PERFKIT_PERFORMANCE__TARGETS"
    assert sources["performance.targets"] == "settings, environment PERFKIT_PERFORMANCE__TARGETS"


def test_the_sources_are_no_part_of_the_config() -> None:
    one = get_performance_config("production", {"service": "shop"}, environ={})
    other = get_performance_config(environ={"PERFKIT_SERVICE": "shop"})
    assert one == other
    assert config_sources(one) != config_sources(other)


def test_a_config_made_by_hand_says_what_differs_from_the_default() -> None:
    sources = config_sources(PerformanceConfig(service="shop", store=StoreSettings(mode="memory")))
    assert sources["service"] == sources["store.mode"] == "code"
    assert sources["release"] == sources["store.directory"] == "default"


@pytest.mark.parametrize(
    ("argument", "overrides", "settings", "environ", "debug", "expected"),
    [
        ("testing", {"environment": "development"}, {}, {}, False, "development"),
        ("testing", {}, {"environment": "production"}, {"PERFKIT_ENVIRONMENT": "production"}, True, "testing"),
        (None, {}, {"environment": "testing"}, {"PERFKIT_ENVIRONMENT": "production"}, True, "testing"),
        (None, {}, {}, {"PERFKIT_ENVIRONMENT": "production"}, True, "production"),
        (None, {}, {}, {"PERFKIT_ENVIRONMENT": ""}, True, "development"),
        (None, {}, {}, {}, False, "production"),
    ],
)
def test_an_environment_given_in_code_is_stronger_than_the_variable_and_that_than_debug(
    argument: str | None,
    overrides: dict[str, str],
    settings: dict[str, str],
    environ: dict[str, str],
    debug: bool,
    expected: str,
) -> None:
    config = get_performance_config(argument, overrides, settings=settings, environ=environ, debug=debug)
    assert config.environment == expected
    assert (config.store.mode == "memory") == (expected == "testing"), "the preset follows"


def test_the_layers_are_left_as_they_are() -> None:
    settings = {"performance": {"targets": {"GET /a": 1.0}}}
    overrides = {"performance": {"targets": {"GET /b": 2.0}}}
    config = get_performance_config(overrides=overrides, settings=settings, environ={})
    assert config.performance.targets == {"GET /a": 1.0, "GET /b": 2.0}
    assert settings == {"performance": {"targets": {"GET /a": 1.0}}}
    assert overrides == {"performance": {"targets": {"GET /b": 2.0}}}


def test_two_configs_share_no_dict() -> None:
    one, other = get_performance_config(environ={}), get_performance_config(environ={})
    assert one.performance.targets is not other.performance.targets


def test_a_section_may_be_given_as_its_struct() -> None:
    config = get_performance_config(settings={"store": StoreSettings(mode="memory")}, environ={})
    assert config.store.mode == "memory"


def test_a_directory_may_be_given_as_a_path(tmp_path: Path) -> None:
    config = get_performance_config(settings={"store": {"directory": tmp_path / "perfkit"}}, environ={})
    assert config.store.directory == str(tmp_path / "perfkit")


def test_a_config_is_frozen() -> None:
    config = get_performance_config(environ={})
    with pytest.raises(AttributeError):
        config.service = "other"  # type: ignore[misc]  # that is the point

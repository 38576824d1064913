"""Settings from environment variables."""

from __future__ import annotations

from typing import Any

import pytest

from perfkit.config import config_sources, get_performance_config
from perfkit.config.environment import variable
from perfkit.config.fields import leaves
from perfkit.config.performance_config import PerformanceConfig
from perfkit.core.errors import ConfigurationError

TOKEN = "hunter2-hunter2-hunter2"


def value_of(config: Any, path: str) -> Any:
    for name in path.split("."):
        config = getattr(config, name)
    return config


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        ("PERFKIT_SERVICE", "shop", "service", "shop"),
        ("PERFKIT_SERVICE", "  shop\n", "service", "shop"),
        ("PERFKIT_RELEASE", "1.0", "release", "1.0"),
        ("PERFKIT_RELEASE", "none", "release", None),
        ("PERFKIT_STORE__DIRECTORY", "/x", "store.directory", "/x"),
        ("PERFKIT_STORE__MODE", "memory", "store.mode", "memory"),
        ("PERFKIT_STORE__MAX_SLOTS", "5000", "store.max_slots", 5000),
        ("PERFKIT_PERFORMANCE__WINDOW", "60", "performance.window", 60.0),
        ("PERFKIT_PERFORMANCE__THRESHOLDS__CPU", "0.5", "performance.thresholds.cpu", 0.5),
        ("PERFKIT_PERFORMANCE__TARGETS", '{"GET /reports": 2}', "performance.targets", {"GET /reports": 2.0}),
        ("PERFKIT_HEALTH__ENABLED", "No", "health.enabled", False),
        ("PERFKIT_HEALTH__ENABLED", "0", "health.enabled", False),
        ("PERFKIT_METRICS__ENABLED", "TRUE", "metrics.enabled", True),
        ("PERFKIT_HTTP__METRICS_PATH", "off", "http.metrics_path", None),
        ("PERFKIT_ACCESS__ACCESS", "off", "access.access", "off"),
        ("PERFKIT_ACCESS__METRICS_ACCESS", "off", "access.metrics_access", "off"),
        ("PERFKIT_ACCESS__ACTIONS", "off", "access.actions", False),
        ("PERFKIT_ACCESS__ACTIONS", "none", "access.actions", None),
        ("PERFKIT_ACCESS__TOKEN", TOKEN, "access.token", TOKEN),
        ("PERFKIT_TOKEN", TOKEN, "access.token", TOKEN),
        ("PERFKIT_TOKEN", "1234567890123456", "access.token", "1234567890123456"),
    ],
)
def test_a_variable_becomes_what_its_setting_asks_for(name: str, text: str, path: str, expected: Any) -> None:
    config = get_performance_config(environ={name: text})
    found = value_of(config, path)
    assert found == expected
    assert type(found) is type(expected)
    assert config_sources(config)[path] == f"environment {name}"


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("PERFKIT_STORE__MAX_SLOTS", "many", "store.max_slots"),
        ("PERFKIT_STORE__MAX_SLOTS", "5000.5", "store.max_slots"),
        ("PERFKIT_PERFORMANCE__WINDOW", "5m", "performance.window"),
        ("PERFKIT_PERFORMANCE__WINDOW", "nan", "performance.window"),
        ("PERFKIT_PERFORMANCE__TARGETS", "{oops", "performance.targets"),
        ("PERFKIT_PERFORMANCE__TARGETS", "[1]", "performance.targets"),
        ("PERFKIT_HEALTH__ENABLED", "perhaps", "health.enabled"),
        ("PERFKIT_ENVIRONMENT", "prod", "environment"),
    ],
)
def test_text_that_does_not_fit_is_an_error_that_names_the_variable(name: str, text: str, path: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        get_performance_config(environ={name: text})
    assert str(raised.value).startswith(f"{path} is ")
    assert f"in the environment variable {name}. It must be " in str(raised.value)


def test_a_bad_entry_of_a_dict_names_the_variable() -> None:
    with pytest.raises(ConfigurationError, match=r'targets\["GET /"\] is 0 in the environment variable PERFKIT_PERF'):
        get_performance_config(environ={"PERFKIT_PERFORMANCE__TARGETS": '{"GET /": 0}'})


def test_a_short_token_is_not_printed() -> None:
    with pytest.raises(ConfigurationError, match=r"in the environment variable PERFKIT_TOKEN\.") as raised:
        get_performance_config(environ={"PERFKIT_TOKEN": "hunter2"})
    assert "hunter2" not in str(raised.value)


def test_an_empty_variable_counts_as_not_set() -> None:
    config = get_performance_config(settings={"service": "shop"}, environ={"PERFKIT_SERVICE": "", "PERFKIT_TOKEN": " "})
    assert config.service == "shop"
    assert config.access.token is None


def test_the_long_name_of_the_token_is_stronger_than_the_short_one() -> None:
    environ = {"PERFKIT_ACCESS__TOKEN": TOKEN, "PERFKIT_TOKEN": "another-token-of-ours"}
    assert get_performance_config(environ=environ).access.token == TOKEN


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PERFKIT_STORE__DIRECTROY", "PERFKIT_STORE__DIRECTORY"),
        ("PERFKIT_STOR__DIRECTORY", "PERFKIT_STORE__DIRECTORY"),
        ("PERFKIT_STORE_DIRECTORY", "PERFKIT_STORE__DIRECTORY"),
        ("PERFKIT_TOKNE", "PERFKIT_TOKEN"),
        ("PERFKIT_ENVIROMENT", "PERFKIT_ENVIRONMENT"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        get_performance_config(environ={name: "hunter2"})
    assert str(raised.value).startswith(f"The environment variable {name} is set")
    assert str(raised.value).endswith(f"Rename it to {meant}.")
    assert "hunter2" not in str(raised.value)


def test_a_variable_of_no_known_section_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="PERFKIT_ZEBRA__STRIPES is set, but no setting has that name"):
        get_performance_config(environ={"PERFKIT_ZEBRA__STRIPES": "1"})


@pytest.mark.parametrize(
    "name",
    [
        "PERFKIT_SERVICE_HOST",
        "PERFKIT_SERVICE_PORT",
        "PERFKIT_SERVICE_PORT_HTTP",
        "PERFKIT_PORT",
        "PERFKIT_PORT_80_TCP",
        "PERFKIT_PORT_80_TCP_ADDR",
        "PERFKIT_STORE_SERVICE_HOST",
        "PERFKIT_HTTP_METRICS_PORT",
        "PERFKIT_NO_SKIP",
        "PERFKITTEN",
        "PATH",
    ],
)
def test_variables_of_others_are_left_alone(name: str) -> None:
    assert get_performance_config(environ={name: "tcp://10.0.0.1:80"}) == get_performance_config(environ={})


def test_the_service_name_of_opentelemetry_is_the_weakest() -> None:
    otel = {"OTEL_SERVICE_NAME": "shop"}
    config = get_performance_config(environ=otel)
    assert config.service == "shop"
    assert config_sources(config)["service"] == "environment OTEL_SERVICE_NAME"
    assert get_performance_config(settings={"service": "mine"}, environ=otel).service == "mine"
    assert get_performance_config(environ={**otel, "PERFKIT_SERVICE": "mine"}).service == "mine"


def test_the_variables_of_the_process_are_read_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_SERVICE", "from-the-process")
    assert get_performance_config().service == "from-the-process"


def test_no_two_settings_share_a_variable() -> None:
    names = [variable(path) for path, _ in leaves(PerformanceConfig)]
    assert len(names) == len(set(names))

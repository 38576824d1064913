"""Every kind of bad setting, alone and all at once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from perfkit.config import (
    AccessSettings,
    HttpSettings,
    Issue,
    PerformanceConfig,
    get_performance_config,
    validate_performance_config,
)
from perfkit.core.errors import ConfigurationError
from perfkit.health.settings import HealthSettings
from perfkit.performance.settings import PerformanceSettings

SECRET = "hunter2-hunter2-hunter2"

# kind → settings, path of the error, words that the message must contain
BAD: dict[str, tuple[dict[Any, Any], str, str]] = {
    "unknown section": ({"cash": {}}, "cash", "The settings are environment, service"),
    "slip in a section": ({"stor": {"mode": "auto"}}, "stor", "Write store instead."),
    "slip in a key": ({"store": {"directroy": "/x"}}, "store.directroy", "Write store.directory instead."),
    "camelCase": ({"performance": {"collectInterval": 1}}, "performance.collectInterval", "collect_interval instead"),
    "key one level too high": ({"retention": 60}, "retention", "Write store.retention instead."),
    "key that is no text": ({"health": {5: 1}}, 'health["5"]', "is not a setting"),
    "unknown environment": ({"environment": "prod"}, "environment", 'Set it to "production"'),
    "environment that is no text": ({"environment": ["testing"]}, "environment", "of type list"),
    "bad choice": ({"store": {"mode": "memry"}}, "store.mode", 'Set it to "memory"'),
    "too small": ({"store": {"retention": -5}}, "store.retention", "leave it out for 30 days"),
    "too large": ({"performance": {"window": 1e9}}, "performance.window", "from 10 to 86400"),
    "not above the lower bound": (
        {"performance": {"thresholds": {"response_time": 0}}},
        "performance.thresholds.response_time",
        "above 0",
    ),
    "ratio in percent": ({"health": {"memory_warning": 85}}, "health.memory_warning", "at most 1"),
    "NaN": ({"performance": {"collect_interval": float("nan")}}, "performance.collect_interval", "is nan"),
    "infinite": ({"health": {"scheduler_stall": float("inf")}}, "health.scheduler_stall", "is inf"),
    "truth for a number": ({"store": {"max_slots": True}}, "store.max_slots", "is True. It must be a whole number"),
    "fraction for a whole number": ({"store": {"max_series_per_family": 1.5}}, "store.max_series_per_family", "1.5"),
    "number for a truth": ({"health": {"enabled": 1}}, "health.enabled", "It must be True or False"),
    "text for a truth": ({"metrics": {"enabled": "yes"}}, "metrics.enabled", "is 'yes'"),
    "duration with a unit": (
        {"performance": {"thresholds": {"response_time": "300ms"}}},
        "performance.thresholds.response_time",
        "a number of seconds",
    ),
    "timedelta": ({"performance": {"window": timedelta(minutes=5)}}, "performance.window", "of type timedelta"),
    "None for a number": ({"health": {"memory_critical": None}}, "health.memory_critical", "is None"),
    "section that is no dict": ({"health": 5}, "health", "of type int"),
    "section that is None": ({"metrics": None}, "metrics", "of type NoneType"),
    "section that is a list": ({"http": ["/health"]}, "http", "There must be a dict"),
    "nested section that is no dict": ({"performance": {"thresholds": 3}}, "performance.thresholds", "of type int"),
    "dict for a value": ({"store": {"directory": {"path": "/x"}}}, "store.directory", "of type dict"),
    "dict setting that is no dict": ({"performance": {"targets": ["GET /"]}}, "performance.targets", "of type list"),
    "bad key in a dict": ({"performance": {"targets": {"get /x": 1.0}}}, "performance.targets", "has the key 'get /x'"),
    "bad value in a dict": (
        {"performance": {"targets": {"GET /y": -1}}},
        'performance.targets["GET /y"]',
        "a number of seconds",
    ),
    "empty name": ({"service": ""}, "service", "is ''"),
    "name of two lines": ({"release": "1.0\n"}, "release", "without control characters"),
    "path without a slash": ({"http": {"health_path": "health"}}, "http.health_path", "a path such as /health"),
    "path with a slash at its end": ({"http": {"dashboard_path": "/perfkit/"}}, "http.dashboard_path", "at its end"),
    "path that climbs": ({"http": {"metrics_path": "/a/../b"}}, "http.metrics_path", "without .."),
    "path with a query": ({"http": {"metrics_path": "/metrics?x=1"}}, "http.metrics_path", "'/metrics?x=1'"),
    "path that is the root": ({"http": {"dashboard_path": "/"}}, "http.dashboard_path", "is '/'"),
    "prefix without a slash": ({"http": {"prefix": "internal"}}, "http.prefix", "/internal"),
    "equal paths": ({"http": {"metrics_path": "/health"}}, "http.metrics_path", "http.health_path ('/health')"),
    "path below another": ({"http": {"metrics_path": "/perfkit/metrics"}}, "http.metrics_path", "already answers"),
    "warning after failure": ({"health": {"memory_warning": 0.96}}, "health.memory_warning", "health.memory_critical"),
    "interval above the window": (
        {"performance": {"collect_interval": 60, "window": 30}},
        "performance.collect_interval",
        "performance.window",
    ),
    "short token": ({"access": {"token": "hunter2"}}, "access.token", "text of 7 characters"),
    "token that is no text": ({"access": {"token": SECRET.encode()}}, "access.token", "of type bytes"),
    "token with a space": ({"access": {"metrics_token": f"{SECRET} "}}, "access.metrics_token", "without spaces"),
    "token for a mode": ({"access": {"access": SECRET}}, "access.access", '"auto", "token", "off" or a function'),
    "token for a section": ({"access": SECRET}, "access", "of type str"),
    "token under a wrong name": ({"access": {"tokn": SECRET}}, "access.tokn", "Write access.token instead."),
    "dotted path for a key": (
        {"store.retention": 600},
        '["store.retention"]',
        'Write {"store": {"retention": …}} instead.',
    ),
    "dotted path inside a section": (
        {"performance": {"thresholds.cpu": 0.5}},
        'performance["thresholds.cpu"]',
        'Write {"thresholds": {"cpu": …}} instead.',
    ),
    "function for a truth": ({"access": {"actions": len}}, "access.actions", "True or False"),
}


def errors_of(settings: dict[Any, Any]) -> tuple[Issue, ...]:
    return validate_performance_config(settings).errors


def is_in_three_sentences(message: str) -> bool:
    return message.endswith(".") and len(re.split(r"\.\s+", message)) >= 3 and "\n" not in message


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_setting_is_reported_with_its_path_and_what_to_do(kind: str) -> None:
    settings, path, words = BAD[kind]
    found = errors_of(settings)
    assert [issue.path for issue in found] == [path]
    message = str(found[0])
    assert words in message
    assert is_in_three_sentences(message), message
    assert "hunter2" not in message


def test_there_are_at_least_25_kinds_of_bad_settings() -> None:
    assert len(BAD) >= 25


def test_all_bad_settings_are_reported_at_once() -> None:
    everything: dict[Any, Any] = {}
    expected: set[str] = set()
    for settings, path, _ in BAD.values():
        if _join(everything, settings, probe=True):
            _join(everything, settings)
            expected.add(path)
    assert len(expected) >= 25
    with pytest.raises(ConfigurationError) as raised:
        get_performance_config(settings=everything, environ={})
    lines = str(raised.value).splitlines()
    found = validate_performance_config(everything)
    assert {issue.path for issue in found.errors} == expected
    assert lines[0] == f"{len(expected)} settings cannot be used:"
    assert lines[1:] == [f"- {issue.message}" for issue in found.errors]
    assert "hunter2" not in str(raised.value)


def _join(into: dict[Any, Any], settings: dict[Any, Any], *, probe: bool = False) -> bool:
    """Put *settings* into *into*; return False, for a probe, if a place is taken by another bad setting."""
    for key, value in settings.items():
        there = into.get(key)
        if isinstance(value, dict) and value and isinstance(there, dict):
            if not _join(there, value, probe=probe):
                return False
        elif key in into:
            return False
        elif not probe:
            into[key] = _copied(value)
    return True


def _copied(value: Any) -> Any:
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value


def test_one_error_is_raised_as_its_message_alone() -> None:
    with pytest.raises(ConfigurationError, match=r"^store\.retention is -5\. It must be") as raised:
        get_performance_config(overrides={"store": {"retention": -5}}, environ={})
    assert str(raised.value) == (
        "store.retention is -5. It must be a number of seconds from 300 to 2592000. "
        "Set it to a number of seconds, or leave it out for 30 days."
    )


def test_settings_that_are_no_dict_at_all_are_an_error() -> None:
    found = validate_performance_config(["store"])  # type: ignore[arg-type]  # that is the point
    assert [issue.path for issue in found.errors] == [""]
    assert is_in_three_sentences(str(found.errors[0]))


def test_overrides_that_are_no_dict_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="The overrides are of type int"):
        get_performance_config("testing", 5, environ={})  # type: ignore[arg-type]  # that is the point


def test_an_unknown_environment_lists_the_three() -> None:
    with pytest.raises(ConfigurationError, match='"development", "production", "testing"'):
        get_performance_config("staging", environ={})


def test_a_wrong_value_is_cut_in_the_message() -> None:
    (issue,) = errors_of({"store": {"mode": "x" * 10_000}})
    assert len(issue.message) < 300


def test_a_number_too_long_to_print_is_still_reported() -> None:
    (issue,) = errors_of({"store": {"max_slots": 10**5000}})
    assert issue.path == "store.max_slots"


def test_a_config_object_is_validated_too() -> None:
    config = PerformanceConfig(
        service="",
        http=HttpSettings(health_path="nope"),
        health=HealthSettings(memory_warning=2.0),
        performance=PerformanceSettings(targets={"GET /": -1.0}),
    )
    assert {issue.path for issue in validate_performance_config(config).errors} == {
        "service",
        "http.health_path",
        "health.memory_warning",
        'performance.targets["GET /"]',
    }


def test_a_wrong_struct_as_section_is_an_error() -> None:
    assert errors_of({"health": HttpSettings(prefix="/x")})


def test_a_valid_config_has_no_errors() -> None:
    for environment in ("development", "production", "testing"):
        validation = validate_performance_config(get_performance_config(environment, environ={}))
        assert validation.is_valid
        assert validation.warnings == ()
        validation.raise_if_invalid()


def test_rules_about_several_fields_wait_until_each_is_right() -> None:
    found = errors_of({"http": {"metrics_path": "/health", "health_path": "health"}})
    assert [issue.path for issue in found] == ["http.health_path"]


def test_paths_that_are_switched_off_hide_nothing() -> None:
    assert errors_of({"http": {"health_path": None, "metrics_path": "/health"}}) == ()


def test_paths_that_only_begin_alike_do_not_overlap() -> None:
    assert errors_of({"http": {"metrics_path": "/health-metrics"}}) == ()


def test_an_access_function_is_accepted_and_kept() -> None:
    def allow(request: object) -> bool:
        return True

    config = get_performance_config(overrides={"access": {"access": allow, "metrics_access": allow}}, environ={})
    assert config.access.access is allow
    assert config.access.metrics_access is allow
    assert validate_performance_config(config).is_valid


WARNED: dict[str, tuple[dict[str, Any], str]] = {
    "token in code": ({"access": {"token": SECRET}}, "access.token"),
    "metrics token in code": ({"access": {"metrics_token": SECRET}}, "access.metrics_token"),
    "long retention in memory": ({"store": {"mode": "memory", "retention": 604_800}}, "store.retention"),
    "directory that memory ignores": ({"store": {"mode": "memory", "directory": "/var/lib/shop"}}, "store.directory"),
    "debug logging in production": ({"performance": {"debug_logging": True}}, "performance.debug_logging"),
    "buttons that nobody sees": ({"access": {"access": "off", "actions": True}}, "access.actions"),
}


@pytest.mark.parametrize("kind", WARNED)
def test_a_risky_setting_is_valid_with_a_warning(kind: str) -> None:
    settings, path = WARNED[kind]
    validation = validate_performance_config(settings)
    assert validation.is_valid
    assert [issue.path for issue in validation.warnings] == [path]
    assert is_in_three_sentences(str(validation.warnings[0]))
    assert "hunter2" not in str(validation.warnings[0])


def test_a_day_of_history_in_memory_is_no_reason_to_warn() -> None:
    assert validate_performance_config({"store": {"mode": "memory", "retention": 86_400}}).warnings == ()


def test_a_config_made_by_hand_is_warned_about_too() -> None:
    config = PerformanceConfig(access=AccessSettings(token=SECRET))
    assert [issue.path for issue in validate_performance_config(config).warnings] == ["access.token"]


def test_a_token_from_the_environment_is_no_reason_to_warn() -> None:
    config = get_performance_config("production", environ={"PERFKIT_TOKEN": SECRET})
    assert config.access.token == SECRET
    assert validate_performance_config(config).warnings == ()

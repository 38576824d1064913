"""Django's system checks say what is wrong with the setting PERFKIT and with the place of the middleware."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import django_site
import pytest
from bad_settings import BAD
from django.core import checks
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import CommandError, call_command
from django_site import MIDDLEWARE, configured

from perfkit.system import PerformanceSystem

TOKEN = "a-token-for-the-checks"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("PERFKIT_TOKEN", "PERFKIT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    return


def found(*, deploy: bool = False, **changes: Any) -> list[checks.CheckMessage]:
    with configured(**changes):
        return run_checks(tags=["perfkit"], include_deployment_checks=deploy)


def ids(messages: list[checks.CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_there_are_at_least_25_kinds_of_bad_settings() -> None:
    assert len(BAD) >= 25


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_setting_is_an_error_with_a_hint(kind: str) -> None:
    settings, _, words = BAD[kind]
    (message,) = found(PERFKIT=settings)
    assert (message.id, message.level, message.obj) == ("perfkit.E001", checks.ERROR, "PERFKIT")
    assert message.hint
    assert words in f"{message.msg} {message.hint}"
    assert "hunter2" not in str(message)


@pytest.mark.parametrize("kind", BAD)
def test_a_server_does_not_start_with_a_bad_setting(kind: str) -> None:
    settings, _, words = BAD[kind]
    with configured(PERFKIT=settings), pytest.raises(ImproperlyConfigured) as raised:
        WSGIHandler()
    assert words in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_all_bad_settings_are_told_at_once() -> None:
    messages = found(PERFKIT={"cash": {}, "store": {"retention": -5}, "health": {"enabled": 1}})
    assert ids(messages) == ["perfkit.E001"] * 3


@pytest.mark.parametrize("value", [["service", "shop"], "shop", 5, PerformanceSystem, object()])
def test_a_setting_that_is_no_dict_is_an_error(value: object) -> None:
    (message,) = found(PERFKIT=value)
    assert message.id == "perfkit.E001"
    assert "must be a dict" in message.msg


def test_a_bad_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_STORE__RETENTION", "much")
    (message,) = found(PERFKIT={})
    assert message.id == "perfkit.E001"
    assert "PERFKIT_STORE__RETENTION" in f"{message.msg} {message.hint}"


@pytest.mark.parametrize("value", [{}, None, {"service": "shop", "environment": "testing"}])
def test_good_settings_and_the_right_place_are_worth_no_word(value: object) -> None:
    assert found(PERFKIT=value) == []


def test_without_the_setting_there_is_nothing_to_say() -> None:
    with configured():
        from django.conf import settings

        del settings.PERFKIT
        assert run_checks(tags=["perfkit"]) == []


def test_a_system_of_ones_own_is_checked_too() -> None:
    system = PerformanceSystem({"access": {"token": TOKEN}}, environment="testing")
    assert ids(found(PERFKIT=system)) == ["perfkit.W004"]


def test_a_missing_middleware_is_a_warning() -> None:
    (message,) = found(MIDDLEWARE=MIDDLEWARE[1:])
    assert (message.id, message.level, message.obj) == ("perfkit.W001", checks.WARNING, "MIDDLEWARE")
    assert message.hint is not None
    assert message.hint.startswith("Put it first")


def test_a_middleware_that_is_not_the_first_is_a_warning() -> None:
    (message,) = found(MIDDLEWARE=[*MIDDLEWARE[1:4], MIDDLEWARE[0], *MIDDLEWARE[4:]])
    assert message.id == "perfkit.W002"
    assert "number 4" in message.msg


def test_a_middleware_that_is_there_twice_is_a_warning() -> None:
    (message,) = found(MIDDLEWARE=[MIDDLEWARE[0], "perfkit_django.middleware.PerfkitMiddleware"])
    assert message.id == "perfkit.W003"


def test_a_middleware_of_ones_own_that_is_one_of_ours_counts() -> None:
    assert found(MIDDLEWARE=["django_pages.OwnPerfkit", *MIDDLEWARE[1:]]) == []


def test_a_middleware_that_cannot_be_imported_is_django_s_affair() -> None:
    assert found(MIDDLEWARE=[MIDDLEWARE[0], "no.such.thing", "django_pages.nothing", ""]) == []


STAFF = {"access": {"access": "staff"}}


def test_staff_access_needs_the_apps_that_know_staff() -> None:
    (message,) = found(PERFKIT=STAFF, INSTALLED_APPS=["perfkit_django", "django.contrib.contenttypes"])
    assert (message.id, message.level) == ("perfkit.E002", checks.ERROR)
    assert "django.contrib.auth and django.contrib.sessions are not in INSTALLED_APPS" in message.msg
    with (
        configured(PERFKIT=STAFF, INSTALLED_APPS=["perfkit_django"]),
        pytest.raises(ImproperlyConfigured, match="nobody can be known as staff"),
    ):
        WSGIHandler()


def test_staff_access_with_its_apps_is_fine() -> None:
    assert found(PERFKIT=STAFF) == []


def test_staff_may_not_be_asked_for_the_metrics() -> None:
    (message,) = found(PERFKIT={"access": {"metrics_access": "staff"}})
    assert message.id == "perfkit.E001"


def test_a_risky_setting_is_a_warning() -> None:
    (message,) = found(PERFKIT={"access": {"token": TOKEN}})
    assert message.id == "perfkit.W004"
    assert TOKEN not in str(message)


def test_what_should_not_be_deployed_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ids(found(deploy=True, PERFKIT={"environment": "development"})) == ["perfkit.W005", "perfkit.W006"]
    monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
    assert found(deploy=True, PERFKIT={"environment": "production"}) == []
    assert ids(found(deploy=True, PERFKIT={"cash": 1})) == ["perfkit.E001"]


def test_debug_is_development() -> None:
    assert ids(found(deploy=True, PERFKIT={}, DEBUG=True))[0] == "perfkit.W005"


def test_a_middleware_without_the_app_says_what_to_do() -> None:
    apps = [name for name in django_site.settings.INSTALLED_APPS if name != "perfkit_django"]
    with configured(INSTALLED_APPS=apps), pytest.raises(ImproperlyConfigured, match='Add "perfkit_django"'):
        WSGIHandler()


def manage(*arguments: str) -> str:
    output = io.StringIO()
    call_command("perfkit", *arguments, stdout=output)
    return output.getvalue()


def test_manage_py_perfkit_check_says_that_all_is_well() -> None:
    assert manage("check") == "perfkit: everything is in order.\n"


def test_manage_py_perfkit_check_says_what_is_not() -> None:
    with configured(MIDDLEWARE=MIDDLEWARE[1:]):
        said = manage("check")
    assert "perfkit.W001" in said
    assert said.endswith("perfkit: 1 warnings.\n")
    with configured(PERFKIT={"cash": 1}), pytest.raises(CommandError, match="1 of perfkit's settings") as raised:
        manage("check")
    assert raised.value.returncode == 2


def test_manage_py_perfkit_check_knows_what_should_not_be_deployed() -> None:
    assert "perfkit.W006" in manage("check", "--deploy")


def test_manage_py_perfkit_config_shows_each_setting_and_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
    monkeypatch.setenv("PERFKIT_STORE__RETENTION", "86400")
    with configured(PERFKIT={"service": "shop"}):
        lines = manage("config").splitlines()
    assert "service = 'shop'  (settings)" in lines
    assert any(line.startswith("store.retention = 86400") and "PERFKIT_STORE__RETENTION" in line for line in lines)
    assert any(line.startswith("access.token = <hidden>") for line in lines)
    assert TOKEN not in "".join(lines)


def test_manage_py_perfkit_config_says_what_cannot_be_used() -> None:
    with configured(PERFKIT={"cash": 1}), pytest.raises(CommandError, match="cash"):
        manage("config")

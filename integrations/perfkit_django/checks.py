"""System checks: what is wrong with the setting `PERFKIT` and with the place of the middleware.

The last sentence of each message says what to do: it is the hint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from perfkit_django.middleware import PerfkitMiddleware
from perfkit_django.settings import NAME, given, missing_apps, staff_needs, validate

__all__ = ["TAG", "check_deployment", "check_middleware", "check_settings", "register"]

TAG = "perfkit"

MISSING = (
    "perfkit_django.PerfkitMiddleware is not in MIDDLEWARE. Without it nothing is measured, and perfkit's paths are "
    "not answered. Put it first in MIDDLEWARE, or take perfkit_django out of INSTALLED_APPS."
)
NOT_FIRST = (
    "perfkit_django.PerfkitMiddleware is number {0} in MIDDLEWARE. What comes before it is not measured, and may "
    "redirect, refuse or look up a session for perfkit's own paths. Put it first in MIDDLEWARE."
)
TWICE = (
    "perfkit_django.PerfkitMiddleware is in MIDDLEWARE {0} times. Only the first one measures. "
    "Leave the first and take the others out."
)
DEVELOPMENT = (
    "perfkit runs in the environment development. There this very machine sees the dashboard without a token, and "
    "behind a plain proxy every visitor may look local. Set PERFKIT_ENVIRONMENT or the environment to production."
)
NO_TOKEN = (
    "perfkit has no token of yours. One is made when the server starts, so nobody who does not read the server's files "
    "gets to the dashboard and the metrics. Set the environment variable PERFKIT_TOKEN to 16 characters or more."
)


def register() -> None:
    """Register all checks; called again it does nothing."""
    checks.register(check_settings, TAG)
    checks.register(check_middleware, TAG)
    checks.register(check_deployment, TAG, deploy=True)


def check_settings(app_configs: Sequence[Any] | None = None, **named: Any) -> list[checks.CheckMessage]:
    """Return an error for each setting that cannot be used, and a warning for each that is probably not meant."""
    found = given()
    _, validation = validate(found)
    missing = missing_apps(found)
    return [
        *(_message(checks.Error, issue.message, "E001") for issue in validation.errors),
        *(_message(checks.Error, staff_needs(missing), "E002") for _ in missing[:1]),
        *(_message(checks.Warning, issue.message, "W004") for issue in validation.warnings),
    ]


def check_middleware(app_configs: Sequence[Any] | None = None, **named: Any) -> list[checks.CheckMessage]:
    """Return a warning where the middleware is missing, not the first, or more than once."""
    places = [number for number, name in enumerate(settings.MIDDLEWARE, 1) if _is_ours(name)]
    if not places:
        return [_message(checks.Warning, MISSING, "W001", about="MIDDLEWARE")]
    found = []
    if places[0] != 1:
        found.append(_message(checks.Warning, NOT_FIRST.format(places[0]), "W002", about="MIDDLEWARE"))
    if len(places) > 1:
        found.append(_message(checks.Warning, TWICE.format(len(places)), "W003", about="MIDDLEWARE"))
    return found


def check_deployment(app_configs: Sequence[Any] | None = None, **named: Any) -> list[checks.CheckMessage]:
    """Return what should not be deployed, though it works."""
    config, validation = validate(given())
    if not validation.is_valid:
        return []
    found = []
    if config.environment == "development":
        found.append(_message(checks.Warning, DEVELOPMENT, "W005"))
    if config.access.token is None and config.access.access in ("auto", "token"):
        found.append(_message(checks.Warning, NO_TOKEN, "W006"))
    return found


def _is_ours(name: str) -> bool:
    try:
        found = import_string(name)
    except Exception:  # noqa: BLE001 - a middleware that cannot be imported is Django's to complain about
        return False
    return isinstance(found, type) and issubclass(found, PerfkitMiddleware)


def _message(kind: Any, message: str, number: str, *, about: str = NAME) -> checks.CheckMessage:
    """Return a check's message of three sentences, the last of which is the hint."""
    what, _, hint = message.rpartition(". ")
    made: checks.CheckMessage = kind(f"{what}.", hint=hint, obj=about, id=f"{TAG}.{number}")
    return made

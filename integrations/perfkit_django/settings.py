"""What the setting `PERFKIT` says: settings of perfkit, or a system, and whether Django's staff may come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from perfkit.config import PerformanceConfig, Validation, validate_performance_config
from perfkit.config.cautions import cautions
from perfkit.config.loader import load
from perfkit.config.sources import config_sources

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["NAME", "STAFF", "Given", "given", "missing_apps", "staff_needs", "usable", "validate"]

NAME = "PERFKIT"
"""The name of the Django setting."""

STAFF = "staff"
"""The word of `access.access` that only Django has: who is logged in as staff sees the dashboard, too."""

STAFF_APPS = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions")


class Given(NamedTuple):
    """What the setting `PERFKIT` says.

    Attributes:
        values: Settings as perfkit knows them; where the setting is no dict, what it is.
        system: A system of the user's, which he stops; None: one is made.
        is_staff_allowed: True where staff may see the dashboard without a token.
    """

    values: Any
    system: PerformanceSystem | None = None
    is_staff_allowed: bool = False


def given() -> Given:
    """Read the setting as it is now."""
    values = getattr(settings, NAME, None)
    if values is None:
        return Given({})
    if not isinstance(values, Mapping):
        from perfkit.system import PerformanceSystem

        return Given({}, system=values) if isinstance(values, PerformanceSystem) else Given(values)
    access = values.get("access")
    if not isinstance(access, Mapping) or access.get("access") != STAFF:
        return Given(values)
    others = {key: value for key, value in access.items() if key != "access"}
    return Given({**values, "access": others}, is_staff_allowed=True)


def validate(found: Given) -> tuple[PerformanceConfig, Validation]:
    """Return the config that *found* and the environment variables make, and everything that is wrong with it."""
    if found.system is not None:
        return found.system.config, validate_performance_config(found.system.config)
    config, issues = load(PerformanceConfig, settings=found.values, debug=settings.DEBUG)
    return config, Validation(tuple(issues), () if issues else tuple(cautions(config, config_sources(config))))


def missing_apps(found: Given) -> list[str]:
    """Return the apps that staff access needs and that are not installed."""
    from django.apps import apps

    return [name for name in STAFF_APPS if found.is_staff_allowed and not apps.is_installed(name)]


def usable() -> Given:
    """Return what the setting says.

    Raises:
        ImproperlyConfigured: It cannot be used; the message lists everything.
    """
    found = given()
    errors = [issue.message for issue in validate(found)[1].errors]
    if missing := missing_apps(found):
        errors.append(staff_needs(missing))
    if errors:
        lines = "".join(f"\n- {error}" for error in errors)
        raise ImproperlyConfigured(f"The setting {NAME} cannot be used ('manage.py check' says the same):{lines}")
    return found


def staff_needs(missing: list[str]) -> str:
    """Return the error of staff access without its apps."""
    return (
        f"access.access is 'staff', but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in "
        "INSTALLED_APPS. Without them nobody can be known as staff. "
        'Add them, or set access.access to "auto" or "token".'
    )

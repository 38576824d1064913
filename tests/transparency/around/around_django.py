"""Puts perfkit around every handler of Django's suite: first in `MIDDLEWARE`, whatever a test makes that be.

The app is installed beside whatever a test installs. Only the handler and our own checks see our middleware in the
settings: tests read and set that list.
"""

from __future__ import annotations

from typing import Any

import witness
from django.apps import registry
from django.core.handlers import base
from django.test import SimpleTestCase

from perfkit_django import checks

APP = "perfkit_django"
MIDDLEWARE = "perfkit_django.PerfkitMiddleware"

witness.watch()

populate, install, restrict = registry.Apps.populate, registry.Apps.set_installed_apps, registry.Apps.set_available_apps


class HandlersSettings:
    """The settings, with our middleware first."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._settings, name)
        return [MIDDLEWARE, *value] if name == "MIDDLEWARE" else value


def _with_ours(self: registry.Apps, installed: Any) -> Any:
    return [*installed, APP] if self is registry.apps and APP not in installed else installed


def populated(self: registry.Apps, installed_apps: Any = None) -> None:
    populate(self, installed_apps if installed_apps is None else _with_ours(self, installed_apps))


def installed(self: registry.Apps, installed: Any) -> None:
    install(self, _with_ours(self, installed))


def restricted(self: registry.Apps, available: Any) -> None:
    restrict(self, {*available, APP})


registry.Apps.populate = populated
registry.Apps.set_installed_apps = installed
registry.Apps.set_available_apps = restricted
base.settings = checks.settings = HandlersSettings(base.settings)


def cleaned_up(cls: type[SimpleTestCase]) -> None:
    """Write at the end of each class: worker processes are ended without a word."""
    clean_up(cls)
    witness.tally_settled(f"{cls.__module__}.{cls.__qualname__}")


clean_up = SimpleTestCase.doClassCleanups.__func__  # type: ignore[attr-defined]  # a class method
SimpleTestCase.doClassCleanups = classmethod(cleaned_up)  # type: ignore[assignment]

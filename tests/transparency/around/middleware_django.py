"""Puts perfkit around every handler of Django's suite: first in `MIDDLEWARE`, whatever a test makes that be.

Only the handler and our own checks see our middleware in the settings: tests read and set that list.
"""

from __future__ import annotations

from typing import Any

import witness
from django.core.handlers import base
from django.test import SimpleTestCase

from perfkit_django import checks

MIDDLEWARE = "perfkit_django.PerfkitMiddleware"

witness.watch()


class HandlersSettings:
    """The settings, with our middleware first."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._settings, name)
        return [MIDDLEWARE, *value] if name == "MIDDLEWARE" else value


base.settings = checks.settings = HandlersSettings(base.settings)


def cleaned_up(cls: type[SimpleTestCase]) -> None:
    """Write at the end of each class: worker processes are ended without a word."""
    clean_up(cls)
    witness.tally_settled(f"{cls.__module__}.{cls.__qualname__}")


clean_up = SimpleTestCase.doClassCleanups.__func__  # type: ignore[attr-defined]  # a class method
SimpleTestCase.doClassCleanups = classmethod(cleaned_up)  # type: ignore[assignment]

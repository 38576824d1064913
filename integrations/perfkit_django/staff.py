"""Django's staff as visitors of the dashboard: the session is looked up for its paths alone, and never changed.

The visitor's session cookie is read as Django's own middlewares read it, without running them: so nothing is saved,
renewed or deleted, and no cookie is set.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest

from perfkit.config import PerformanceConfig
from perfkit.core.message import Request
from perfkit.http.front import Front

__all__ = ["StaffFront", "is_staff"]


def is_staff(request: HttpRequest) -> bool:
    """Return True if *request* comes from somebody who is logged in, active and staff. Asks the database."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return False
    from django.contrib.auth import get_user

    session: Any = import_module(settings.SESSION_ENGINE).SessionStore(key)
    session.cycle_key = session.flush = _leave_as_it_is
    asked: Any = HttpRequest()
    asked.META, asked.COOKIES, asked.session = request.META, request.COOKIES, session
    user: Any = get_user(asked)
    return user.is_active is True and getattr(user, "is_staff", False) is True


def _leave_as_it_is() -> None:
    """Stand for what Django does to a session that was signed with an older key; the visitor would lose it here."""


def _let_in(request: Request) -> bool:
    return True


class StaffFront(Front):
    """The front that staff meets: the system's own, with the gate open."""

    __slots__ = ()

    @property
    def config(self) -> PerformanceConfig:
        """The settings in force, with the access of those who are known already."""
        config = super().config
        return msgspec.structs.replace(config, access=msgspec.structs.replace(config.access, access=_let_in))

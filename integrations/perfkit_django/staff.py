"""Django's staff as visitors of the dashboard: the session is looked up for its paths alone, and never changed.

The visitor's session cookie is read as Django's own middlewares read it, without running them: so nothing is saved,
renewed or deleted, and no cookie is set. Staff may look. Superusers may act, and who else has the permission `ACT`.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from perfkit.http.access import Decision

__all__ = ["ACT", "staff_decision"]

ACT = "perfkit_django.act"
"""The permission to use the dashboard's buttons; `has_perm` says yes to it for each superuser."""


def staff_decision(request: HttpRequest, *, has_actions: bool) -> Decision | None:
    """Return what somebody who is logged in, active and staff may do; None for all others. Asks the database.

    Args:
        has_actions: True where the service has any: only then are permissions looked up.
    """
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    from django.contrib.auth import get_user

    session: Any = import_module(settings.SESSION_ENGINE).SessionStore(key)
    session.cycle_key = session.flush = _leave_as_it_is
    asked: Any = HttpRequest()
    asked.META, asked.COOKIES, asked.session = request.META, request.COOKIES, session
    user: Any = get_user(asked)
    if user.is_active is not True or getattr(user, "is_staff", False) is not True:
        return None
    may_act = has_actions and _may_act(user)
    # What a form must bring is bound to this session; the cookie's own value stays out of it.
    bound = hashlib.sha256(f"perfkit staff 1\n{key}".encode("utf-8", "backslashreplace")).hexdigest()
    reason = "Django staff who may act" if may_act else "Django staff"
    return Decision(allowed=True, reason=reason, may_act=may_act, session=bound)


def _may_act(user: Any) -> bool:
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and has_perm(ACT) is True


def _leave_as_it_is() -> None:
    """Stand for what Django does to a session that was signed with an older key; the visitor would lose it here."""

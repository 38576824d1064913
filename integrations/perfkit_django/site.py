"""One Django site and its system: what answers our own paths, to strangers, to who brings the token, and to staff."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpResponse

from perfkit.core.message import Request, Response
from perfkit.http.attachment import AppFacts, Attachment
from perfkit_django.answers import hide_token, request_of, response_of
from perfkit_django.settings import Given

if TYPE_CHECKING:
    from perfkit.http.access import Decision
    from perfkit.system import PerformanceSystem

__all__ = ["Site"]


class Site(Attachment):
    """One system and what serves its paths to Django. Thread-safe.

    Attributes:
        is_staff_allowed: True where staff may see the dashboard without a token.
        dashboard: The dashboard's path, once the site is served, where staff may see it; else empty.
    """

    _has_actions = False

    def __init__(self, found: Given) -> None:
        """Take *found*, which is usable."""
        super().__init__("django", system=found.system, settings=found.values)
        self.is_staff_allowed = found.is_staff_allowed
        self.dashboard = ""

    def system_now(self) -> PerformanceSystem:
        """Return the system, made now if it was not yet."""
        return self.system(_facts)

    def attach_now(self) -> bool:
        """Make what serves the site, if it is not made yet; return False if that failed."""
        return self.attach(_facts)

    def answer(self, request: Any) -> HttpResponse | None:
        """Answer *request* to one of our own paths; None if it is refused: the app shall answer."""
        made = None
        with self.errors.guarded(self.adapter, "could not answer"):
            asked = request_of(request)
            known = self._known(request) if self._asks_staff(asked) else None
            made = self._made(request, asked, self.respond(asked, request.read, known=known))
        return made

    async def aanswer(self, request: Any) -> HttpResponse | None:
        """Do what `answer` does, in the running loop; only the look-up of a session, if there is one, has a thread."""
        made = None
        with self.errors.guarded(self.adapter, "could not answer"):
            asked = request_of(request)
            known = await sync_to_async(self._known)(request) if self._asks_staff(asked) else None
            response = await self.arespond(asked, sync_to_async(request.read), known=known)
            made = self._made(request, asked, response)
        return made

    def _made(self, request: Any, asked: Request, response: Response | None) -> HttpResponse | None:
        if response is not None or self.holds_secret(asked):
            hide_token(request)
        return None if response is None else response_of(response)

    def _make(self, system: PerformanceSystem) -> None:
        if self.is_staff_allowed:
            from perfkit.http.dashboard.actions import are_enabled

            http = system.config.http
            self.dashboard = f"{http.prefix}{http.dashboard_path}" if http.dashboard_path else ""
            self._has_actions = are_enabled(system.config)
        super()._make(system)

    def _asks_staff(self, asked: Request) -> bool:
        """True for a path of the dashboard where staff may see it; no other path ever touches a session."""
        mount = self.dashboard
        return bool(mount) and (asked.path == mount or asked.path.startswith(f"{mount}/"))

    def _known(self, request: Any) -> Decision | None:
        """Return what staff may do; None for all others."""
        known = None
        with self.errors.guarded(self.adapter, "could not look up who is logged in"):
            from perfkit_django.staff import staff_decision

            known = staff_decision(request, has_actions=self._has_actions)
        return known


def _facts() -> AppFacts:
    return AppFacts(debug=bool(settings.DEBUG), origin=_origin())


def _origin() -> str:
    """Return the file of the settings, or else of the URLs: the same in every worker, another in another site."""
    for name in (getattr(settings, "SETTINGS_MODULE", None), getattr(settings, "ROOT_URLCONF", None)):
        module = sys.modules.get(name) if isinstance(name, str) else name
        file = getattr(module, "__file__", None)
        if file:
            return str(file)
    return ""

"""The Django side of an app's life: its settings, its system, and our own paths.

Django keeps one configuration of an app in a process; that one has the `Lifecycle`, however many handlers a process
makes (each test client makes one). Nothing starts before the first exchange, and after a fork each child begins anew:
the parent of ``runserver``, the master of gunicorn and management commands never start anything.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from perfkit.http.queueing import variable_of
from perfkit_django.answers import base_url
from perfkit_django.routes import view_of
from perfkit_django.settings import given, usable, validate
from perfkit_django.sightings import describer
from perfkit_django.site import Site
from perfkit_django.sql import capture, forget

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from perfkit.store import Row, Store
    from perfkit.system import PerformanceSystem

__all__ = ["Hot", "Lifecycle", "lifecycle"]

Hot: TypeAlias = "tuple[frozenset[str], Store, dict[Hashable, Row], bool, Site, PerformanceSystem]"


class Lifecycle:
    """What of the setting `PERFKIT` lives longer than one exchange. Thread-safe.

    Attributes:
        hot: What the hot path looks up at once: our own paths, the store, the series of the kinds of exchanges, whether
            a proxy tells the scheme, the site and its system. None before the first exchange, after a setting changed,
            before an exchange that is to be looked at, and always where each is, as in development.
        parts: The same, but None only where an exchange has to go through `begin`.
        epoch: Another object after each change of the setting: who keeps something of the site compares it.
    """

    hot: Hot | None = None
    parts: Hot | None = None

    def __init__(self) -> None:
        """Do nothing yet."""
        self._site: Site | None = None
        self._described: Site | None = None
        self.epoch = object()
        self._lock = threading.Lock()

    @property
    def site(self) -> Site:
        """What the setting makes, made when first asked for.

        Raises:
            ImproperlyConfigured: The setting cannot be used.
        """
        with self._lock:
            if self._site is None:
                self._site = Site(usable())
            return self._site

    @property
    def dashboard(self) -> str:
        """The path of the dashboard that staff sees without a token; empty where there is none, or it is not served."""
        site = self._site
        return site.dashboard if site is not None else ""

    def prepare(self) -> None:
        """Have wrong settings told now, when the server starts, not at the first exchange."""
        _ = self.site

    def surround(self, get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return *get_response* with what the setting wants around it: the response cache, the header with the load."""
        from perfkit_django.response_cache.serving import with_cache

        return _with_report(with_cache(get_response, self), self)

    def renew(self) -> None:
        """Forget everything, as the setting has changed: the next exchange has a system of its own."""
        with self._lock:
            site, self._site = self._site, None
            self.cool()
            self.epoch = object()
        forget()
        if site is not None:
            site.stop()

    def cool(self) -> None:
        """Have the next exchange be as the first: it is looked at."""
        self.hot = self.parts = None

    def begin(self, request: Any) -> Hot | None:
        """At the first exchange: start, and tell the developer where the dashboard is; None: go on without us.

        Now and then another exchange comes here, to be looked at.
        """
        site = self.site
        if not site.attach_now():
            return None
        base = ""
        with site.errors.guarded(site.adapter, "could not tell the address"):
            base = base_url(request)
        site.begin_serving(base)
        with site.errors.guarded(site.adapter, "could not hook into the database connections"):
            capture(site.instrumentation.system)
        recorder, is_proxied = site.instrumentation, settings.SECURE_PROXY_SSL_HEADER is not None
        parts = (site.paths, recorder.system.store, recorder.rows, is_proxied, site, recorder.system)
        self.parts, self.hot = parts, None if site.keeping.listens else parts
        if self._described is not site:
            self._described = site
            recorder.system.loops.describe_with(describer(recorder.system))
            recorder.system.handlers.find_with(view_of)
        with site.errors.guarded(site.adapter, "could not look how long a request waited"):
            recorder.queue_time.look(variable_of(request.META))
            recorder.queue_time.watch(self, Lifecycle.cool)
        return parts


def _with_report(get_response: Callable[[Any], Any], life: Lifecycle) -> Callable[[Any], Any]:
    """Return *get_response* such that its responses tell the service's load, where the setting wants that."""
    wanted = validate(given())[0].load_balancer
    if not wanted.enabled or wanted.report_header == "off":
        return get_response

    def told(response: Any) -> Any:
        """Add the header to *response*; one of the site's own stays alone."""
        header = life.site.load_header
        found = None if header is None else header()
        if found is not None and not response.has_header(found[0]):
            response[found[0]] = found[1]
        return response

    async def areporting(request: Any) -> Any:
        return told(await get_response(request))

    return areporting if iscoroutinefunction(get_response) else lambda request: told(get_response(request))


def lifecycle() -> Lifecycle:
    """Return the one of this process.

    Raises:
        ImproperlyConfigured: The app is not installed.
    """
    try:
        life: Lifecycle = apps.get_app_config("perfkit_django").life  # type: ignore[attr-defined]  # ours
    except LookupError:
        raise ImproperlyConfigured(
            "perfkit_django is used, in MIDDLEWARE or CACHES, but it is not in INSTALLED_APPS. "
            "The app keeps the system of the process and tells what is wrong with the settings. "
            'Add "perfkit_django" to INSTALLED_APPS.'
        ) from None
    return life

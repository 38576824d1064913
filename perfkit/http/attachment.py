"""What an adapter holds for its app: the system, made when it is first needed, and all that serves our own paths.

What needs the running app (is it in debug mode, where does it stand) is only known at its first exchange, and importing
an adapter is to cost little: so nothing here is made, nor what makes and serves pages imported, before that. An adapter
stops the system it made; one that it was given is left to its owner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from perfkit.config import get_performance_config
from perfkit.core.errors import ConfigurationError, ErrorLog
from perfkit.core.locks import OwnLock
from perfkit.core.message import Request, Response
from perfkit.core.spans import Exchange
from perfkit.health.accesslog import ProbeFilter

if TYPE_CHECKING:
    from perfkit.cache.http import HttpCache
    from perfkit.http.access import Decision
    from perfkit.http.front import Front
    from perfkit.http.instrumentation import Instrumentation
    from perfkit.http.recording.keeping import Keeping
    from perfkit.http.routes import Routes
    from perfkit.system import PerformanceSystem

__all__ = ["RETRY_AFTER", "AppFacts", "Attachment", "LoadHeader", "error_name"]

RETRY_AFTER = 60.0
"""Seconds for which an app that we could not attach to is served without another attempt."""


LoadHeader: TypeAlias = "Callable[[], tuple[str, str] | None]"


class AppFacts(NamedTuple):
    """What an adapter knows of the running app.

    Attributes:
        debug: True where the framework says so; the environment is then `development`, if nobody set another.
        origin: The file that the app stands in: the same in every worker, another in another app of the same service.
    """

    debug: bool = False
    origin: str = ""


class Attachment:
    """One app and its system, as an adapter sees them. Thread-safe.

    Attributes:
        adapter: The adapter's word, under which its internal errors are counted.
        settings: What the system is made with, checked already.
        is_attached: True once the system is made and the fields below are set.
        errors: Where internal errors end.
        instrumentation: Records exchanges.
        keeping: Offers exchanges to the flight recorder, and tells who may ask for one.
        paths: Our own paths, to be asked with ``in`` for each request of the app.
        http_cache: The response cache, None where the settings name no route for it.
        first: Held by the first request of threads while what the settings want is put around the app.
        load_header: Returns the header that tells the service's load, or None as long as there is none to tell; itself
            None where the settings do not want it.
    """

    is_attached = False
    instrumentation: Instrumentation
    keeping: Keeping
    paths: frozenset[str] = frozenset()
    http_cache: HttpCache | None = None
    load_header: LoadHeader | None = None
    _front: Front
    _routes: Routes

    def __init__(
        self, adapter: str, *, system: PerformanceSystem | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Check *settings* now; make the system later, unless *system* is given.

        Raises:
            ConfigurationError: Some settings cannot be used; the message lists all of them. Or a system was given and
                settings too, or what was given is no system.
        """
        self.adapter, self.settings = adapter, settings or {}
        self._given = self._system = system
        self.errors = getattr(system, "errors", None) or ErrorLog()
        self._retry_at = 0.0
        self._is_announced = self._is_cache_taken = self._is_header_taken = False
        self._quiet: ProbeFilter | None = None
        self._lock, self.first = OwnLock(), OwnLock()
        if system is None:
            get_performance_config(settings=self.settings)
        else:
            _check_given(system, self.settings)

    def system(self, look: Callable[[], AppFacts] = AppFacts) -> PerformanceSystem:
        """Return the system; made now if it was not yet, for the app that *look* tells of."""
        if self._system is None:
            with self._lock:
                if self._system is None:
                    from perfkit.system import PerformanceSystem

                    debug, origin = look()
                    config = get_performance_config(settings=self.settings, debug=debug)
                    self._system = PerformanceSystem(config, origin=origin)
        return self._system

    def attach(self, look: Callable[[], AppFacts] = AppFacts) -> bool:
        """Make what serves the app; return False if that failed: the app goes on without us, for `RETRY_AFTER`.

        Args:
            look: Tells of the app; called once, here. What it raises is an internal error as any other.
        """
        if self.is_attached:
            return True
        if monotonic() < self._retry_at:
            return False
        with self._lock:
            try:
                if not self.is_attached:
                    facts = look()
                    self._make(self.system(lambda: facts))
            except Exception as error:  # noqa: BLE001 - the app must be served whatever happens to us
                self.errors.report(self.adapter, error, doing="could not attach to the app")
                self._retry_at = monotonic() + RETRY_AFTER
        return self.is_attached

    def _make(self, system: PerformanceSystem) -> None:
        from perfkit.http.front import Front
        from perfkit.http.instrumentation import Instrumentation
        from perfkit.http.recording.keeping import Keeping
        from perfkit.http.routes import Routes

        self.errors = system.errors
        self.instrumentation = Instrumentation(system)
        self._front = Front(system)
        self._routes = Routes(self._front)
        self.paths = self._routes.paths
        self.keeping = Keeping(system, self._routes.admits, self._routes.aadmits)
        self.instrumentation.watch = self.keeping.watch
        with self.errors.guarded(self.adapter, "could not make the response cache"):
            self.http_cache = http_cache_of(system)
        self.load_header = load_header_of(system)
        self.is_attached = True

    def take_http_cache(self) -> HttpCache | None:
        """Return the response cache to the first who asks, to be put around the app; None to all others."""
        with self._lock:
            is_taken, self._is_cache_taken = self._is_cache_taken, True
        return None if is_taken else self.http_cache

    def take_load_header(self) -> LoadHeader | None:
        """Return `load_header` to the first who asks, to be put around the app; None to all others."""
        with self._lock:
            is_taken, self._is_header_taken = self._is_header_taken, True
        return None if is_taken else self.load_header

    def begin_serving(self, base: str) -> None:
        """At the first exchange of a process: start, and tell the developer once where the dashboard is.

        Args:
            base: The URL that our paths lie below; empty if the server has no address.
        """
        with self.errors.guarded(self.adapter, "could not start"):
            self.instrumentation.ensure_started()
            if not self._is_announced:
                self._is_announced = True
                self._front.announce(base)
                self._quieten(base)

    def _quieten(self, base: str) -> None:
        """Keep probes and scrapes out of the server's access log, unless they are wanted there."""
        if not self.instrumentation.system.config.http.log_probes:
            self._quiet = ProbeFilter(self._routes.probes, base)
            self._quiet.add_to_loggers(self)

    def respond(
        self, request: Request, read: Callable[[int], bytes] | None = None, *, known: Decision | None = None
    ) -> Response | None:
        """Answer *request* to one of our `paths`; None if it is refused: the app shall answer. Never raises.

        Args:
            read: Returns so many bytes of the body, where a form is wanted.
            known: What the framework itself says of the visitor, for the dashboard.
        """
        response = None
        with self.errors.guarded(self.adapter, "could not answer"):
            self._ensure_started()
            response = self._routes.respond(request, read, known=known)
        return response

    async def arespond(
        self,
        request: Request,
        read: Callable[[int], Awaitable[bytes]] | None = None,
        *,
        known: Decision | None = None,
    ) -> Response | None:
        """Do what `respond` does, in the running loop."""
        response = None
        with self.errors.guarded(self.adapter, "could not answer"):
            self._ensure_started()
            self.instrumentation.system.loops.enter()
            response = await self._routes.arespond(request, read, known=known)
        return response

    def holds_secret(self, request: Request) -> bool:
        """Return True if the query of *request*, which was refused, brings a token that no access log may have."""
        return self._routes.holds_secret(request)

    def lose(self, error: Exception, spans: Exchange | None = None, *, is_begun: bool = False) -> None:
        """Count and log the internal *error* that an exchange met, and end it, unless it is sealed.

        Args:
            is_begun: True where the exchange was begun and shall be ended now.
        """
        self.errors.report(self.adapter, error, doing="an exchange could not be recorded")
        if is_begun and not (spans and spans[0]):
            with self.errors.guarded(self.adapter, "an exchange could not be ended"):
                self.instrumentation.abandon(spans)

    def stop(self) -> None:
        """Stop the system if it was made here; a given one is its owner's."""
        if self._quiet is not None:
            self._quiet.remove()
        if self._given is None and self._system is not None:
            with self.errors.guarded(self.adapter, "could not stop"):
                self._system.stop()

    def _ensure_started(self) -> None:
        with self.errors.guarded(self.adapter, "could not start"):
            if not self.instrumentation.system.is_running:
                self.instrumentation.ensure_started()


def http_cache_of(system: PerformanceSystem) -> HttpCache | None:
    """Return a response cache in *system*; None where the settings name no route for it and do not look for any."""
    settings = system.config.cache
    if not (settings.enabled and (settings.http_cache or settings.http.sample)):
        return None
    from perfkit.cache.http import HttpCache

    return HttpCache(system.cache)


def load_header_of(system: PerformanceSystem) -> LoadHeader | None:
    """Return what tells the header with the load of *system*; None where the settings do not want it."""
    settings = system.config.load_balancer
    if not settings.enabled or settings.report_header == "off":
        return None
    balancer = system.load_balancer
    return lambda: balancer.report_header


def _check_given(system: object, settings: Mapping[str, Any]) -> None:
    if not hasattr(system, "get_performance_dashboard"):
        raise ConfigurationError(
            f"The system given to perfkit is of type {type(system).__name__}. It must be a PerformanceSystem. "
            'Give one, or give settings by their names, such as service="shop".'
        )
    if settings:
        names = ", ".join(map(str, settings))
        raise ConfigurationError(
            f"perfkit was given a system and settings as well: {names}. A system has its settings already. "
            "Give them to PerformanceSystem, or leave system out."
        )


def error_name(error: BaseException) -> str:
    """Return the `error_type` of an exchange that *error* ended: its class with its module, unless that is built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

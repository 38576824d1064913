"""The system: builds the components, starts them, answers for them.

    system = PerformanceSystem({"service": "shop"})
    with system:
        print(system.get_performance_dashboard().status)

Nothing runs and no file is opened before `start`. Whoever made a system stops it; a system that is dropped or outlives
the interpreter stops itself.
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import msgspec

from perfkit import __version__, registry
from perfkit.advising import advising
from perfkit.components import TICK, Components
from perfkit.config import PerformanceConfig, get_performance_config, validate_performance_config
from perfkit.core.clock import Clock, SystemClock
from perfkit.core.code.handlers import Handlers
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.errors import ComponentNotFoundError, ErrorLog
from perfkit.core.events import Events
from perfkit.core.locks import OwnLock
from perfkit.core.loops import Loops
from perfkit.core.names import BUILD_INFO, ERRORS
from perfkit.core.scheduler import Scheduler
from perfkit.store import Store

if TYPE_CHECKING:
    from perfkit.advice import Targets
    from perfkit.alerts import AlertManager
    from perfkit.cache import CacheManager
    from perfkit.core.findings import Finding
    from perfkit.database import DatabaseOptimizer
    from perfkit.health import HealthChecker
    from perfkit.load_balancer import LoadBalancer
    from perfkit.metrics import MetricsCollector
    from perfkit.performance import PerformanceMonitor
    from perfkit.recorder import FlightRecorder
    from perfkit.snapshot import PerformanceDashboard

__all__ = ["PerformanceSystem"]

logger = logging.getLogger("perfkit")


class PerformanceSystem:
    """All components over one store. Thread-safe.

    Attributes:
        config: The settings in force.
        clock: The time that everything inside takes.
        errors: Where internal errors end.
        loops: The event loops that serve the app in this process.
        handlers: Which functions answer its routes.
    """

    def __init__(
        self,
        config: PerformanceConfig | Mapping[str, Any] | None = None,
        *,
        environment: str | None = None,
        clock: Clock | None = None,
        origin: str | None = None,
    ) -> None:
        """Build all components; nothing runs yet.

        Args:
            config: A config, a plain dictionary of settings, or None for the defaults.
            environment: `development`, `production` or `testing`, where *config* does not say.
            clock: Anything with `monotonic()` and `time()`.
            origin: Tells this system from others of the same service name in the same server; by default the file
                that builds it.

        Raises:
            ConfigurationError: Some settings cannot be used; the message lists all of them.
        """
        self.config = _resolve(config, environment)
        self.clock: Clock = clock or SystemClock()
        self.errors = ErrorLog(clock=self.clock)
        self.loops, self.handlers = Loops(self.errors), Handlers(self.errors)
        self._events = Events(self.errors, self.loops)
        self._scheduler = Scheduler(clock=self.clock, errors=self.errors)
        self.store = Store(
            self.config.store,
            service=self.config.service,
            origin=_caller() if origin is None else origin,
            clock=self.clock,
            errors=self.errors,
        )
        self.errors.count = _counter(self.store)
        self._context = Context(
            store=self.store,
            service=self.config.service,
            environment=self.config.environment,
            release=self.config.release,
            clock=self.clock,
            errors=self.errors,
            events=self._events,
            scheduler=self._scheduler,
            loops=self.loops,
            thresholds=msgspec.structs.asdict(self.config.performance.thresholds),
            targets=dict(self.config.performance.targets),
        )
        # The scheduler and the finalizer hold the parts, not the system, so that a dropped system is freed.
        self._scheduler.every(TICK, self.store.tick, name="store")
        self._components = Components(self.config, self._context)
        self._get_advisor = advising(self.config, self._context, self._components)
        self._lock = OwnLock()
        self._pid = self._stopped_pid = 0
        self._is_initialized = False
        self._finalizer = weakref.finalize(self, _release, self._scheduler, self._components, self.store, self.errors)

    def initialize(self, database: object | None = None) -> Self:
        """Give the components the *database* (a DB-API connection, a SQLAlchemy engine or a URL); no I/O."""
        if database is not None:
            self._context.database = database
        if not self._is_initialized:
            self._is_initialized = True
            self._events.emit("initialized", self)
        return self

    def start(self) -> Self:
        """Open the store and start the components and the scheduler; called again it does nothing.

        In a forked child it starts the child's own: adapters call it at the child's first exchange.
        """
        if self._pid == os.getpid():
            return self
        with self._lock:
            if self._pid == os.getpid():
                return self
            self.initialize()
            for warning in validate_performance_config(self.config).warnings:
                logger.warning("perfkit: %s", warning)
            self.store.open()
            self.store.set(self.store.row(self.store.define(BUILD_INFO), (__version__,)), 1.0)
            self._components.start()
            self._scheduler.start()
            self._pid, self._stopped_pid = os.getpid(), 0
        self._events.emit("started", self)
        return self

    def stop(self) -> None:
        """Stop everything and release files and threads within 5 s; called again it does nothing."""
        with self._lock:
            if self._pid != os.getpid():
                return
            self._pid, self._stopped_pid = 0, os.getpid()
            _release(self._scheduler, self._components, self.store, self.errors)
        self._events.emit("stopped", self)

    async def ainitialize(self, database: object | None = None) -> Self:
        """`initialize` for async code; it never waits."""
        return self.initialize(database)

    async def astart(self) -> Self:
        """`start` for async code; it takes milliseconds and is not worth a thread."""
        return self.start()

    async def astop(self) -> None:
        """`stop` for async code, in a thread, as it may wait for a running job."""
        import asyncio

        await asyncio.to_thread(self.stop)

    @property
    def scheduler(self) -> Scheduler:
        """The one background thread, for what an adapter has to do off the request."""
        return self._scheduler

    @property
    def is_running(self) -> bool:
        """True between `start` and `stop`, in the process that started."""
        return self._pid == os.getpid()

    @property
    def is_stopped(self) -> bool:
        """True after `stop` in this process: its owner is done with it, a late request must not start it again."""
        return self._stopped_pid == os.getpid()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await self.astart()

    async def __aexit__(self, *exception: object) -> None:
        await self.astop()

    def drain(self) -> None:
        """Answer "not ready" on the readiness probe of all workers from now on; requests are still served."""
        self.health.drain()

    def resume(self) -> None:
        """Take traffic again in all workers: the end of `drain`."""
        self.health.resume()

    def get_component(self, name: str) -> Component:
        """Return the component called *name*; one that slept until now is built and started first.

        Raises:
            ComponentNotFoundError: There is none of that name, or it is disabled.
        """
        component = self._components.awake.get(name)
        if component is not None:
            return component
        if name in self._components.names:
            return self._components.wake(name)
        names = ", ".join(self._components.names)
        if name in registry.COMPONENTS:
            raise ComponentNotFoundError(
                f"The component {name!r} is disabled. Enabled are: {names}. Set {name}.enabled to true to use it."
            )
        near = difflib.get_close_matches(name, registry.COMPONENTS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Use one of these names."
        raise ComponentNotFoundError(f"There is no component {name!r}. The components are: {names}. {hint}")

    @property
    def performance(self) -> PerformanceMonitor:
        """The performance monitor."""
        return self.get_component("performance")  # type: ignore[return-value]  # the registry's class

    @property
    def health(self) -> HealthChecker:
        """The health checker."""
        return self.get_component("health")  # type: ignore[return-value]  # the registry's class

    @property
    def alerts(self) -> AlertManager:
        """The alert manager."""
        return self.get_component("alerts")  # type: ignore[return-value]  # the registry's class

    @property
    def database(self) -> DatabaseOptimizer:
        """The database optimizer."""
        return self.get_component("database")  # type: ignore[return-value]  # the registry's class

    @property
    def cache(self) -> CacheManager:
        """The cache manager."""
        return self.get_component("cache")  # type: ignore[return-value]  # the registry's class

    @property
    def recorder(self) -> FlightRecorder:
        """The flight recorder."""
        return self.get_component("recorder")  # type: ignore[return-value]  # the registry's class

    @property
    def load_balancer(self) -> LoadBalancer:
        """The load balancer."""
        return self.get_component("load_balancer")  # type: ignore[return-value]  # the registry's class

    @property
    def metrics(self) -> MetricsCollector:
        """The metrics collector."""
        return self.get_component("metrics")  # type: ignore[return-value]  # the registry's class

    def on(self, event: str, listener: Callable[..., Any]) -> Callable[..., Any]:
        """Call *listener*, a function or a coroutine function, at each *event*; return it."""
        return self._events.on(event, listener)

    def off(self, event: str, listener: Callable[..., Any]) -> bool:
        """Stop calling *listener*; return True if it was listening."""
        return self._events.off(event, listener)

    def export_metrics(self, format: str = "prometheus") -> str:
        """Return all metrics of all workers as `prometheus`, `openmetrics`, `json` or `csv` text."""
        return self.metrics.export_metrics(format)

    @property
    def targets(self) -> Targets:
        """What the verdict compares with: the thresholds of the settings."""
        from perfkit.advice import Targets

        return Targets.from_settings(self.config.performance)

    @property
    def release(self) -> str | None:
        """The release of the app: what `mark_release` said, the setting `release`, or what git has checked out."""
        return self._get_advisor().keeper.release

    def mark_release(self, name: str) -> None:
        """Say that all workers run the release *name* from now on, where that changes without a restart."""
        self._get_advisor().keeper.mark_release(name[:200])

    def snooze(self, fingerprint: str, seconds: float = 86_400.0) -> None:
        """Hear nothing of a finding for *seconds*, at most a year, in all workers within a second.

        Raises:
            FindingNotFoundError: No finding of that fingerprint was told.
            ValueError: The time is out of range.
        """
        self._get_advisor().keeper.snooze(fingerprint, seconds)

    def reopen(self, fingerprint: str) -> None:
        """Hear of a snoozed finding again, or take a fixed one as open until it is absent anew, in all workers.

        Raises:
            FindingNotFoundError: No finding of that fingerprint was told.
        """
        self._get_advisor().keeper.reopen(fingerprint)

    def get_optimization_recommendations(self) -> list[Finding]:
        """Return what all components find wrong, the most urgent first; each with evidence and what to do.

        Where the request time that would be saved is known, it counts; else what the component said. At most 100.
        """
        return self._get_advisor().recommend()

    def get_performance_dashboard(self, *, wake: bool = True) -> PerformanceDashboard:
        """Return everything as of now. Never waits for network or database.

        Args:
            wake: Wake what slept until now, so that all enabled components are there; False leaves those out that
                nobody uses.
        """
        from perfkit.snapshot import DashboardSummary, PerformanceDashboard

        components = self._components.all() if wake else self._components.in_use()
        snapshots = {name: component.snapshot() for name, component in components}
        advisor = self._get_advisor()
        advice, performance = advisor.advise(snapshots), snapshots.get("performance")
        return PerformanceDashboard(
            status=advice.verdict.status,
            at=self.clock.time(),
            uptime=performance.uptime if performance is not None else 0.0,
            service=self.config.service,
            environment=self.config.environment,
            release=advisor.keeper.release,
            version=__version__,
            summary=DashboardSummary(
                verdict=advice.verdict,
                overall_score=None if advice.score is None else advice.score.value,
                score=advice.score,
                outlook=advice.outlook,
            ),
            components=snapshots,
            is_shared=self.store.is_shared,
            degraded=self.store.degraded,
            recommendations=tuple(advice.findings),
            fixed=advisor.keeper.fixed(),
            snoozed=advice.snoozed,
            releases=advisor.keeper.releases,
        )


def _resolve(config: PerformanceConfig | Mapping[str, Any] | None, environment: str | None) -> PerformanceConfig:
    """Return a config object as it is, anything else through all layers; both are validated."""
    if not isinstance(config, PerformanceConfig):
        return get_performance_config(environment, settings=config)
    validate_performance_config(config).raise_if_invalid()
    return config


def _caller() -> str:
    """Return the file of the first frame outside perfkit: who builds the system."""
    home = os.path.dirname(__file__) + os.sep
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(home):
        frame = frame.f_back
    return frame.f_code.co_filename


def _counter(store: Store) -> Callable[[str, str], None]:
    """Return what counts internal errors; it holds the store weakly, as the store holds the error log."""
    definition = store.define(ERRORS)
    weak = weakref.ref(store)

    def count(component: str, kind: str) -> None:
        store = weak()
        if store is not None:
            store.add(store.row(definition, (component, kind)), 1.0)

    return count


def _release(scheduler: Scheduler, components: Components, store: Store, errors: ErrorLog) -> None:
    scheduler.stop()
    components.stop()
    with errors.guarded("store", "could not close"):
        store.close()

"""The health checker: what is well, in this worker and in all, and what the probes should say.

The scheduler comes by once a second. It runs what components ask at once, hands users' checks to threads and loops,
and tells the other workers what is new. Probes read the last results, so a probe costs no check. Liveness looks at
this very process alone and never at a dependency: otherwise a slow database would restart every worker.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any, Self, TypeVar, Unpack

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.clock import Clock
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.errors import ErrorLog
from perfkit.core.status import Status
from perfkit.health import asking
from perfkit.health.draining import Draining
from perfkit.health.fleet import Fleet
from perfkit.health.heartbeat import LoopHeartbeat
from perfkit.health.process import BUILT_IN, process_checks
from perfkit.health.registered.registration import CheckOptions, Registration, check_registration, texts
from perfkit.health.registered.roster import Roster, RunnerFactory
from perfkit.health.settings import HealthSettings
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot, WorkerHealth
from perfkit.health.view import View, registered_checks
from perfkit.health.watched import Watched
from perfkit.store.backing.identity import find_server

__all__ = ["HealthChecker"]

F = TypeVar("F", bound=Callable[..., Any])

DRAIN = "health.drain"
"""The command by which one worker tells the others to drain."""

STALE = 60.0
"""Seconds without a result after which a check warns, unless its interval asks for more."""


class HealthChecker(Component):
    """The health of this process and its service. Probes may be asked from any thread; they never wait."""

    name = "health"
    settings_type = HealthSettings

    def __init__(
        self,
        *,
        settings: HealthSettings | None = None,
        context: Context | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        runner: RunnerFactory | None = None,
    ) -> None:
        """Watch this process; with a *context* also what its other components ask to be watched.

        Args:
            settings: Thresholds of the built-in checks, and defaults of the registered ones.
            context: What a system gives.
            clock: Without a system: anything with `monotonic()` and `time()`.
            rng: For the jitter between runs.
            runner: Makes what runs the registered checks; threads and loops by default.
        """
        context = _alone(clock) if context is None else context
        self.settings = settings or HealthSettings()
        self._context = context
        self._clock = context.clock
        self._pid, self._lock = os.getpid(), threading.Lock()
        self._watched: dict[str, Watched] = {}
        self._heartbeat = LoopHeartbeat(context.loops, context.clock, self.settings)
        self._roster = Roster(context, rng=rng or random.Random(), runner=runner)
        self._fleet = Fleet(context.store, context.clock, context.errors, on_states=self._roster.adopt)
        self._database: object | None = None
        self._view = View()
        self._began: float | None = None
        self._draining = Draining(context.clock, seconds=self.settings.drain_on_sigterm)
        self._last_tick: float | None = None
        context.store.control.on(DRAIN, self._on_drain)

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the checker of a system."""
        return cls(settings=settings, context=context)

    def start(self) -> None:
        """Begin to watch; the first results are taken at once, so that a started process has an answer.

        In a forked child everything begins anew: what the parent saw and when says nothing about the child.
        """
        if self._began is not None and self._pid == os.getpid():
            return
        self._pid, self._lock, self._watched = os.getpid(), threading.Lock(), {}
        self._fleet.begin()
        self._roster.begin()
        self._heartbeat = LoopHeartbeat(self._context.loops, self._clock, self.settings)
        self._began = self._clock.monotonic()
        self._draining.begin()
        self._drain_like_the_others()
        for check in (*process_checks(self.settings, self._context), *self._context.checks()):
            self._watch(check)
        self.tick(self._began)

    def stop(self) -> None:
        """Stop watching within 5 s, whatever hangs; the next start looks at everything afresh."""
        was_running, self._began = self._began is not None and self._pid == os.getpid(), None
        self._last_tick = None
        if was_running:
            self._fleet.leave()
            self._draining.end()
        self._roster.end()
        with self._lock:
            self._watched = {}

    def drain(self) -> None:
        """Answer "not ready" in all workers from now on, so that no new traffic comes; requests are still served.

        Workers that the same server starts later drain too.
        """
        self._say(is_draining=True)

    def resume(self) -> None:
        """Take traffic again in all workers: the end of `drain`."""
        self._say(is_draining=False)

    def _say(self, *, is_draining: bool) -> None:
        self._draining.tell(is_on=is_draining)
        store, server = self._context.store, _server()
        store.control.append(DRAIN, {"is_draining": is_draining})
        if server is not None:
            # Who comes when nobody is left that heard it finds it written.
            store.texts.append(DRAIN, {"server": server, "is_draining": is_draining})

    @property
    def is_draining(self) -> bool:
        """True once no new traffic is wanted."""
        return self._draining.is_on

    def _on_drain(self, payload: dict[str, Any]) -> None:
        self._draining.tell(is_on=bool(payload.get("is_draining", True)))

    def _drain_like_the_others(self) -> None:
        """Drain if the server that started this worker was told to: it takes the place of one that drained."""
        server = _server()
        with self._context.errors.guarded("health", "it cannot be told whether the service drains"):
            written = self._context.store.texts.read(DRAIN) if server is not None else ()
            newest = next((each for each in written if each.get("server") == server), {})
            if newest.get("is_draining"):
                self._draining.tell(is_on=True)

    def tick(self, now: float) -> None:
        """Run what is quick, begin what is due at *now* (monotonic seconds), and tell the others."""
        self._draining.tick(now)
        if self._began is not None:
            if self._context.loops.alive() and "event_loop" not in self._watched:
                self._watch(HealthCheck(name="event_loop", run=self._heartbeat.check, critical=False))
            self._find_database()
            self._find_new()
            registered = self._roster.registrations
            for name, watched in list(self._watched.items()):
                if name not in registered:
                    watched.tick(now)
        self._roster.tick(now)
        if self._began is not None:
            self._last_tick = now
            self._fleet.greet()
            self._fleet.look(now)
            self._fleet.tell(self._roster.news(everything=self._fleet.is_asked))
            own = [check for check in self._own_checks(now) if not check.is_shared]
            self._fleet.report(self._worker(own), own, now)

    def _watch(self, check: HealthCheck) -> None:
        with self._lock:
            self._watched = {**self._watched, check.name: Watched(check, self._context)}

    def _find_new(self) -> None:
        """Watch what components have come to have: one that woke, a balancer whose first server was added."""
        for check in self._context.checks():
            if check.name not in self._watched:
                self._watch(check)

    def _find_database(self) -> None:
        """Watch the database that the system was given, unless there is a check of that name."""
        database = self._context.database
        if database is None or database is self._database:
            return
        self._database = database
        if "database" in self._roster.registrations:
            return
        from perfkit.health.dependencies.database import database_check, is_known

        if is_known(database):
            with self._context.errors.guarded("health", "the database cannot be checked"):
                self.register_health_check("database", database_check(database), tags=("dependency",))

    def register_health_check(
        self,
        name: str,
        fn: F | None = None,
        *,
        critical: bool = False,
        timeout: float | None = None,
        interval: float | None = None,
        rise: int = 2,
        fall: int = 3,
        tags: Iterable[str] = (),
        depends_on: Iterable[str] = (),
        liveness: bool = False,
        startup: bool = False,
        shared: bool | None = None,
        initial_delay: float = 0.0,
        jitter: float = 0.1,
        ttl: float | None = None,
    ) -> Any:
        """Check regularly what *fn* answers; without *fn* this is a decorator. Returns *fn*.

        *fn* is a function or a coroutine function without arguments. It answers with a `CheckResult`, a `Status` or
        its word, a bool, None, or a dict of `status`, `message`, `value`, `unit`. One that raises is critical.

        Args:
            name: Its name everywhere; one of a built-in check replaces that.
            fn: What to ask. Functions run in threads, coroutine functions on the app's event loop.
            critical: True lets it fail `/health` and readiness. Otherwise it can only warn: what all replicas share
                would take all of them out of service at once, and an outage is worse than errors.
            timeout: Seconds that a run may take; by default `health.check_timeout`.
            interval: Seconds between two runs; by default `health.check_interval`. While it fails it is looked at
                again after 1, 2, 4 … 30 seconds.
            rise: Better results in a row until its status rises; the very first result counts at once.
            fall: Worse results in a row until its status falls.
            tags: Groups that it belongs to.
            depends_on: Names of checks without which it cannot be well: while one fails, it is skipped.
            liveness: True lets it fail liveness, so that this process is restarted; for checks of this process alone.
            startup: True keeps the start from being over until it was well once.
            shared: True lets one worker of the host run it for all, False each for itself; by default shared, unless
                it is for liveness.
            initial_delay: Seconds until the first run.
            jitter: Part by which each pause is longer or shorter at random.
            ttl: Seconds without a result after which it warns; by default three intervals, at least a minute.

        Raises:
            HealthError: It cannot work as it is given.
        """
        every = self.settings.check_interval if interval is None else interval
        limit = self.settings.check_timeout if timeout is None else timeout

        def register(fn: F) -> F:
            new = Registration(
                name=name,
                fn=fn,
                critical=critical,
                timeout=min(limit, every) if timeout is None and isinstance(every, int | float) else limit,
                interval=every,
                rise=rise,
                fall=fall,
                tags=texts("tags", tags),
                depends_on=texts("depends_on", depends_on),
                liveness=liveness,
                startup=startup,
                is_shared=not liveness if shared is None else shared,
                initial_delay=initial_delay,
                jitter=jitter,
                ttl=max(STALE, 3.0 * every) if ttl is None and isinstance(every, int | float) else (ttl or 0.0),
            )
            check_registration(new, self._roster.registrations, {*BUILT_IN, *self._watched})
            self._roster.add(new)
            return fn

        return register if fn is None else register(fn)

    def check(self, name: str, **options: Unpack[CheckOptions]) -> Callable[[F], F]:
        """Register the decorated function as the check *name*; the options are those of `register_health_check`."""

        def register(fn: F) -> F:
            self.register_health_check(name, fn, **options)
            return fn

        return register

    register = check

    def unregister(self, name: str) -> bool:
        """Check *name* no more; return whether it was registered.

        Raises:
            HealthError: Others depend on it.
        """
        return self._roster.remove(name)

    def run_check(self, name: str) -> CheckResult:
        """Run the registered check *name* now and return what it shows then; waits at most for its timeout.

        Raises:
            HealthError: There is no such check.
            LifecycleError: It is a coroutine function, and this thread runs an event loop: use `arun_check`.
        """
        return asking.run(self._roster, name)

    async def arun_check(self, name: str) -> CheckResult:
        """`run_check` for async code; a coroutine function runs on the loop of the caller."""
        return await asking.arun(self._roster, name)

    def check_now(self) -> HealthSnapshot:
        """Run everything now, in this worker, and return the health; waits at most for the longest timeout."""
        now = self._clock.monotonic()
        for watched in list(self._watched.values()):
            watched.run(now)
        asking.run_all(self._roster)
        return self.get_health_summary()

    def _own_checks(self, now: float) -> list[CheckSnapshot]:
        """Return all checks as this worker knows them; the registered ones last."""
        registered = registered_checks(self._roster, now)
        names = {check.name for check in registered}
        return [each.seen for name, each in list(self._watched.items()) if name not in names] + registered

    def _is_stalled(self) -> bool:
        """True if no check ran for so long that the background thread must be stuck or starved."""
        last = self._last_tick
        return last is not None and self._clock.monotonic() - last > self.settings.scheduler_stall

    def _is_live(self, own: Iterable[CheckSnapshot]) -> bool:
        is_ill = any(check.liveness and check.status is Status.CRITICAL for check in own)
        return not is_ill and not self._is_stalled() and not self._heartbeat.is_stuck()

    @property
    def is_started(self) -> bool:
        """True once the start is over: every startup check was well once."""
        records = list(self._roster.records.values())
        return self._began is not None and all(each.has_passed for each in records if each.registration.startup)

    def _worker(self, own: list[CheckSnapshot]) -> WorkerHealth:
        """Return what this worker says of itself."""
        return WorkerHealth(
            number=self._context.store.number,
            pid=os.getpid(),
            status=Status.worst(check.counted_status for check in own),
            is_live=self._is_live(own),
            is_started=self.is_started,
            is_draining=self.is_draining,
            reported_at=self._clock.time(),
        )

    def snapshot(self) -> HealthSnapshot:
        """Return status, probes and checks as of now."""
        return self.get_health_summary()

    def get_health_summary(self, *, tag: str | Collection[str] | None = None) -> HealthSnapshot:
        """Return status, probes and checks of all workers as of now; only checks with one *tag* where some are given.

        Never runs a check and never waits. Liveness, start, draining and uptime are those of this very process;
        whether it is ready is decided by all checks, whatever the *tag*.
        """
        now = self._clock.monotonic()
        own = self._own_checks(now) if self._began is not None or self._roster.records else []
        reports = {} if self._began is None else self._fleet.reports
        view = self._view
        # Structs that are the same are found equal at once, so an unchanged picture costs one comparison.
        if view.reports is not reports or view.own != own:
            view = self._view = View.of(own, reports)
        checks, status = view.checks, view.status
        whole = status = Status.CRITICAL if self._is_stalled() else status
        if tag is not None:
            wanted = {tag} if isinstance(tag, str) else set(tag)
            checks = tuple(check for check in checks if not wanted.isdisjoint(check.tags))
            status = status if self._is_stalled() else Status.worst(check.counted_status for check in checks)
        is_started = self.is_started
        return HealthSnapshot(
            status=status,
            is_live=self._is_live(own),
            is_ready=is_started and not self.is_draining and whole is not Status.CRITICAL,
            is_started=is_started,
            is_draining=self.is_draining,
            uptime=0.0 if self._began is None else now - self._began,
            checks=checks,
            workers=view.workers,
        )


def _server() -> list[int] | None:
    """Return what tells our server from others; None for a process that stands alone."""
    server = find_server()
    return None if server is None else [server.pid, server.started, server.namespace]


def _alone(clock: Clock | None) -> Context:
    """Return the surroundings of a checker without a system."""
    from perfkit.store import Store

    if clock is None:
        return Context(store=Store())
    errors = ErrorLog(clock=clock)
    return Context(store=Store(clock=clock, errors=errors), clock=clock, errors=errors)

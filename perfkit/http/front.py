"""What the routes ask of a system, and what the system does not know: tokens and pages belong to this layer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from perfkit.config import PerformanceConfig
from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog
from perfkit.health.snapshot import HealthSnapshot
from perfkit.http.tokens import is_shown, new_token, ready_url, shared_token
from perfkit.metrics.exposition import Escaping, Format
from perfkit.registry import COMPONENTS
from perfkit.store.backing.identity import find_server, start_time
from perfkit.system import PerformanceSystem

if TYPE_CHECKING:
    from perfkit.dashboard import Done, Entry, Given, OverviewData
    from perfkit.http.recording.answers import Wanted
    from perfkit.recorder.kept import KeptExchange

__all__ = ["Front"]

TOLD = "told-"
"""Begins the name of the file in the store's directory that says which run of the server has printed the URL."""


def _place(directory: Path | None) -> object:
    """Return what tells this *directory* from one that was made anew in its place."""
    try:
        return None if directory is None else directory.stat().st_ino
    except OSError:
        return directory


class Front:
    """A system as the routes see it. Thread-safe."""

    __slots__ = ("_lock", "_made", "_system", "_was_told")

    def __init__(self, system: PerformanceSystem) -> None:
        """Answer for *system*."""
        self._system = system
        self._lock = threading.Lock()
        self._made: tuple[object, str] | None = None
        self._was_told = False

    @property
    def config(self) -> PerformanceConfig:
        """The settings in force."""
        return self._system.config

    @property
    def clock(self) -> Clock:
        """The time."""
        return self._system.clock

    @property
    def errors(self) -> ErrorLog:
        """Where internal errors end."""
        return self._system.errors

    @property
    def token(self) -> str:
        """The token in the settings; without one, a token that all workers of the store's directory share."""
        given = self._system.config.access.token
        if given:
            return given
        directory = self._system.store.directory
        made = self._made
        if made is None or made[0] != (place := _place(directory)):
            with self._lock:
                place = _place(directory)
                made = self._made = (place, self._make(directory, made[1] if made is not None else new_token()))
        return made[1]

    def _make(self, directory: Path | None, token: str) -> str:
        """Return the token of *directory*; *token* becomes it where there is none, as after a clean-up."""
        try:
            return shared_token(directory, token)
        except OSError as error:
            self.errors.report("http", error, doing="the token could not be shared; this worker has its own")
            return token

    def announce(self, base: str) -> None:
        """Print the URL that opens the dashboard below *base*, once for all workers, where a person reads it.

        Only with a token that we made: whoever gave one knows it, and it may be kept from terminals.
        """
        config = self._system.config
        path, access = config.http.dashboard_path, config.access
        if path is None or access.token or access.access == "off":
            return
        if not is_shown(config.environment) or self._is_told():
            return
        url = ready_url(base, f"{config.http.prefix}{path}", self.token)
        sys.stderr.write(f"perfkit: dashboard {url}\n")

    def _is_told(self) -> bool:
        """Return False once per service: the first worker that asks is the one to print."""
        directory = self._system.store.directory
        if self._was_told or directory is None:
            was_told, self._was_told = self._was_told, True
            return was_told
        self._was_told = True
        server = find_server()
        name = f"{TOLD}{server.pid}-{server.started}" if server else f"{TOLD}{os.getpid()}-{start_time(os.getpid())}"
        try:
            os.close(os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            for older in directory.glob(f"{TOLD}*"):
                if older.name != name:
                    older.unlink(missing_ok=True)
        except OSError:
            return True
        return False

    def health_snapshot(self, tags: Collection[str] = ()) -> HealthSnapshot:
        """Return what health knows; only the checks that have one of *tags*, where some are given."""
        return self._system.health.get_health_summary(tag=tags or None)

    def drain(self) -> None:
        """Have all workers say that they are not ready."""
        self._system.drain()

    def resume(self) -> None:
        """Have all workers take traffic again."""
        self._system.resume()

    def expose(
        self, format: Format, *, names: Iterable[str] | None = None, escaping: Escaping = Escaping.UNDERSCORES
    ) -> bytes:
        """Return the metrics of those *names*, or all."""
        return self._system.metrics.expose(format, names=names, escaping=escaping)

    def load_report(self) -> bytes:
        """Return the service's own load as an ORCA report in JSON."""
        from perfkit.load_balancer.reports.orca import document

        return document(self._system.load_balancer.own_report())

    def kept_exchanges(self, wanted: Wanted) -> tuple[KeptExchange, ...]:
        """Return the kept exchanges that are *wanted*, newest first."""
        return self._system.recorder.list(**msgspec.structs.asdict(wanted))

    def kept_exchange(self, id: str) -> KeptExchange | None:
        """Return the kept exchange *id*."""
        return self._system.recorder.get(id)

    def overview_data(self) -> OverviewData:
        """Return what all pages show. To look at one wakes no component."""
        from perfkit.dashboard import OverviewData
        from perfkit.dashboard.editor import editor_of
        from perfkit.http.dashboard.absent import NO_HEALTH, NO_PERFORMANCE
        from perfkit.http.dashboard.cost import background_share

        dashboard = self._system.get_performance_dashboard(wake=False)
        components, config = dashboard.components, self._system.config
        off = tuple(word for word in COMPONENTS if not getattr(config, word).enabled)
        return OverviewData(
            service=dashboard.service,
            environment=dashboard.environment,
            release=dashboard.release or "",
            version=dashboard.version,
            verdict=dashboard.summary.verdict,
            score=dashboard.summary.score,
            outlook=dashboard.summary.outlook,
            recommendations=dashboard.recommendations,
            fixed=dashboard.fixed,
            snoozed=dashboard.snoozed,
            releases=dashboard.releases,
            recordings=self._system.store.past.recordings,
            editor=editor_of(config.dashboard, config.environment),
            performance=components.get("performance") or NO_PERFORMANCE,
            health=components.get("health") or NO_HEALTH,
            cache=components.get("cache"),
            database=components.get("database"),
            load_balancer=components.get("load_balancer"),
            alerts=components.get("alerts"),
            missing=tuple(word for word in ("performance", "health") if word not in components),
            off=off,
            asleep=tuple(word for word in COMPONENTS if word not in components and word not in off),
            targets=self._system.targets,
            at=dashboard.at,
            timezone=datetime.now().astimezone().tzinfo or UTC,
            is_shared=dashboard.is_shared,
            degraded=dashboard.degraded,
            background_share=background_share(),
        )

    def found(self, entry: Entry, shown: OverviewData, given: Given) -> object:
        """Return what one view of the page *entry* shows beyond *shown*."""
        from perfkit.dashboard import gather

        return gather(entry, self._system, shown, given)

    def act(self, what: str, given: Given, who: str) -> Done:
        """Do what a button asks for, and keep who did."""
        from perfkit.dashboard import act

        return act(self._system, what, given, who)

    def find_done(self, name: str) -> Done | None:
        """Return the action of that id, by whichever worker; None if it is not known."""
        from perfkit.dashboard.actions.audit import audited

        return next((done for done in audited(self._system) if done.id == name), None)

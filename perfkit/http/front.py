"""What the routes ask of a system, and what the system does not know: tokens and pages belong to this layer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from perfkit.config import PerformanceConfig
from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog
from perfkit.dashboard import OverviewData
from perfkit.health.snapshot import HealthSnapshot
from perfkit.http.tokens import is_shown, new_token, ready_url, shared_token
from perfkit.metrics.exposition import Escaping, Format
from perfkit.system import PerformanceSystem

__all__ = ["Front"]

TOLD_FILE = "told"
"""Marks in the store's directory that the dashboard's URL was printed."""


class Front:
    """A system as the routes see it. Thread-safe."""

    __slots__ = ("_lock", "_made", "_system", "_was_told")

    def __init__(self, system: PerformanceSystem) -> None:
        """Answer for *system*."""
        self._system = system
        self._lock = threading.Lock()
        self._made: tuple[Path | None, str] | None = None
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
        if made is None or made[0] != directory:
            with self._lock:
                made = self._made = (directory, self._make(directory))
        return made[1]

    def _make(self, directory: Path | None) -> str:
        try:
            return shared_token(directory)
        except OSError as error:
            self.errors.report("http", error, doing="the token could not be shared; this worker has its own")
            return new_token()

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
        try:
            os.close(os.open(directory / TOLD_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            return True
        return False

    def health_snapshot(self) -> HealthSnapshot:
        """Return what health knows."""
        return self._system.health.get_health_summary()

    def expose(
        self, format: Format, *, names: Iterable[str] | None = None, escaping: Escaping = Escaping.UNDERSCORES
    ) -> bytes:
        """Return the metrics of those *names*, or all."""
        return self._system.metrics.expose(format, names=names, escaping=escaping)

    def overview_data(self) -> OverviewData:
        """Return what the overview shows."""
        dashboard = self._system.get_performance_dashboard()
        return OverviewData(
            service=dashboard.service,
            environment=dashboard.environment,
            release=dashboard.release or "",
            version=dashboard.version,
            verdict=dashboard.summary.verdict,
            performance=dashboard.components["performance"],
            health=dashboard.components["health"],
            targets=self._system.targets,
            at=dashboard.at,
            timezone=datetime.now().astimezone().tzinfo or UTC,
            is_shared=dashboard.is_shared,
            degraded=dashboard.degraded,
        )

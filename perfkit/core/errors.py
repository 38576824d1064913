"""perfkit's errors, and the boundary that keeps ours away from the app.

PerfkitError
├── ConfigurationError      (ValueError)    settings that cannot be used; lists all of them
├── MetricError             (ValueError)    a metric defined or used wrongly
├── ComponentNotFoundError  (LookupError)   no such component, or it is disabled
├── UnknownEventError       (LookupError)   no such event
├── LifecycleError          (RuntimeError)  a call at a moment that does not allow it
├── StoreError              (OSError)       the store's directory cannot be used
└── MissingDependencyError  (ImportError)   an optional package is not installed
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from perfkit.core.clock import Clock, SystemClock

__all__ = [
    "ComponentNotFoundError",
    "ConfigurationError",
    "ErrorLog",
    "LifecycleError",
    "MetricError",
    "MissingDependencyError",
    "PerfkitError",
    "StoreError",
    "UnknownEventError",
]

logger = logging.getLogger("perfkit")

LOG_INTERVAL = 60.0
"""Seconds between two log lines of one kind of internal error."""


class PerfkitError(Exception):
    """Base class of all errors raised by perfkit."""


class ConfigurationError(PerfkitError, ValueError):
    """Settings that cannot be used; the message lists every error."""


class MetricError(PerfkitError, ValueError):
    """A metric was defined or used wrongly."""


class ComponentNotFoundError(PerfkitError, LookupError):
    """There is no such component, or it is disabled."""


class UnknownEventError(PerfkitError, LookupError):
    """There is no such event."""


class LifecycleError(PerfkitError, RuntimeError):
    """A call came at a moment that does not allow it."""


class StoreError(PerfkitError, OSError):
    """The store's directory cannot be used."""


class MissingDependencyError(PerfkitError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, *, extra: str, wanted_by: str) -> None:
        """Say which *package* is missing, who wants it and the extra that brings it."""
        super().__init__(
            f"{wanted_by} needs {package!r}, which is not installed. Install it with: pip install 'perfkit[{extra}]'"
        )


class ErrorLog:
    """The one place where internal errors end: counted each time, logged at most once a minute per kind.

    Thread-safe. `report` itself never raises.

    Attributes:
        count: Called as ``count(component, kind)`` for each error; the system points it at the store.
    """

    __slots__ = ("_clock", "_lock", "_logged", "count")

    def __init__(self, *, clock: Clock | None = None, count: Callable[[str, str], None] | None = None) -> None:
        """Log by *clock*; call *count* with component and kind for each error."""
        self._clock: Clock = clock or SystemClock()
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()
        self.count = count

    def report(self, component: str, error: BaseException, *, doing: str = "") -> None:
        """Count *error* of *component* and log it if its kind was silent for a minute."""
        self.warn(component, type(error).__name__, f"{doing or 'an internal error'}: {error}", error)

    def warn(self, component: str, kind: str, message: str, error: BaseException | None = None) -> None:
        """Count something of *kind* that went wrong in *component*; log *message* at most once a minute."""
        try:
            self._count(component, kind)
            silenced = self._silenced(component, kind)
            if silenced is None:
                return
            more = f" ({silenced} more since the last line)" if silenced else ""
            logger.warning("perfkit.%s: %s%s", component, message, more, exc_info=error)
        except Exception:  # noqa: BLE001 - the last boundary: a broken log handler must not reach the app
            self._count("errors", "report")

    def _count(self, component: str, kind: str) -> None:
        count = self.count
        if count is None:
            return
        try:
            count(component, kind)
        except Exception:
            logger.debug("perfkit could not count an error of %s", component, exc_info=True)

    def _silenced(self, component: str, kind: str) -> int | None:
        """Return how many lines were held back since the last one, or None if this one is to be held back too."""
        now = self._clock.monotonic()
        key = (component, kind)
        with self._lock:
            last = self._logged.get(key)
            if last is not None and now - last[0] < LOG_INTERVAL:
                self._logged[key] = (last[0], last[1] + 1)
                return None
            if len(self._logged) >= 256:
                self._logged.clear()
            self._logged[key] = (now, 0)
            return last[1] if last is not None else 0

    @contextmanager
    def guarded(self, component: str, doing: str = "") -> Iterator[None]:
        """Keep any error of the block from reaching the caller: counted, logged, gone."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - this is the boundary
            self.report(component, error, doing=doing)

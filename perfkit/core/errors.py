"""perfkit's errors, and the boundary that keeps ours away from the app.

PerfkitError
├── ConfigurationError      (ValueError)    settings that cannot be used; lists all of them
├── MetricError             (ValueError)    a metric defined or used wrongly
├── AlertError              (ValueError)    an alert rule, objective, silence or receiver that cannot work
├── HealthError             (ValueError)    a health check that cannot work as it was registered
├── DeliveryError           (OSError)       a receiver did not take what it was given
├── CacheError              (ValueError)    a cache set up or used wrongly, a value that it cannot carry
├── LoadBalancerError       (ValueError)    a balancer, a server or a strategy that cannot work as it was given
├── NoServerAvailable       (LookupError)   no server that a request could be sent to
├── ServerNotFoundError     (LookupError)   the balancer knows no server of that name
├── DeadlineExceeded        (TimeoutError)  the time that a request had is over
├── DatabaseError           (ValueError)    no database to ask, or one that cannot be asked so
├── ComponentNotFoundError  (LookupError)   no such component, or it is disabled
├── FindingNotFoundError    (LookupError)   no finding of that fingerprint was told
├── TimerError              (LookupError)   no timer of that name runs, or it has ended
├── UnknownEventError       (LookupError)   no such event
├── UnknownCodeError        (LookupError)   no such code of findings
├── LifecycleError          (RuntimeError)  a call at a moment that does not allow it
├── StoreError              (OSError)       the store's directory cannot be used
└── MissingDependencyError  (ImportError)   an optional package is not installed
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.locks import OwnLock

__all__ = [
    "AlertError",
    "CacheError",
    "ComponentNotFoundError",
    "ConfigurationError",
    "DatabaseError",
    "DeadlineExceeded",
    "DeliveryError",
    "ErrorLog",
    "FindingNotFoundError",
    "HealthError",
    "LifecycleError",
    "LoadBalancerError",
    "MetricError",
    "MissingDependencyError",
    "NoServerAvailable",
    "PerfkitError",
    "ServerNotFoundError",
    "StoreError",
    "TimerError",
    "UnknownCodeError",
    "UnknownEventError",
]

logger = logging.getLogger("perfkit")

DISK_FULL = "disk_full"
"""The kind under which errors for lack of disk space are counted."""

MOST_CAUSES = 20
"""Causes of an error that are looked at; one may be its own cause."""

LOG_INTERVAL = 60.0
"""Seconds between two log lines of one kind of internal error."""


class PerfkitError(Exception):
    """Base class of all errors raised by perfkit."""


class ConfigurationError(PerfkitError, ValueError):
    """Settings that cannot be used; the message lists every error."""


class MetricError(PerfkitError, ValueError):
    """A metric was defined or used wrongly."""


class AlertError(PerfkitError, ValueError):
    """An alert rule, an objective, a silence or a receiver cannot work as it was given."""


class HealthError(PerfkitError, ValueError):
    """A health check cannot work as it was registered, or there is none of that name."""


class CacheError(PerfkitError, ValueError):
    """A cache was set up or used wrongly, or cannot carry a value."""


class LoadBalancerError(PerfkitError, ValueError):
    """A balancer, a server or a strategy cannot work as it was given."""


class NoServerAvailable(PerfkitError, LookupError):  # noqa: N818 - said as a state, like KeyboardInterrupt
    """There is no server that a request could be sent to."""


class ServerNotFoundError(PerfkitError, LookupError):
    """The balancer knows no server of that name."""


class DeadlineExceeded(PerfkitError, TimeoutError):  # noqa: N818 - the field's name for it
    """The time that a request had is over."""


class DeliveryError(PerfkitError, OSError):
    """A receiver did not take what it was given.

    Attributes:
        is_final: True if it would not take it later either.
        retry_after: Seconds after which the receiver wants to be asked again; None if it did not say.
    """

    def __init__(self, message: str, *, is_final: bool = False, retry_after: float | None = None) -> None:
        """Say what happened; the message holds no secret."""
        super().__init__(message)
        self.is_final, self.retry_after = is_final, retry_after


class DatabaseError(PerfkitError, ValueError):
    """There is no database to ask, or it cannot be asked in this way."""


class ComponentNotFoundError(PerfkitError, LookupError):
    """There is no such component, or it is disabled."""


class FindingNotFoundError(PerfkitError, LookupError):
    """No finding of that fingerprint was told."""


class TimerError(PerfkitError, LookupError):
    """No timer of that name runs in this context, or it has ended already."""


class UnknownEventError(PerfkitError, LookupError):
    """There is no such event."""


class UnknownCodeError(PerfkitError, LookupError):
    """There is no such code of findings."""


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


def _full_disk(error: BaseException) -> OSError | None:
    """Return *error*, or what it was raised from, if it says that a disk or a quota is full."""
    found: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if isinstance(found, OSError) and found.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            return found
        found = None if found is None else found.__cause__
    return None


def _message(error: BaseException) -> str:
    """Return what *error* says; an app's own class may fail at that too."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - its kind and its traceback have to do
        return "(its message cannot be read)"


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
        self._lock = OwnLock()
        self.count = count

    def report(self, component: str, error: BaseException, *, doing: str = "") -> None:
        """Count *error* of *component* and log it if its kind was silent for a minute.

        A full disk is no fault of the program: one line for the operator, without a traceback, of the kind
        `DISK_FULL`.
        """
        what = doing or "an internal error"
        full = _full_disk(error)
        if full is None:
            self.warn(component, type(error).__name__, f"{what}: {_message(error)}", error)
            return
        where = f" of {full.filename}" if full.filename else ""
        other = ", or let store.directory name a disk that has more" if component == "store" else ""
        self.warn(
            component,
            DISK_FULL,
            f"{what}: there is no space left on the disk{where} ({full.strerror}). The app goes on without it. "
            f"Free some space{other}.",
        )

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

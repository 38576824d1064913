"""How long requests waited before the app had them, as the proxy in front tells: `X-Request-Start`, `X-Queue-Start`.

No request pays for this. The scheduler takes the hot path away from the adapter for one request: that one goes
where the very first one went, is looked at, and gives the hot path back. While no proxy sends the header, one request a
second has such a look; with it ten a second of each worker, which is plenty for a quantile.

The forms are those of Heroku (milliseconds), nginx (`t=` and seconds with a fraction), Apache and HAProxy (`t=` and
microseconds, perhaps after other words); the size of the number tells the unit. The clocks of two machines differ: what
seems to come from the future waited 0 s, and what is off by more than an hour is no time at all.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from perfkit.core.names import REQUEST_QUEUE

if TYPE_CHECKING:
    from perfkit.core.scheduler import Job
    from perfkit.system import PerformanceSystem

__all__ = ["HEADERS", "QUEUE_TIME", "QueueTime", "header_of", "variable_of", "waited"]

T = TypeVar("T")

HEADERS = ("x-request-start", "x-queue-start")
"""Names of the headers, the first one that is there counts."""

QUEUE_TIME = "queue time"
"""Name of the scheduler's job."""

MOST = 3600.0
"""Seconds, back or ahead, beyond which a header is not believed."""

SELDOM = 1.0
"""Seconds between two looks while no header is seen."""

OFTEN = 0.1
"""Seconds between two looks while there are headers."""

MEMORY = 60.0
"""Seconds for which a header that was seen makes for frequent looks."""

TIME = re.compile(r"(?:^|[\s,;]|t=)(\d{10,19}(?:\.\d{1,9})?)(?![\d.])")

UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which number on a Unix time is told in which part of a second: nano, micro, milli."""


def waited(text: str, now: float) -> float | None:
    """Return the seconds from the time that *text* tells until *now* (Unix seconds); None if it tells none."""
    found = TIME.search(text, 0, 200)
    if found is None:
        return None
    number = float(found[1])
    at = number / next((parts for least, parts in UNITS if number >= least), 1.0)
    seconds = now - at
    return max(0.0, seconds) if abs(seconds) <= MOST else None


class QueueTime:
    """Looks at requests of one adapter now and then. Thread-safe."""

    def __init__(self, system: PerformanceSystem) -> None:
        """Look at nothing before `watch`."""
        self._store, self._clock, self._scheduler = system.store, system.clock, system.scheduler
        self._is_wanted = system.config.http.queue_time
        self._seen_at: float | None = None
        self._job: Job | None = None

    def watch(self, adapter: T, cool: Callable[[T], object]) -> None:
        """Have *cool* called with *adapter*, which is held weakly, whenever its next request shall be looked at.

        It must make the adapter call `look` with that request. Called again this does nothing.
        """
        if self._job is None and self._is_wanted:
            held, scheduler = weakref.ref(adapter), self._scheduler

            def arm(now: float) -> None:
                target, job = held(), self._job
                if target is None and job is not None:
                    scheduler.cancel(job)
                elif target is not None:
                    if job is not None:
                        job.period = self.period(now)
                    cool(target)

            self._job = scheduler.every(SELDOM, arm, name=QUEUE_TIME)

    def period(self, now: float) -> float:
        """Return the seconds until the next look, as of *now* (monotonic seconds)."""
        seen = self._seen_at
        return SELDOM if seen is None or now - seen > MEMORY else OFTEN

    def look(self, text: str | None) -> None:
        """Count a request whose proxy said *text*; None where it said nothing."""
        if not text or not self._is_wanted:
            return
        seconds = waited(text, self._clock.time())
        if seconds is not None:
            self._seen_at = self._clock.monotonic()
            self._store.observe(self._store.row(REQUEST_QUEUE), seconds)


def header_of(headers: Any) -> str | None:
    """Return what the proxy said in the *headers* of an ASGI scope, or None."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found.setdefault(name.lower(), value)
    return next((found[name].decode("latin-1") for name in _RAW if found.get(name)), None)


def variable_of(environ: Any) -> str | None:
    """Return what the proxy said in *environ*, a WSGI environ or Django's `META`, or None."""
    return next((environ[name] for name in _VARIABLES if environ.get(name)), None)


_RAW = tuple(name.encode("latin-1") for name in HEADERS)
_VARIABLES = tuple(f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS)

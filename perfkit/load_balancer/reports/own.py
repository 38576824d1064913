"""The load of this service itself, for those who balance requests to it: from the store's memory, without I/O."""

from __future__ import annotations

from perfkit.core.clock import Clock
from perfkit.load_balancer.reports.orca import HEADER, format_json, format_text
from perfkit.load_balancer.reports.report import LoadReport
from perfkit.store import Store

__all__ = ["OwnLoad"]

AGE = 0.1
"""Seconds for which a report is told again."""

RATE_OVER = 1.0
"""Seconds over which the rate of requests is taken, at least."""

CPU = "perfkit_cpu_utilization_ratio"
"""Part of the cores that the service may use that it uses, 0-1; sampled once a second by the performance monitor."""


class OwnLoad:
    """Reports of one service, all its workers on this host together. Thread-safe: a race makes one report more.

    Attributes:
        header: Name and value of the header that tells the load, as of the last `renew`; None before it, or if it is
            not to be told. Requests read it, as to make it would cost them too much.
    """

    def __init__(self, store: Store, clock: Clock, form: str = "off") -> None:
        """Read from *store*; *form* is that of the header: ``off``, ``text`` or ``json``."""
        self._store, self._clock = store, clock
        self._format = {"text": format_text, "json": format_json}.get(form)
        self.header: tuple[str, str] | None = None
        self._last: tuple[float, LoadReport] | None = None
        self._rate: tuple[float, float, float | None] | None = None

    def renew(self) -> None:
        """Make the header anew."""
        if self._format is not None:
            self.header = (HEADER, self._format(self.report()))

    def report(self) -> LoadReport:
        """Return the load as of now, at most 0.1 s old."""
        now, last = self._clock.monotonic(), self._last
        if last is not None and 0.0 <= now - last[0] < AGE:
            return last[1]
        families = self._store.families({CPU})
        values = [point.value for family in families for point in family.points]
        cpu = next((value for value in values if isinstance(value, float)), None)
        report = LoadReport(
            in_flight=float(self._store.in_flight()), utilization=cpu, cpu=cpu, rps=self._requests_per_second(now)
        )
        self._last = (now, report)
        return report

    def _requests_per_second(self, now: float) -> float | None:
        finished = sum(worker.finished for worker in self._store.workers())
        before = self._rate
        if before is None:
            self._rate = (now, finished, None)
            return None
        at, count, rate = before
        if now - at >= RATE_OVER:
            rate = max(0.0, finished - count) / (now - at)
            self._rate = (now, finished, rate)
        return rate

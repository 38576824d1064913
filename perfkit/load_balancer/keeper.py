"""What leases tell: how requests ended. It judges servers, and passes the news on to the strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perfkit.core.clock import Clock
from perfkit.load_balancer.health.passive import Ejection
from perfkit.load_balancer.reports.reading import read_report
from perfkit.load_balancer.roster import Roster
from perfkit.load_balancer.servers import Server

__all__ = ["Keeper"]


class Keeper:
    """The balancer's side of its leases.

    Attributes:
        monotonic: The clock.
        observe: What wants to be told of each answer; None if nothing does.
        begun, ended: Leases given out and given back.
        failures: Failed requests of all servers, removed ones included.
        leaked: Leases that were dropped without being given back.
        bad_reports: Load reports that could not be read.
        ejections: Ejections so far.
    """

    __slots__ = (
        "_ejection",
        "_observe",
        "_on_cancel",
        "_on_report",
        "_roster",
        "bad_reports",
        "begun",
        "ejections",
        "ended",
        "failures",
        "leaked",
        "monotonic",
        "observe",
    )

    def __init__(self, strategy: Any, ejection: Ejection, roster: Roster, *, clock: Clock, limits: bool) -> None:
        """Judge by *ejection* and tell *strategy*; with *limits* each server's limit follows its latency."""
        self.monotonic = clock.monotonic
        self._ejection, self._roster = ejection, roster
        self._observe: Callable[[Server, float, bool, float], object] | None = getattr(strategy, "observe", None)
        self.observe = self._observe_and_limit if limits else self._observe
        self._on_cancel: Callable[[Server, float], object] | None = getattr(strategy, "on_cancel", None)
        self._on_report: Callable[..., object] | None = getattr(strategy, "on_report", None)
        self.begun = self.ended = self.failures = self.leaked = self.bad_reports = self.ejections = 0

    def fail(self, server: Server, now: float) -> None:
        """Take a failure."""
        self.failures += 1
        if self._ejection.failed(server, now) and not server.is_removed:
            self.ejections += 1
            self._roster.hurry(now)
            return
        if server.streak == 1:
            self._roster.suspect(server, now)
        self._roster.hurry(server.penalty_until)

    def recover(self, server: Server, now: float) -> None:
        """Take a success of a server that failed before."""
        self._ejection.succeeded(server, now)

    def cancelled(self, server: Server, elapsed: float, now: float) -> None:
        """Take a request that nobody waited for: it tells something only if it took longer than was to be expected."""
        observe = self.observe
        answers = server.successes + server.failures
        if observe is not None and answers and elapsed > 2.0 * server.seconds / answers:
            observe(server, elapsed, True, now)
        elif self._on_cancel is not None:
            self._on_cancel(server, now)

    def take_report(self, server: Server, given: Any, now: float, *, is_probe: bool = False) -> None:
        """Read a load report; one that cannot be read is counted and forgotten."""
        report = read_report(given)
        if report is None:
            self.bad_reports += 1
            return
        server.report, server.report_at = report, now
        if self._on_report is not None:
            self._on_report(server, report, now, is_probe)

    def _observe_and_limit(self, server: Server, latency: float, success: bool, now: float) -> None:
        limiter = server.limiter
        if limiter is not None:
            server.limit = limiter.update(latency, success, server.in_flight + 1)
        if self._observe is not None:
            self._observe(server, latency, success, now)

"""Ejection: a server that fails is left alone for a while, then tried with care.

Sources: Envoy, "Outlier detection" (consecutive failures, ejection times their number, multiplier that decays);
Finagle, FailureAccrual. Deviations: the share of failures is judged over a small window, as a client in one process
never sees the hundred requests that a standard deviation needs; there is no cap on how many may be ejected, because
the fleet's panic rule keeps the traffic within bounds; a server comes back on probation: one failure ejects it
again, for longer.
"""

from __future__ import annotations

import random

import msgspec

from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.settings import LoadBalancerSettings

__all__ = ["Ejection", "EjectionRules", "rules_of"]

PROBATION = 3
"""Successes in a row that end the probation."""

JITTER = 0.1
"""Part of an ejection by which it is longer or shorter at random, so that many clients do not come back at once."""

PENALTY = 4
"""Requests in flight as which each failure in a row counts, for strategies that go by requests in flight."""

PENALTY_SECONDS = 0.5
"""Seconds for which it counts so, for each failure in a row."""


class EjectionRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a server is ejected, and for how long.

    Attributes:
        consecutive: Failures in a row that eject; 0 never.
        share: Part of failures in a window that ejects, 0-1; above 1 never.
        least: Requests in the window from which on the share counts.
        window: Seconds of the window.
        base: Seconds of the first ejection; the n-th lasts n times as long.
        longest: The most seconds.
    """

    consecutive: int = 5
    share: float = 0.5
    least: int = 8
    window: float = 10.0
    base: float = 5.0
    longest: float = 300.0


class Ejection:
    """Judges servers by their failures. Pure: time is passed in; what it knows stands on the server."""

    def __init__(self, rules: EjectionRules, rng: random.Random) -> None:
        """Judge by *rules*."""
        self.rules, self._rng = rules, rng

    def failed(self, server: Server, now: float) -> bool:
        """Take a failure of *server* at *now*; return True if it is ejected by it."""
        rules = self.rules
        if now - server.window_at > rules.window:
            server.window_at = now
            server.window_successes, server.window_failures = server.successes, server.failures
        server.streak += 1
        server.failures += 1
        server.clean_since = now
        server.penalty = PENALTY * server.streak
        server.penalty_until = now + PENALTY_SECONDS * server.streak
        if server.ejected_until:
            return False
        bad = server.failures - server.window_failures
        seen = bad + server.successes - server.window_successes
        is_bad = (
            server.probation > 0
            or (rules.consecutive > 0 and server.streak >= rules.consecutive)
            or (seen >= rules.least and bad >= rules.share * seen)
        )
        if is_bad:
            self._eject(server, now)
        return is_bad

    def _eject(self, server: Server, now: float) -> None:
        rules = self.rules
        server.ejections += 1
        seconds = min(rules.longest, rules.base * server.ejections)
        server.ejected_until = now + seconds * (1.0 + JITTER * (2.0 * self._rng.random() - 1.0))
        server.probation = 0

    def succeeded(self, server: Server, now: float) -> None:
        """Take a success of a server that failed before: its streak ends, and its probation after a few."""
        if server.probation > 1:
            server.probation -= 1
            return
        server.probation = server.streak = server.penalty = 0

    def readmit(self, server: Server, now: float) -> None:
        """Let an ejected *server* come back, on probation."""
        server.ejected_until, server.probation = 0.0, PROBATION
        server.clean_since = now
        server.streak = max(1, server.streak)
        server.window_at = -1e308

    def forgive(self, server: Server, now: float) -> None:
        """Forget what *server* did: it was restored, or is another process now."""
        server.ejected_until, server.probation, server.streak, server.ejections = 0.0, 0, 0, 0
        server.penalty = 0
        server.window_at = -1e308

    def decay(self, server: Server, now: float) -> None:
        """Forget one ejection for each stretch without failures that is as long as the last ejection was."""
        span = self.rules.base * max(1, server.ejections) * 2.0
        if server.ejections and not server.ejected_until and now - server.clean_since >= span:
            server.ejections -= 1
            server.clean_since = now


def rules_of(settings: LoadBalancerSettings) -> EjectionRules:
    """Return the rules that *settings* tell."""
    return EjectionRules(
        consecutive=settings.consecutive_failures,
        share=settings.failure_share,
        least=settings.failure_least,
        window=settings.failure_window,
        base=settings.ejection_time,
        longest=settings.ejection_time_max,
    )

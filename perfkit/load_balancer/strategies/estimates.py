"""What `auto` knows: of each server a few sums that fade, of the fleet the averages they are drawn towards."""

from __future__ import annotations

from math import exp
from typing import Any

__all__ = ["Estimate", "Estimates"]

LATENCY_MEMORY = 5.0
"""Seconds in which what is known of a latency falls to 1/e."""

SERVICE_MEMORY = 20.0
"""Seconds in which what is known of a service time falls to 1/e; it changes less than a queue does."""

REPORT_MEMORY = 0.5
"""Seconds in which a report falls to 1/e of its distance from the fleet's average."""

FAILURE = 20.0
"""Average latencies as which a failure counts at least."""

LONGEST = 5.0
"""Average latencies above which an answer counts as no longer: one huge request says little about its server."""

LEAST_TRUST, MOST_TRUST = 0.2, 10.0
"""Bounds of the weight of the fleet's average, in answers."""

STEP = 0.01
"""Part by which one answer moves the fleet's averages, once there were a hundred."""


class Estimate:
    """What is known of one server. Sums and weights fade with time; the average is drawn towards the fleet's.

    Attributes:
        at: Monotonic seconds up to which the sums are faded.
        board, place: Where `auto` keeps its score.
    """

    __slots__ = (
        "at",
        "board",
        "place",
        "report",
        "report_at",
        "service_sum",
        "service_weight",
        "sum",
        "weight",
    )

    def __init__(self) -> None:
        self.board: Any = None
        self.place = 0
        self.forget()

    def forget(self) -> None:
        """Know nothing."""
        self.at = self.sum = self.weight = self.service_sum = self.service_weight = 0.0
        self.report, self.report_at = 0.0, -1e9

    def load(self, now: float, fleet: Estimates) -> float:
        """Return the requests in flight there, those of others included."""
        return fleet.report + (self.report - fleet.report) * exp((self.report_at - now) / REPORT_MEMORY)

    def service(self, now: float, fleet: Estimates) -> float:
        """Return the seconds for each request in flight there."""
        fade = exp((self.at - now) / SERVICE_MEMORY)
        trust = fleet.trust
        return (self.service_sum * fade + trust * fleet.service) / (self.service_weight * fade + trust)


class Estimates:
    """What is known of the fleet.

    Attributes:
        latency: Average seconds of an answer.
        service: Average seconds of an answer for each request in flight at its server.
        report: Average of requests in flight at a server.
        reported_at: Monotonic seconds of the last report.
        trust: Weight of the fleet's averages beside a server's own, in answers: the noise of a single answer divided
            by what truly differs between servers.
    """

    __slots__ = (
        "_between",
        "_count",
        "_noise",
        "_weight",
        "latency",
        "report",
        "reported_at",
        "service",
        "trust",
    )

    def __init__(self) -> None:
        self.latency, self.service, self.report, self.reported_at = 0.0, 0.0, 0.0, -1e9
        self.trust = 1.0
        self._noise = self._between = 0.0
        self._weight, self._count = 1.0, 0

    def learn(self, server: Estimate, latency: float, success: bool, now: float) -> None:
        """Take an answer of *server* after *latency* seconds."""
        mean = self.latency
        load = server.report + 1.0
        if success:
            count = self._count = self._count + 1
            mean = self.latency = mean + (latency - mean) * (STEP if count > 100 else 1.0 / count)
            if latency > LONGEST * mean:
                latency = LONGEST * mean
            service = latency / load
            self.service += (service - self.service) * (2.0 * STEP if count > 50 else 1.0 / count)
        else:
            if latency < FAILURE * mean:
                latency = FAILURE * mean
            service = max(latency / load, FAILURE * self.service)
        passed = server.at - now
        fade = exp(passed / LATENCY_MEMORY)
        weight = server.weight * fade
        if success and weight > 0.5:
            self._weigh(server.sum / server.weight, latency, weight)
        server.sum = server.sum * fade + latency
        server.weight = weight + 1.0
        fade = exp(passed / SERVICE_MEMORY)
        server.service_sum = server.service_sum * fade + service
        server.service_weight = server.service_weight * fade + 1.0
        server.at = now

    def _weigh(self, own: float, latency: float, weight: float) -> None:
        """Learn how much of what looks like a difference between servers is noise.

        An answer differs from its server's average by the noise and the average's own error, noise / weight; the
        server's average differs from the fleet's by what truly differs and the same error.
        """
        miss, apart = latency - own, own - self.latency
        self._noise += STEP * (miss * miss - self._noise)
        self._between += STEP * (apart * apart - self._between)
        self._weight += STEP * (weight - self._weight)
        noise = self._noise / (1.0 + 1.0 / self._weight)
        truth = self._between - noise / self._weight
        self.trust = MOST_TRUST if truth * MOST_TRUST <= noise else max(LEAST_TRUST, noise / truth)

    def reported(self, server: Estimate, in_flight: float, now: float) -> None:
        """Take a report of *server*."""
        self.report += (in_flight - self.report) * (0.02 if self.reported_at > 0.0 else 1.0)
        self.reported_at = now
        server.report, server.report_at = in_flight, now

"""What `auto` knows: of each server a few sums that fade, of the fleet the averages they are drawn towards."""

from __future__ import annotations

from math import exp
from typing import Any

__all__ = ["Estimate", "Estimates"]

LATENCY_MEMORY = 5.0
"""Seconds in which what is known of a latency falls to 1/e."""

ENOUGH = 30.0
"""Answers beyond which older ones are forgotten sooner than by `LATENCY_MEMORY`."""

SERVICE_MEMORY = 20.0
"""Seconds in which what is known of a service time falls to 1/e; it changes less than a queue does."""

REPORT_MEMORY = 0.5
"""Seconds in which a report falls to 1/e of its distance from the fleet's average."""

FAILURE = 20.0
"""Average latencies as which a failure counts at least."""

LONGEST = 5.0
"""Average latencies above which an answer counts as no longer: one huge request says little about its server."""

SUDDEN = 0.01
"""Chance that a server is gone for good, beside which the fleet's usual failures are weighed."""

RARELY = 0.0005
"""The least part of failures that is thought usual."""

BACK_OFF, LONGEST_BACK_OFF = 0.5, 10.0
"""Seconds until a server that failed is tried again; doubled with each failure in a row, up to the second."""

TURNS = 4.0
"""Turns of a server, by its fair share, that it is passed over after a failure, at least."""

LEAST_TRUST, MOST_TRUST = 0.2, 10.0
"""Bounds of the weight of the fleet's average, in answers."""

LEAST_TOLD, MOST_TOLD = 1e-6, 100.0
"""Bounds of the seconds that a probe may tell, so that an impossible figure is forgotten within some hundred probes."""

UNKNOWN = 0.001
"""Seconds as which all answers count before the first: any, as long as requests in flight make a difference."""

STEP = 0.01
"""Part by which one answer moves the fleet's averages, once there were a hundred."""


USUAL_STEP = 0.002
"""Part by which one answer moves the part of failures that is usual."""


class Estimate:
    """What is known of one server. Sums and weights fade with time; the average is drawn towards the fleet's.

    Attributes:
        at: Monotonic seconds up to which the sums are faded.
        board, place: Where `auto` keeps its score.
        doubt: Chance that it is gone, after failures in a row; 0 after an answer.
        fails: How many these were.
        heard: Monotonic seconds of its last answer that was no failure.
        until: Monotonic seconds at which it is tried again.
    """

    __slots__ = (
        "at",
        "board",
        "doubt",
        "fails",
        "heard",
        "place",
        "report",
        "report_at",
        "service_sum",
        "service_weight",
        "sum",
        "until",
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
        self.fails, self.doubt, self.until = 0, 0.0, 0.0
        self.heard = -1e9

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
        usual: Part of the requests that fail here and there, without a row of failures.
    """

    __slots__ = (
        "_between",
        "_count",
        "_noise",
        "_told",
        "_weight",
        "latency",
        "report",
        "reported_at",
        "service",
        "trust",
        "usual",
    )

    def __init__(self) -> None:
        self.usual = RARELY
        self.latency = self.service = UNKNOWN
        self.report, self.reported_at = 0.0, -1e9
        self.trust = 1.0
        self._noise = self._between = 0.0
        self._weight, self._count = 1.0, 0
        self._told = 0.0

    def learn(self, server: Estimate, latency: float, success: bool, now: float) -> None:
        """Take an answer of *server* after *latency* seconds."""
        mean = self.latency
        load = server.report + 1.0
        if success:
            if server.fails:
                self._recovered(server)
            server.heard = now
            self.usual += (RARELY - self.usual) * USUAL_STEP
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
        self._add(server, latency, service, now, success)

    def _add(self, server: Estimate, latency: float, service: float, now: float, is_sample: bool) -> None:
        """Add an answer to the sums of *server*, as they have faded; one that *is_sample* shows what is noise.

        An answer differs from its server's average by the noise and the average's own error, noise / weight; the
        server's average differs from the fleet's by what truly differs and the same error.
        """
        passed = server.at - now
        fade = exp(passed / LATENCY_MEMORY)
        weight = server.weight * fade
        if is_sample and weight > 0.5:
            own = server.sum / server.weight
            miss, apart = latency - own, own - self.latency
            self._noise += STEP * (miss * miss - self._noise)
            self._between += STEP * (apart * apart - self._between)
            self._weight += STEP * (weight - self._weight)
            noise = self._noise / (1.0 + 1.0 / self._weight)
            truth = self._between - noise / self._weight
            self.trust = MOST_TRUST if truth * MOST_TRUST <= noise else max(LEAST_TRUST, noise / truth)
        if weight > ENOUGH:
            # What many answers a second say is known well enough by the last of them, and a change is noticed sooner.
            fade *= ENOUGH / weight
            weight = ENOUGH
        server.sum = server.sum * fade + latency
        server.weight = weight + 1.0
        fade = exp(passed / SERVICE_MEMORY)
        weight = server.service_weight * fade
        if weight > 2.0 * ENOUGH:
            fade *= 2.0 * ENOUGH / weight
            weight = 2.0 * ENOUGH
        server.service_sum = server.service_sum * fade + service
        server.service_weight = weight + 1.0
        server.at = now

    def probed(self, server: Estimate, latency: float, in_flight: float, now: float) -> None:
        """Take the *latency* that *server* told a probe, as if one more answer had come.

        What it counts may differ from what is seen here, so only its ratio to the median of what servers tell is taken.
        An idle server that has become slow is known without a request.
        """
        usual, latency = self._told or latency, min(max(latency, LEAST_TOLD), MOST_TOLD)
        # Steps of the same size up and down end at the median, whatever a single server tells.
        usual *= 1.0 + STEP if latency > usual else 1.0 - STEP
        self._told = usual = min(max(usual, LEAST_TOLD), MOST_TOLD)
        if latency > LONGEST * usual:
            latency = LONGEST * usual
        latency = latency / usual * self.latency
        self._add(server, latency, latency / (in_flight + 1.0), now, is_sample=False)

    def failed(self, server: Estimate, latency: float, now: float, drawn: float) -> None:
        """Doubt *server* after a failure that took *latency*, the more the less usual failures are.

        *drawn* is a random number, 0-1. What fails slowly is tried again less soon.

        By Bayes: a server that is gone fails always, one that is well as often as is usual. So the odds that it is
        gone grow with each failure in a row by what one divided by the usual part is.
        """
        if not server.fails:
            self.usual += (1.0 - self.usual) * USUAL_STEP
        if latency > LONGEST * self.latency and server.heard > now - latency:
            # It took too long for this one and answered others meanwhile: too much to do, but not gone.
            return
        server.fails = fails = server.fails + 1
        server.doubt = SUDDEN / (SUDDEN + self.usual ** min(fails, 8))
        # A server whose turn comes rarely is tried rarely: what fails must not get a good part of its share by trials.
        first = max(BACK_OFF, 4.0 * latency, TURNS * LATENCY_MEMORY / self._weight)
        back_off = min(max(first, LONGEST_BACK_OFF), first * 2.0 ** min(fails - 1, 8))
        server.until = now + back_off * (0.75 + 0.5 * drawn)

    @staticmethod
    def _recovered(server: Estimate) -> None:
        """Doubt *server* no more; one that was gone is another one now, of which nothing is known."""
        if server.fails > 1:
            server.forget()
        server.fails, server.doubt = 0, 0.0

    def reported(self, server: Estimate, in_flight: float, now: float) -> None:
        """Take a report of *server*."""
        self.report += (in_flight - self.report) * (0.02 if self.reported_at > 0.0 else 1.0)
        self.reported_at = now
        server.report, server.report_at = in_flight, now

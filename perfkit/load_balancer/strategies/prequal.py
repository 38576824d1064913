"""Prequal: servers are probed ahead of time, and the probes compared: cold before hot, then the shorter latency.

Source: Wydrowski, Kleinberg, Rumble and Archer, "Load is not what you should balance: introducing Prequal", NSDI
2024. A probe tells the requests in flight and the latency at that load. Those above a quantile of the requests in
flight that were seen are hot; the cold one with the least latency is chosen, else the hot one with the fewest in
flight. Deviations: the paper's figures are for hundreds of clients with thousands of requests a second; with the
rates of one Python process, probes a second old send everybody to the same server. So a probe is used once, is
forgotten after 0.2 s or four latencies, and the quantile is 0.5. Reports on answers go to the same pool. A server
that failed lately is not chosen by its probe, as one that fails at once is always the least busy.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Hashable, Sequence

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.reports.report import LoadReport
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.power_of_two import PowerOfTwo

__all__ = ["POOL", "Prequal"]

POOL = 16
"""Probes that are kept."""

AGE, LATENCIES = 0.2, 4.0
"""Seconds, and average latencies, after which a probe is forgotten: the longer of the two."""

HOT = 0.5
"""Quantile of the requests in flight above which a server is hot."""

SEEN = 64
"""Reports of which the quantile is taken."""


class Probe:
    """The answer of one probe."""

    __slots__ = ("at", "in_flight", "latency", "server")

    def __init__(self, server: Server, in_flight: float, latency: float, at: float) -> None:
        self.server, self.in_flight, self.latency, self.at = server, in_flight, latency, at


class Prequal:
    """The best of the servers probed lately; two at random where fewer than two were."""

    def __init__(self) -> None:
        """Know nothing."""
        self._pool: deque[Probe] = deque(maxlen=POOL)
        self._seen: deque[float] = deque()
        self._ordered: list[float] = []
        self._latency = 0.0
        self._turn = 0
        self._order: list[str] = []

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        anyone = PowerOfTwo().prepare(group)
        members = frozenset(map(id, group.servers))
        self._order = [server.name for server in group.servers]
        group.rng.shuffle(self._order)

        def pick(now: float, key: Hashable | None) -> Server:
            limit = now - max(AGE, LATENCIES * self._latency)
            pool = self._pool
            probes = [probe for probe in list(pool) if probe.at >= limit and id(probe.server) in members]
            probes = [probe for probe in probes if not probe.server.penalty]
            if len(probes) < 2:
                return anyone(now, key)
            best = self._best(probes)
            try:
                pool.remove(best)
            except ValueError:
                # Another thread has used it at the same moment; it saw the same load.
                return best.server
            return best.server

        return pick

    def _best(self, probes: Sequence[Probe]) -> Probe:
        ordered = self._ordered
        hot = ordered[int(HOT * (len(ordered) - 1))] if ordered else 0.0
        best, least, is_cold = probes[0], 0.0, False
        for number, probe in enumerate(probes):
            busy = probe.in_flight
            cold = busy <= hot
            cost = probe.latency if cold else busy
            if not number or (cold and not is_cold) or (cold is is_cold and cost < least):
                best, least, is_cold = probe, cost, cold
        return best

    def observe(self, server: Server, latency: float, success: bool, now: float) -> None:
        """Learn how long an answer takes."""
        if success:
            self._latency += 0.02 * (latency - self._latency) if self._latency else latency

    def on_report(self, server: Server, report: LoadReport, now: float, is_probe: bool) -> None:
        """Put a report into the pool, in the place of an older one of the same server."""
        in_flight = report.in_flight
        if in_flight is None:
            return
        seen, ordered = self._seen, self._ordered
        if len(seen) >= SEEN:
            old = seen.popleft()
            self._ordered = ordered = [*ordered]
            if old in ordered:
                ordered.remove(old)
        seen.append(in_flight)
        insort(ordered, in_flight)
        latency = self._latency * (in_flight + 1.0) if report.latency is None else report.latency
        self._pool.append(Probe(server, in_flight, latency, now))

    def probe_targets(self, count: int, servers: Sequence[Server]) -> list[str]:
        """Return the next servers in turn, in an order of this client's own."""
        order = self._order
        if not order:
            return []
        turn, self._turn = self._turn, self._turn + count
        return [order[(turn + step) % len(order)] for step in range(min(count, len(order)))]

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

SORTED_EVERY = 8
"""Reports from one look at the quantile to the next."""


Probe = tuple[float, float, float, Server]
"""The answer of one probe: when it came, requests in flight, seconds, and who gave it. A plain tuple, as it is the
cheapest that can be made for each probe and taken apart for each pick."""


class Prequal:
    """The best of the servers probed lately; two at random where fewer than two were."""

    def __init__(self) -> None:
        """Know nothing."""
        self._pool: deque[Probe] = deque(maxlen=POOL)
        self._seen: deque[float] = deque(maxlen=SEEN)
        self._until_sorted = 0
        self._hot = 0.0
        self._latency = 0.0
        self._turn = 0
        self._order: list[str] = []

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        anyone = PowerOfTwo().prepare(group)
        members = frozenset(map(id, group.servers))
        self._order = [server.name for server in group.servers]
        group.rng.shuffle(self._order)
        pool = self._pool

        def pick(now: float, key: Hashable | None) -> Server:
            limit, hot = now - max(AGE, LATENCIES * self._latency), self._hot
            best, least, is_cold, count = None, 0.0, False, 0
            # A list: a tuple is made after its iterator, and a collection in between may let another thread append.
            for probe in list(pool):
                at, busy, latency, server = probe
                if at < limit or server.penalty or id(server) not in members:
                    continue
                count += 1
                if busy <= hot:
                    if not is_cold or latency < least:
                        best, least, is_cold = probe, latency, True
                elif not is_cold and (best is None or busy < least):
                    best, least = probe, busy
            if best is None or count < 2:
                return anyone(now, key)
            try:
                pool.remove(best)
            except ValueError:
                # Another thread has used it at the same moment; it saw the same load.
                return best[3]
            return best[3]

        return pick

    def observe(self, server: Server, latency: float, success: bool, now: float) -> None:
        """Learn how long an answer takes."""
        if success:
            self._latency += 0.02 * (latency - self._latency) if self._latency else latency

    def on_report(self, server: Server, report: LoadReport, now: float, is_probe: bool) -> None:
        """Put a report into the pool, in the place of the oldest."""
        in_flight = report.in_flight
        if in_flight is None:
            return
        seen = self._seen
        seen.append(in_flight)
        self._until_sorted -= 1
        if self._until_sorted <= 0:
            # One report moves the quantile of 64 hardly at all; the first ones do.
            self._until_sorted = min(SORTED_EVERY, len(seen) // 4)
            ordered = sorted(seen)  # others report meanwhile
            self._hot = ordered[int(HOT * (len(ordered) - 1))]
        latency = self._latency * (in_flight + 1.0) if report.latency is None else report.latency
        self._pool.append((now, in_flight, latency, server))

    def probe_targets(self, count: int, servers: Sequence[Server]) -> list[str]:
        """Return the next servers in turn, in an order of this client's own."""
        order = self._order
        if not order:
            return []
        turn, self._turn = self._turn, self._turn + count
        return [order[(turn + step) % len(order)] for step in range(min(count, len(order)))]

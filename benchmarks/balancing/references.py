"""What the field does, written down plainly: the references that `auto` is held against.

Each has the calls of a LoadBalancer that the simulation uses. With *health* a reference also has what a careful team
puts around it: ejection after five failures in a row or half of eight within 5 s, for 5 s times their number, at most
half of the fleet; active checks; slow start of 5 s; retries within a budget of a fifth. Sources: notes in
docs/explanation/balancing.md.
"""

from __future__ import annotations

import math
import random
from collections import deque
from typing import Any

__all__ = ["REFERENCES", "Reference"]


class Site:
    """What a client knows of one server."""

    def __init__(self, name: str, weight: float) -> None:
        self.name, self.weight = name, weight
        self.own = 0
        self.cost, self.at = 0.0, 0.0
        self.seen = False
        self.report, self.report_at = 0.0, -1e9
        self.streak = self.ejections = 0
        self.until = 0.0
        self.back_at = -1e9
        self.window: deque[tuple[float, bool]] = deque()
        self.is_up, self.is_draining = True, False
        self.current = 0.0


class Lease:
    """A picked server."""

    def __init__(self, balancer: Reference, site: Site) -> None:
        self.balancer, self.server = balancer, site

    def release(self, success: bool = True, latency: float = 0.0, report: Any = None) -> None:
        self.balancer.done(self.server, success, latency, report)


class Budget:
    """A fifth of the requests, and ten at the start."""

    def __init__(self) -> None:
        self.tokens = 10.0

    def try_acquire(self) -> bool:
        if self.tokens < 1.2:
            return False
        self.tokens -= 1.2
        return True


class Reference:
    """Random choice; the others override `pick` and `learn`."""

    health = False

    def __init__(self, *, clock: Any, rng: random.Random) -> None:
        self.clock, self.rng = clock, rng
        self.sites: list[Site] = []
        self.by_name: dict[str, Site] = {}
        self.retry_budget = Budget()

    def add_server(self, name: str, *, host: str, port: int, weight: float = 1) -> None:
        site = self.by_name[name] = Site(name, weight)
        self.sites.append(site)
        self.rng.shuffle(self.sites)

    def drain_server(self, name: str) -> None:
        if self.health:
            self.by_name[name].is_draining = True

    def restore_server(self, name: str) -> None:
        site = self.by_name[name]
        if self.health:
            site.is_draining, site.back_at = False, self.clock.now
            site.until = site.streak = 0

    def set_health(self, name: str, healthy: bool) -> None:
        site = self.by_name[name]
        if self.health and healthy and not site.is_up:
            site.back_at = self.clock.now
        site.is_up = healthy

    def probe_targets(self, count: int) -> list[str]:
        return []

    def record_probe(self, name: str, *, in_flight: float, latency: float) -> None:
        """Take the answer of a probe."""

    def acquire(self, key: str | None = None) -> Lease:
        now = self.clock.now
        self.retry_budget.tokens = min(60.0, self.retry_budget.tokens + 0.2)
        sites = self.sites
        if self.health:
            sites = self.eligible(now)
        site = self.pick(sites, key, now)
        if self.health and now - site.back_at < 5.0 and self.rng.random() > max(0.1, (now - site.back_at) / 5.0):
            site = self.pick(sites, key, now)
        site.own += 1
        return Lease(self, site)

    def eligible(self, now: float) -> list[Site]:
        for site in self.sites:
            if site.until and site.until <= now:
                site.until, site.back_at, site.streak = 0.0, now, 4
                site.window.clear()
        there = [site for site in self.sites if not site.is_draining]
        well = [site for site in there if site.is_up and not site.until]
        return well if 2 * len(well) >= len(self.sites) else there

    def done(self, site: Site, success: bool, latency: float, report: Any) -> None:
        now = self.clock.now
        site.own -= 1
        if report is not None:
            site.report, site.report_at = report["in_flight"], now
        self.learn(site, success, latency, now)
        if self.health:
            self.judge(site, success, now)

    def judge(self, site: Site, success: bool, now: float) -> None:
        site.streak = 0 if success else site.streak + 1
        window = site.window
        window.append((now, success))
        while window and window[0][0] < now - 5.0:
            window.popleft()
        bad = sum(1 for _, well in window if not well)
        if site.until or not (site.streak >= 5 or (len(window) >= 8 and 2 * bad >= len(window))):
            return
        if 2 * sum(1 for each in self.sites if each.until) < len(self.sites):
            site.ejections += 1
            site.until = now + 5.0 * site.ejections

    def learn(self, site: Site, success: bool, latency: float, now: float) -> None:
        """Take notice of an answer."""

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        return sites[int(self.rng.random() * len(sites))]


class RoundRobin(Reference):
    """In turn, from a random start."""

    turn = -1

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        if self.turn < 0:
            self.turn = int(self.rng.random() * len(sites))
        self.turn += 1
        return sites[self.turn % len(sites)]


class SmoothWeighted(Reference):
    """nginx's smooth weighted round robin."""

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        for site in sites:
            site.current += site.weight
        best = max(sites, key=lambda site: site.current)
        best.current -= sum(site.weight for site in sites)
        return best


class LeastConnections(Reference):
    """Fewest requests of its own per weight, ties at random."""

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        rng = self.rng
        return min(sites, key=lambda site: ((site.own + 1) / site.weight, rng.random()))


class PowerOfTwo(Reference):
    """The better of two."""

    def score(self, site: Site, now: float) -> float:
        return (site.own + 1) / site.weight

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        count = len(sites)
        first = int(self.rng.random() * count)
        second = int(self.rng.random() * (count - 1))
        one, two = sites[first], sites[second + (second >= first)]
        return one if self.score(one, now) <= self.score(two, now) else two


class PeakEwma(PowerOfTwo):
    """Finagle's."""

    def score(self, site: Site, now: float) -> float:
        cost = site.cost * math.exp(-(now - site.at) / 10.0)
        return 1e6 + site.own if not site.seen and site.own else cost * (site.own + 1)

    def learn(self, site: Site, success: bool, latency: float, now: float) -> None:
        w = math.exp(-(now - site.at) / 10.0)
        cost = site.cost * w + latency * (1 - w)
        site.cost, site.at, site.seen = max(cost, latency) if latency > site.cost else cost, now, True


class LeastResponseTime(Reference):
    """Own in flight times an average of latencies, over all."""

    step, penalty = 0.3, 0.0

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        rng = self.rng
        return min(sites, key=lambda site: ((site.own + 1) * (site.cost or 0.01), rng.random()))

    def learn(self, site: Site, success: bool, latency: float, now: float) -> None:
        if not success:
            latency = max(latency, self.penalty)
        site.cost = site.cost + self.step * (latency - site.cost) if site.seen else latency
        site.at, site.seen = now, True


class LeastResponseTimeSlow(LeastResponseTime):
    """The same with a longer memory."""

    step = 0.1


class EwmaScan(LeastResponseTime):
    """The same with decay in time and a penalty for failures."""

    penalty, tau = 1.0, 3.0

    def learn(self, site: Site, success: bool, latency: float, now: float) -> None:
        if not success:
            latency = max(latency, self.penalty)
        w = math.exp(-(now - site.at) / self.tau) if site.seen else 0.0
        site.cost = site.cost * w + latency * (1 - w)
        site.at, site.seen = now, True


class C3(Reference):
    """Suresh et al., NSDI 2015: cubic in the estimated queue; needs reports."""

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        rng, clients = self.rng, len(self.sites)

        def score(site: Site) -> tuple[float, float]:
            queue = 1 + site.own * clients * 0.2 + site.report
            return (queue**3 * max(site.current, 0.005) + site.cost, rng.random())

        return min(sites, key=score)

    def learn(self, site: Site, success: bool, latency: float, now: float) -> None:
        if not success:
            latency = max(latency, 1.0)
        site.cost += 0.3 * (latency - site.cost)
        site.current += 0.3 * (latency / (site.report + 1) - site.current)


class Piggyback(Reference):
    """In flight at the server, told with each answer and forgotten within a second, times a latency average."""

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        rng = self.rng
        known = [site for site in sites if site.report_at > -1e8]
        mean = sum(site.report for site in known) / len(known) if known else 0.0

        def score(site: Site) -> tuple[float, float]:
            w = 0.5 ** ((now - site.report_at) / 0.5)
            return ((mean + (site.report - mean) * w + 1 + 0.5 * site.own) * (site.cost or 0.01), rng.random())

        return min(sites, key=score)

    def learn(self, site: Site, success: bool, latency: float, now: float) -> None:
        if not success:
            latency = max(latency, 1.0)
        w = math.exp(-(now - site.at) / 5.0) if site.seen else 0.0
        site.cost = site.cost * w + latency * (1 - w)
        site.at, site.seen = now, True


class Prequal(Reference):
    """Wydrowski et al., NSDI 2024: probes, hot and cold by a quantile of requests in flight."""

    quantile, age, reuse = 0.84, 1.0, 2

    def __init__(self, *, clock: Any, rng: random.Random) -> None:
        super().__init__(clock=clock, rng=rng)
        self.pool: list[list[Any]] = []
        self.seen: deque[float] = deque(maxlen=128)
        self.oldest = False

    def probe_targets(self, count: int) -> list[str]:
        sites = self.sites
        return [sites[int(self.rng.random() * len(sites))].name for _ in range(count)]

    def record_probe(self, name: str, *, in_flight: float, latency: float) -> None:
        self.pool.append([self.by_name[name], in_flight, latency, self.clock.now, 0])
        self.seen.append(in_flight)
        if len(self.pool) > 16:
            self.pool.pop(0)

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        allowed = {site.name for site in sites}
        pool = [probe for probe in self.pool if now - probe[3] < self.age and probe[4] < self.reuse]
        self.pool = pool
        pool = [probe for probe in pool if probe[0].name in allowed]
        if len(pool) < 2:
            return super().pick(sites, key, now)
        ordered = sorted(self.seen)
        limit = ordered[int(self.quantile * (len(ordered) - 1))]
        cold = [probe for probe in pool if probe[1] <= limit]
        best = min(cold, key=lambda probe: probe[2]) if cold else min(pool, key=lambda probe: probe[1])
        best[1] += 1
        best[4] += 1
        self.oldest = not self.oldest
        if len(self.pool) > 1:
            self.pool.remove(self.pool[0] if self.oldest else max(self.pool, key=lambda probe: (probe[1], probe[2])))
        return best[0]


class PrequalTuned(Prequal):
    """The same with younger probes, used once."""

    quantile, age, reuse = 0.5, 0.2, 1


class Ring(Reference):
    """Consistent hashing: 160 points a server."""

    bound = 0.0

    def points(self) -> list[tuple[int, Site]]:
        if not hasattr(self, "_points"):
            import hashlib

            self._points = sorted(
                (int.from_bytes(hashlib.md5(f"{site.name}-{n}".encode()).digest()[:8], "big"), id(site), site)
                for site in self.sites
                for n in range(160)
            )
        return self._points

    def pick(self, sites: list[Site], key: str | None, now: float) -> Site:
        import hashlib
        from bisect import bisect_left

        if key is None:
            return super().pick(sites, key, now)
        allowed = {site.name for site in sites}
        points = self.points()
        start = bisect_left(points, (int.from_bytes(hashlib.md5(key.encode()).digest()[:8], "big"), 0))
        total = sum(site.own for site in sites) + 1
        for step in range(len(points)):
            site = points[(start + step) % len(points)][2]
            if site.name in allowed and (not self.bound or site.own < math.ceil(self.bound * total / len(sites))):
                return site
        return super().pick(sites, key, now)


class RingBounded(Ring):
    """The same with bounded load."""

    bound = 1.25


def _healthy(kind: type[Reference]) -> type[Reference]:
    return type(f"{kind.__name__}Healthy", (kind,), {"health": True})


_PLAIN: dict[str, type[Reference]] = {
    "random": Reference,
    "round robin": RoundRobin,
    "smooth weighted": SmoothWeighted,
    "least connections": LeastConnections,
    "power of two": PowerOfTwo,
    "peak EWMA": PeakEwma,
    "least response time": LeastResponseTime,
    "least response, slow": LeastResponseTimeSlow,
    "EWMA scan": EwmaScan,
    "C3": C3,
    "piggyback": Piggyback,
    "prequal": Prequal,
    "prequal, tuned": PrequalTuned,
    "ring": Ring,
    "ring, bounded": RingBounded,
}

REFERENCES: dict[str, type[Reference]] = {
    **_PLAIN,
    **{f"{name} +h": _healthy(kind) for name, kind in _PLAIN.items() if name not in ("ring", "ring, bounded")},
}
"""By name; those with ``+h`` have what a careful team puts around them."""

REPORTS = ("C3", "piggyback")
PROBES = ("prequal", "prequal, tuned")

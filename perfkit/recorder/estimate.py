"""What a change would do to a route: its percentiles now, and as they would be. Pure.

The histogram of a route says how long its requests took, all of them; the kept exchanges say what each of a few did.
So each bucket of the histogram is moved as the kept exchanges were that took about as long: the nearest of them by
the ratio of durations, each with an equal part of the bucket. Slow requests are kept on purpose and usual ones by a
sample, so both ends have their own. What was in the middle of a bucket is known to 6 %; the same error is on both
sides, and the estimate is scaled by the percentile that the histogram itself gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from perfkit.store.quantiles import quantile

__all__ = ["Estimate", "Moved", "cached", "estimated", "hit_ratio"]

NEAREST, FEWEST = 15, 3
"""Kept exchanges that a bucket is moved by: a quarter of them, of these bounds. Of 3, 7, 15, 25 and 40 the one with the
least error in median and p95 where some 70 are kept; where few are, as many would mix quick ones with slow ones."""

LEAST_REQUESTS = 20
"""Requests in a histogram below which it says nothing of percentiles."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a change is expected to do to one route.

    Attributes:
        route: Method and template.
        subject: What would be gone: a call site, the name of a span, or the whole route for a cache.
        requests: Requests that the percentiles are of.
        exchanges: Kept exchanges that the estimate is made from.
        affected: Part of the requests that would be faster, 0-1.
        p50, p95: Seconds as they are.
        p50_after, p95_after: Seconds as they would be.
        seconds_saved: Of a request, on average.
        share_saved: Part of all time of this route, 0-1.
        rate: Requests a second; 0 where that is not known.
        basis: What it is estimated from, for people.
    """

    route: str
    subject: str
    requests: int
    exchanges: int
    affected: float
    p50: float
    p95: float
    p50_after: float
    p95_after: float
    seconds_saved: float
    share_saved: float
    rate: float = 0.0
    basis: str

    @property
    def seconds_saved_per_minute(self) -> float:
        """Seconds of all requests of a minute."""
        return 60.0 * self.rate * self.seconds_saved

    @property
    def sentence(self) -> str:
        """The estimate in words."""
        return (
            f"Without {self.subject}, p95 of {self.route} falls from {_told(self.p95)} to {_told(self.p95_after)}."
            if self.p95_after < self.p95
            else f"Without {self.subject}, p95 of {self.route} stays at {_told(self.p95)}."
        )

    def figures(self) -> dict[str, float]:
        """Return what `Finding.estimate` takes."""
        return {
            "seconds_saved": self.seconds_saved,
            "seconds_saved_per_minute": self.seconds_saved_per_minute,
            "p95_from": self.p95,
            "p95_to": self.p95_after,
        }


class Moved(msgspec.Struct, frozen=True):
    """A kept exchange: its seconds, and what they would have been."""

    seconds: float
    after: float


def estimated(
    route: str,
    subject: str,
    moved: Sequence[Moved],
    boundaries: Sequence[float],
    counts: Sequence[float],
    total: float,
    *,
    rate: float = 0.0,
) -> Estimate | None:
    """Return the estimate for *route*; None where nothing is kept of it.

    Args:
        moved: Its kept exchanges.
        boundaries, counts: The histogram of its requests; without enough of them the kept ones stand for all.
        total: The sum of the histogram, seconds.
        rate: Requests a second.
    """
    usable = [each for each in moved if each.seconds > 0.0]
    if not usable:
        return None
    requests = int(sum(counts))
    if requests < LEAST_REQUESTS:
        # Slow ones are kept on purpose, so of these alone the percentiles are too high, before and after.
        values = [(each.seconds, each.after, 1.0) for each in usable]
        mean = sum(each.seconds for each in usable) / len(usable)
        basis = f"{len(usable)} kept requests; too few others to know the usual"
    else:
        values = _spread(usable, boundaries, counts)
        mean = total / requests
        basis = f"the times of {requests} requests; how each would change is known of {len(usable)} kept ones"
    before, after = ([(value[side], value[2]) for value in values] for side in (0, 1))
    now = [_weighted(before, q) for q in (0.5, 0.95)]
    then = [_weighted(after, q) for q in (0.5, 0.95)]
    shown = now if requests < LEAST_REQUESTS else [quantile(boundaries, counts, q) for q in (0.5, 0.95)]
    weight = sum(value[2] for value in values)
    spent = sum(value[0] * value[2] for value in values)
    share = 1.0 - sum(value[1] * value[2] for value in values) / spent
    return Estimate(
        route=route,
        subject=subject,
        requests=requests or len(usable),
        exchanges=len(usable),
        affected=sum(value[2] for value in values if value[1] < value[0] * 0.999) / weight,
        p50=shown[0],
        p95=shown[1],
        p50_after=then[0] * shown[0] / now[0],
        p95_after=then[1] * shown[1] / now[1],
        seconds_saved=mean * share,
        share_saved=share,
        rate=rate,
        basis=basis,
    )


def cached(
    route: str,
    ratio: float,
    hit_seconds: float,
    boundaries: Sequence[float],
    counts: Sequence[float],
    total: float,
    *,
    rate: float = 0.0,
    subject: str = "",
) -> Estimate | None:
    """Return the estimate for a response cache that answers *ratio* (0-1) of the requests in *hit_seconds*.

    Which requests it answers is not known, so it is taken to be any of them alike. None without enough requests.
    """
    requests = int(sum(counts))
    if requests < LEAST_REQUESTS:
        return None
    middles = [(_middle(boundaries, bucket), count) for bucket, count in enumerate(counts) if count > 0.0]
    after = [(seconds, count * (1.0 - ratio)) for seconds, count in middles]
    after += [(min(hit_seconds, seconds), count * ratio) for seconds, count in middles]
    now = [_weighted(middles, q) for q in (0.5, 0.95)]
    then = [_weighted(after, q) for q in (0.5, 0.95)]
    shown = [quantile(boundaries, counts, q) for q in (0.5, 0.95)]
    spent = sum(seconds * count for seconds, count in middles)
    share = 1.0 - sum(seconds * count for seconds, count in after) / spent
    return Estimate(
        route=route,
        subject=subject or f"the {100.0 * ratio:.0f} % of the requests that a cache would answer",
        requests=requests,
        exchanges=0,
        affected=ratio,
        p50=shown[0],
        p95=shown[1],
        p50_after=min(shown[0], then[0] * shown[0] / now[0]),
        p95_after=min(shown[1], then[1] * shown[1] / now[1]),
        seconds_saved=total / requests * share,
        share_saved=share,
        rate=rate,
        basis=f"the histogram of {requests} requests, any of which may be a hit",
    )


def hit_ratio(rate: float, ttl: float, *, urls: int = 1, repeat_ratio: float = 1.0) -> float:
    """Return the part of requests that a cache of *ttl* seconds answers, 0-1.

    Requests that come by chance at the rate r to one URL find it r ttl times between two misses, so r ttl / (1 + r ttl)
    of them are hits (Jung, Berger and Balakrishnan, "Modeling TTL-based Internet caches", 2003, for Poisson arrivals).

    Args:
        rate: Requests a second of the route.
        urls: Different URLs that share them, alike.
        repeat_ratio: Part of the requests whose answer may be given again, as the cache's sample says.
    """
    met = rate / max(1, urls) * ttl
    return repeat_ratio * met / (1.0 + met)


def _spread(
    moved: Sequence[Moved], boundaries: Sequence[float], counts: Sequence[float]
) -> list[tuple[float, float, float]]:
    """Return (seconds, seconds after, weight) for each bucket and each of the kept exchanges nearest to it."""
    found, most = [], min(NEAREST, max(FEWEST, len(moved) // 4))
    for bucket, count in enumerate(counts):
        if count > 0.0:
            middle = _middle(boundaries, bucket)
            near = sorted(moved, key=lambda each, at=middle: abs(math.log(each.seconds / at)))[:most]  # type: ignore[misc]  # a default of a lambda
            found += [(middle, middle * each.after / each.seconds, count / len(near)) for each in near]
    return found


def _middle(boundaries: Sequence[float], bucket: int) -> float:
    if bucket >= len(boundaries):
        return boundaries[-1]
    low = boundaries[bucket - 1] if bucket else boundaries[0] / 2.0
    return math.sqrt(low * boundaries[bucket])


def _weighted(values: Sequence[tuple[float, float]], q: float) -> float:
    """Return the value below which the weight *q* of all lies."""
    rank, below = q * sum(weight for _, weight in values), 0.0
    for value, weight in sorted(values):
        below += weight
        if below >= rank:
            return value
    return max(value for value, _ in values)


def _told(seconds: float) -> str:
    return f"{seconds * 1000.0:.0f} ms" if seconds < 1.0 else f"{seconds:.2f} s"

"""Which routes would gain from a response cache: the same answer again and again, to a safe method, often.

Fed with a sample of the exchanges of a worker: one in N has its body digested. For each route some URLs are followed,
the first that the sample meets; another URL takes the place of one that was not met for long. The share of samples in
which the URL's digest was the same as at the sample before says whether keeping does harm: each such pair says that the
response did not change between two requests.

What a cache would answer follows from how often each URL is asked for. Between two misses of a URL that is asked r
times a second, a time to live T has r T hits, so r T / (1 + r T) of its requests are hits (Jung, Berger and
Balakrishnan, "Modeling TTL-based Internet caches", 2003, for Poisson arrivals). Deviation: those that come while the
app makes the answer, L seconds, wait for it and are no hits, so it is r T / (1 + r T + r L). Of a URL met n times since
it was met first, n - 1 times is what its rate is taken from: so the estimate of a rate is not biased by having begun
with a request. Requests to URLs that are not followed, and those whose responses must not be kept, are misses.

All is bounded: routes, URLs, and texts, of which only digests are kept.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from perfkit.cache.http.fields import directives, joined

if TYPE_CHECKING:
    from perfkit.cache.http.cache import HttpCache
    from perfkit.cache.http.request import CacheRequest

__all__ = ["Candidate", "Candidates", "Sample"]

MAX_ROUTES = 200
URLS_OF_A_ROUTE = 250
MAX_URLS = 10_000
"""URLs followed of all routes together."""

LEAST_PAIRS = 20
"""Pairs of samples of one URL that a judgement needs."""

TIMES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Seconds that may be advised to keep a response for."""

NEARLY_ALL = 0.9
"""Part of the hits that the longest of them would have from which a shorter one is advised: what is kept is younger."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A route whose responses could be cached.

    Attributes:
        route: ``GET`` and the template, as `cache.http_cache` wants it.
        repeat_ratio: Part of the samples in which a URL answered as it did before, 0-1.
        rate: Requests a second, estimated from the sample.
        seconds: What a response takes on average.
        ttl: Seconds that a response stayed the same, on average.
        keep_for: Seconds to keep responses for: the shortest time with nearly all of the hits, half of `ttl` at most.
        hit_ratio: Part of the requests that a cache would answer then, 0-1.
        outdated: Part of these answers that would be older than what the app would have said, 0-1.
        saved: Seconds of the app's work that a cache would save in each second, estimated.
        samples: Exchanges that this is based on.
    """

    route: str
    repeat_ratio: float
    rate: float
    seconds: float
    ttl: float
    keep_for: float
    hit_ratio: float
    outdated: float
    saved: float
    samples: int


class _Url:
    """One URL: its last digest, since when it is so, when it was met first and last, and how often."""

    __slots__ = ("began_at", "digest", "met", "met_at", "since")

    def __init__(self, digest: int, now: float) -> None:
        self.digest, self.since, self.met_at, self.began_at, self.met = digest, now, now, now, 1


class _Route:
    """What the sample says about one route."""

    __slots__ = ("began_at", "changes", "pairs", "passed", "repeats", "samples", "seconds", "stayed", "urls")

    def __init__(self, now: float) -> None:
        self.urls: OrderedDict[int, _Url] = OrderedDict()
        self.began_at = now
        self.samples = self.passed = self.pairs = self.repeats = self.changes = 0
        self.seconds = self.stayed = 0.0

    def hit_ratio(self, seconds: float, one_in: int, now: float) -> float:
        """Return the part of its requests that are hits if responses are kept for *seconds*."""
        hits, made_in = 0.0, self.seconds / max(self.samples, 1)
        for url in self.urls.values():
            rate = (url.met - 1) * one_in / max(now - url.began_at, 1e-9)
            hits += url.met * rate * seconds / (1.0 + rate * (seconds + made_in))
        return hits / (self.samples + self.passed)


class Candidates:
    """The routes of one worker. Thread-safe."""

    __slots__ = ("_lock", "_one_in", "_routes", "_urls")

    def __init__(self, one_in: int = 100) -> None:
        """Be told of one in *one_in* exchanges."""
        self._one_in = one_in
        self._lock = threading.Lock()
        self._routes: dict[str, _Route] = {}
        self._urls = 0

    def pass_by(self, route: str, now: float) -> None:
        """Take a sample of *route* that no cache may keep, at *now* (monotonic seconds)."""
        with self._lock:
            known = self._known(route, now)
            if known is not None:
                known.passed += 1

    def note(self, route: str, url: str, body: bytes, seconds: float, now: float) -> None:
        """Take a sample: the whole *body* of a 200 to a GET that says neither Set-Cookie nor private.

        Args:
            route: Full template.
            url: What tells the response from others of the route: path, query, and who asks if that matters.
            seconds: What the app took.
            now: Monotonic seconds.
        """
        with self._lock:
            self._note(route, url, body, seconds, now)

    def _note(self, route: str, url: str, body: bytes, seconds: float, now: float) -> None:
        known = self._known(route, now)
        if known is None:
            return
        known.samples += 1
        known.seconds += seconds
        # Only compared within this process, so the interpreter's own hash of bytes does, and is the cheapest.
        name, digest = hash(url), hash(body)
        seen = known.urls.get(name)
        if seen is None:
            self._follow(known, name, digest, now)
            return
        known.urls.move_to_end(name)
        known.pairs += 1
        seen.met += 1
        seen.met_at = now
        if seen.digest == digest:
            known.repeats += 1
        else:
            known.changes += 1
            known.stayed += now - seen.since
            seen.digest, seen.since = digest, now

    def _known(self, name: str, now: float) -> _Route | None:
        known = self._routes.get(name)
        if known is None and len(self._routes) < MAX_ROUTES:
            known = self._routes[name] = _Route(now)
        return known

    def _follow(self, route: _Route, name: int, digest: int, now: float) -> None:
        urls = route.urls
        if len(urls) < URLS_OF_A_ROUTE:
            if self._urls >= MAX_URLS:
                return
            self._urls += 1
        else:
            oldest = next(iter(urls))
            # A URL needs time to come again: one that is met seldom is given ten times the mean distance of samples.
            patience = 10.0 * URLS_OF_A_ROUTE * (now - route.began_at) / max(route.samples, 1)
            if now - urls[oldest].met_at < patience:
                return
            del urls[oldest]
        urls[name] = _Url(digest, now)

    def found(self, now: float, *, least_ratio: float = 0.5, least_rate: float = 0.1) -> list[Candidate]:
        """Return the routes that would gain, those that would gain most first.

        Args:
            least_ratio: Part of the samples that must be repeats.
            least_rate: Requests a second from which a route matters.
        """
        with self._lock:
            judged = [self._judged(name, route, now) for name, route in self._routes.items()]
        found = [each for each in judged if each and each.repeat_ratio >= least_ratio and each.rate >= least_rate]
        return sorted(found, key=lambda each: each.saved, reverse=True)

    def of(self, route: str, now: float) -> Candidate | None:
        """Return what is known of *route*, ``GET`` and the template; None for too little."""
        method, _, name = route.partition(" ")
        with self._lock:
            known = self._routes.get(name) if method == "GET" else None
            return None if known is None else self._judged(name, known, now)

    def _judged(self, name: str, route: _Route, now: float) -> Candidate | None:
        if route.pairs < LEAST_PAIRS:
            return None
        ratio = route.repeats / max(route.samples - len(route.urls), route.pairs)
        rate = (route.samples + route.passed) * self._one_in / max(now - route.began_at, 1.0)
        seconds = route.seconds / route.samples
        still = sum(url.met_at - url.since for url in route.urls.values())
        ttl = (route.stayed + still) / max(route.changes + len(route.urls), 1)
        ratios = {each: route.hit_ratio(each, self._one_in, now) for each in TIMES if each <= max(ttl / 2.0, TIMES[0])}
        keep_for = next(each for each, hits in ratios.items() if hits >= NEARLY_ALL * max(ratios.values()))
        return Candidate(
            route=f"GET {name}",
            repeat_ratio=ratio,
            rate=rate,
            seconds=seconds,
            ttl=ttl,
            keep_for=keep_for,
            hit_ratio=ratios[keep_for],
            outdated=_outdated(keep_for, ttl) if route.changes else 0.0,
            saved=rate * ratios[keep_for] * seconds,
            samples=route.samples,
        )


def _outdated(seconds: float, ttl: float) -> float:
    """Return the part of what is given out of a cache within *seconds* that has changed by then, at any time alike."""
    changes = seconds / max(ttl, 1e-9)
    return 1.0 - (1.0 - math.exp(-changes)) / changes


class Sample:
    """One exchange that is looked at: an adapter tells it the app's response as it comes."""

    __slots__ = ("_began_at", "_cache", "_fields", "_pieces", "_request", "_route", "_size", "_status")

    def __init__(self, cache: HttpCache, request: CacheRequest) -> None:
        """Begin, as the app is asked."""
        self._cache, self._request = cache, request
        self._began_at = cache.clock.monotonic()
        self._status, self._route, self._size = 0, "", 0
        self._fields: dict[str, str] = {}
        self._pieces: list[bytes] = []

    def start(self, status: int, headers: Iterable[tuple[str, str]], route: str) -> None:
        """Take the head; names are in lower case."""
        self._status, self._fields, self._route = status, joined(headers), route

    def take(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._size += len(piece)
        if self._size <= self._cache.settings.max_body:
            self._pieces.append(piece)

    def end(self) -> None:
        """Note the whole response, if it could be kept for somebody."""
        fields, given = self._fields, directives(self._fields.get("cache-control"))
        is_kept_off = "set-cookie" in fields or "no-store" in given or "private" in given
        body = b"".join(self._pieces)
        if not self._route:
            return
        now, request = self._cache.clock.monotonic(), self._request
        if self._status != 200 or is_kept_off or len(body) != self._size:
            self._cache.candidates.pass_by(self._route, now)
            return
        who = "".join(request.headers.get(name, "") for name in ("cookie", "authorization", "accept-encoding"))
        self._cache.candidates.note(self._route, f"{request.key()} {who}", body, now - self._began_at, now)

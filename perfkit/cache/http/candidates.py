"""Which routes would gain from a response cache: the same answer again and again, to a safe method, often.

Fed with a sample of the exchanges of a worker: one in N has its body digested. For each route a few URLs are followed,
the first that the sample meets; another URL takes the place of one that was not met for long. The share of samples in
which the URL's digest was the same as at the sample before is the estimate of what a cache would have answered, as each
such pair says that the response did not change between two requests; how long it stayed so is the time to live that
could have been given. All is bounded: routes, URLs of each, and texts, of which only digests are kept.
"""

from __future__ import annotations

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
URLS_OF_A_ROUTE = 32
LEAST_PAIRS = 20
"""Pairs of samples of one URL that a judgement needs."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A route whose responses could be cached.

    Attributes:
        route: ``GET`` and the template, as `cache.http_cache` wants it.
        repeat_ratio: Part of the samples in which a URL answered as it did before, 0-1.
        rate: Requests a second, estimated from the sample.
        seconds: What a response takes on average.
        ttl: Seconds that a response stayed the same, on average; a time to live that would have done no harm.
        saved: Seconds of the app's work that a cache would save in each second, estimated.
        samples: Exchanges that this is based on.
    """

    route: str
    repeat_ratio: float
    rate: float
    seconds: float
    ttl: float
    saved: float
    samples: int


class _Url:
    """One URL: its last digest, since when it is so, and when it was met last."""

    __slots__ = ("digest", "met_at", "since")

    def __init__(self, digest: int, now: float) -> None:
        self.digest, self.since, self.met_at = digest, now, now


class _Route:
    """What the sample says about one route."""

    __slots__ = ("began_at", "changes", "pairs", "repeats", "samples", "seconds", "stayed", "urls")

    def __init__(self, now: float) -> None:
        self.urls: OrderedDict[int, _Url] = OrderedDict()
        self.began_at = now
        self.samples = self.pairs = self.repeats = self.changes = 0
        self.seconds = self.stayed = 0.0


class Candidates:
    """The routes of one worker. Thread-safe."""

    __slots__ = ("_lock", "_one_in", "_routes")

    def __init__(self, one_in: int = 100) -> None:
        """Be told of one in *one_in* exchanges."""
        self._one_in = one_in
        self._lock = threading.Lock()
        self._routes: dict[str, _Route] = {}

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
        known = self._routes.get(route)
        if known is None:
            if len(self._routes) >= MAX_ROUTES:
                return
            known = self._routes[route] = _Route(now)
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
        seen.met_at = now
        if seen.digest == digest:
            known.repeats += 1
        else:
            known.changes += 1
            known.stayed += now - seen.since
            seen.digest, seen.since = digest, now

    @staticmethod
    def _follow(route: _Route, name: int, digest: int, now: float) -> None:
        urls = route.urls
        if len(urls) >= URLS_OF_A_ROUTE:
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

    def _judged(self, name: str, route: _Route, now: float) -> Candidate | None:
        if route.pairs < LEAST_PAIRS:
            return None
        # A URL that nobody asked for twice would be a miss each time.
        ratio = route.repeats / max(route.samples - len(route.urls), route.pairs)
        rate = route.samples * self._one_in / max(now - route.began_at, 1.0)
        seconds = route.seconds / route.samples
        still = sum(url.met_at - url.since for url in route.urls.values())
        return Candidate(
            route=f"GET {name}",
            repeat_ratio=ratio,
            rate=rate,
            seconds=seconds,
            ttl=(route.stayed + still) / max(route.changes + len(route.urls), 1),
            saved=rate * ratio * seconds,
            samples=route.samples,
        )


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
        if self._status != 200 or not self._route or is_kept_off or len(body) != self._size:
            return
        now, request = self._cache.clock.monotonic(), self._request
        who = "".join(request.headers.get(name, "") for name in ("cookie", "authorization", "accept-encoding"))
        self._cache.candidates.note(self._route, f"{request.key()} {who}", body, now - self._began_at, now)

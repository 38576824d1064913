"""The response cache: which response is kept for a request, and how a new one comes to be kept.

Two namespaces of the cache hold it. ``http`` has one entry a URL: its generation, a random word, tagged with the route
and the path. ``http_bodies`` has the responses, under keys that begin with the generation. To make a URL invalid, in
all workers, is to remove the one entry: what is kept of the old generation is found by nobody, and a response that was
under way at that moment is put under a generation that is over. So nothing has to be fenced, and no list of variants
has to be kept.

Requests for the same that come while one asks the app wait for it, for a bounded time; they share only what was kept,
looked up by each for itself. As soon as the head of a response shows that it will not be kept, or that its body takes
its time, they are let go, and for a while nobody waits for that URL.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from perfkit.cache.http.candidates import Candidates, Sample
from perfkit.cache.http.conditions import conditions_of
from perfkit.cache.http.fields import directives, joined
from perfkit.cache.http.freshness import Wish, use
from perfkit.cache.http.passage import Passage
from perfkit.cache.http.request import SAFE, CacheRequest, Identity, path_tag, same_origin_path, variant_key
from perfkit.cache.http.rules import Rule, Rules
from perfkit.cache.http.shelf import Shelf
from perfkit.cache.http.status import RESPONSES, forwarded, hit
from perfkit.cache.http.stored import OVERHEAD, Answer, Stored
from perfkit.cache.loads.flight import Flight, Outcome, running_loop
from perfkit.cache.manager import CacheManager
from perfkit.core.spans import PRODUCERS, Span, add_span
from perfkit.store.backing.fork import watch

__all__ = ["HttpCache"]

IN_FLIGHT = 120.0
"""Seconds that a URL is known of which nothing is kept yet; a response that takes longer is not kept."""

PASSING = 10.0
"""Seconds for which nobody waits for a URL whose response could not be shared."""

MOST_PASSING = 10_000

LANDED = Outcome(True)
GIVEN_UP = Outcome(False)

VARYING = -1
"""Stands where a kept response has its status code, before the names of the fields by which the responses differ."""

MOST_WAITS = 2
"""Times that one request waits for others."""

ONLY_IF_CACHED = 504
"""Answers a request that wants nothing but the cache's, where that has nothing (RFC 9111 section 5.2.1.7)."""


class HttpCache:
    """Responses of the routes of the settings. Thread-safe; sync and async adapters use the same calls.

    Attributes:
        rules: The routes.
        settings: How their responses are cached.
        wait: Seconds that a request waits for another.
        refreshes: Threads for renewals where no loop runs.
    """

    def __init__(self, manager: CacheManager) -> None:
        """Keep responses in *manager*."""
        context, engine = manager._context, manager._engine
        self.settings, self.clock, self.errors = manager.settings.http, context.clock, context.errors
        self.rules = Rules(manager.settings.http_cache)
        self.identity = Identity(self.settings.ignored_cookies, self.settings.personal_headers)
        self.wait = self.settings.wait
        self._store = context.store
        # In this process only: a request never waits for a server to learn whether a response is kept.
        self._urls = manager.namespace("http", is_local=True)
        self._bodies = manager.namespace("http_bodies", is_local=True)
        # The flights of the cache itself: they know of forks, and of loops and threads alike.
        self._engine, self._flights, self._space = engine, engine.flights, self._bodies._space
        self.refreshes = engine.refreshes
        self._shelf = Shelf(max_urls=self.settings.max_urls, max_bytes=self.settings.max_bytes)
        # Several apps may share one system; the same URL is another page in each.
        self._app = f" {manager.response_caches}" if manager.response_caches else ""
        manager.response_caches += 1
        self._passing: dict[str, float] = {}
        self.candidates = manager.candidates = Candidates(self.settings.sample or 1)
        self._sample_in = self._gap()
        watch(self)

    def after_fork(self) -> None:
        """In a forked child: nothing is kept."""
        self._shelf.after_fork()
        self._passing = {}

    def enter(self, request: CacheRequest, rule: Rule) -> Passage:
        """Look what *request*, a GET or HEAD that *rule* is for, gets. Close what is returned."""
        passage = Passage(self, request, rule)
        passage.detail = request.obstacle()
        if passage.detail:
            return passage
        if self.settings.client_directives:
            given = directives(request.headers.get("cache-control"))
            if "no-store" in given:
                passage.detail = "no-store"
                return passage
            passage.wish = Wish.of(given, request.headers.get("pragma", ""))
        passage.identity = self.identity.of(request.headers)
        passage.conditions = conditions_of(request.headers)
        passage.url = request.key() + self._app
        self._look(passage)
        if passage.answer is None and passage.fwd != "bypass":
            if passage.wish.only_if_cached:
                self._refuse(passage)
            elif request.method == "GET":
                self._board(passage)
        return passage

    def _look(self, passage: Passage, *, is_collapsed: bool = False) -> None:
        """Look for a kept response; leave in *passage* the answer, or why there is none."""
        stored = self._find(passage)
        if stored is None:
            return
        if not stored.may_serve(passage.identity):
            passage.fwd, passage.detail = "bypass", passage.identity
            return
        now = self.clock.time()
        age, fresh = stored.age_at(now), stored.freshness
        found = use(fresh, age, passage.wish)
        if not found.serves:
            passage.fwd, passage.stale = found.why, stored
            return
        if is_collapsed:
            told, word = forwarded("miss", collapsed=True, ttl=fresh.lifetime - age), "collapsed"
        else:
            told, word = hit(fresh.lifetime - age), "hit" if age < fresh.lifetime else "stale"
        self._serve(passage, stored, told, word)
        if found.renews:
            passage.renewal = self._renewal(passage, stored)

    def _find(self, passage: Passage) -> Stored | None:
        """Return what is kept for the request, fresh or not."""
        generation = self._urls.get(passage.url)
        if generation is None:
            passage.fwd = "miss"
            return None
        plain = self._locate(passage, generation)
        if plain is None:
            passage.fwd = "vary-miss" if passage.names else "miss"
            return None
        self._shelf.touch(passage.url)
        return Stored.from_plain(plain)

    def _locate(self, passage: Passage, generation: str) -> Any:
        """Return what is kept for the request as plain values, None for nothing; note the key that it has."""
        headers = passage.request.headers
        passage.key = variant_key(generation, headers, (), self.identity)
        plain = self._bodies.get(passage.key)
        if plain is not None and plain[0] == VARYING:
            passage.names = plain[1]
            passage.key = variant_key(generation, headers, passage.names, self.identity)
            plain = self._bodies.get(passage.key)
        return plain

    def _serve(self, passage: Passage, stored: Stored, told: str, word: str) -> None:
        status = told if self.settings.status_header else ""
        answer = stored.answer(passage.request.method, passage.conditions, self.clock.time(), status)
        passage.answer, passage.route = answer, stored.route
        self.count(passage.rule, word)

    def _refuse(self, passage: Passage) -> None:
        told = forwarded(passage.fwd, detail="only-if-cached")
        headers = (("content-length", "0"), *((("cache-status", told),) if self.settings.status_header else ()))
        passage.answer, passage.route = Answer(ONLY_IF_CACHED, headers, b""), passage.rule.route
        self.count(passage.rule, "bypass")

    def _board(self, passage: Passage) -> None:
        """Begin to ask the app, or find who does: then the passage has another's flight to wait for."""
        self._open(passage)
        if passage.identity and not passage.rule.is_shared:
            return
        if self._passing and self._passing.get(passage.url, 0.0) > self.clock.monotonic():
            return
        flight, leads = self._flights.join(self._space, passage.key, (), in_loop=False)
        if leads and self._is_settled(passage):
            self.land(flight, is_kept=True)
        elif leads:
            passage.flight = flight
        elif passage.wish.no_cache:
            self._flights.leave(flight)
        else:
            passage.ahead = flight

    def _is_settled(self, passage: Passage) -> bool:
        """Look again for one that leads, if another has kept something since and landed; tell if that was for it."""
        if self._engine.tier.find(self._space, passage.key) is None:
            return False
        self._look(passage)
        if passage.answer is None and passage.fwd != "bypass":
            return False
        passage.generation = ""
        return True

    def _open(self, passage: Passage) -> None:
        """Give the passage the generation of its URL, as of now."""
        url = passage.url
        generation = self._urls.get(url)
        if generation is None:
            path = passage.request.target.partition("?")[0]
            made = os.urandom(12).hex()
            self._urls.add(url, made, IN_FLIGHT, (passage.rule.name, path_tag(path)))
            generation = self._urls.get(url, made)
            self._drop(self._shelf.open(url, generation))
        elif not self._shelf.holds(url):
            self._drop(self._shelf.open(url, generation))
        passage.generation = generation
        if not passage.key.startswith(generation):
            # What was found has been made invalid meanwhile.
            passage.key, passage.names = variant_key(generation, passage.request.headers, (), self.identity), ()
            passage.stale = None

    def wait_for(self, passage: Passage) -> None:
        """Wait in this thread for the one that asks the app already; then look again."""
        while passage.ahead is not None:
            self._arrived(passage, self._flights.wait(passage.ahead, self.wait))

    async def await_for(self, passage: Passage) -> None:
        """Do what `wait_for` does in the running loop."""
        if passage.ahead is not None and running_loop() is None:
            # A loop that is not asyncio's: there is nothing to wait with.
            self._flights.leave(passage.ahead)
            passage.ahead = None
        while passage.ahead is not None:
            self._arrived(passage, await self._flights.await_(passage.ahead, self.wait))

    def _arrived(self, passage: Passage, outcome: Outcome | None) -> None:
        """After waiting: take what was kept. Where that is not for this request it waits once more, for its like."""
        passage.ahead, passage.waits = None, passage.waits + 1
        if outcome is LANDED:
            self._look(passage, is_collapsed=True)
            if passage.answer is None and passage.fwd != "bypass" and passage.waits < MOST_WAITS:
                self._board(passage)

    def _renewal(self, passage: Passage, stored: Stored) -> Passage | None:
        """Return the passage of a request that renews *stored* while it serves; None if one is under way."""
        if self._passing.get(passage.url, 0.0) > self.clock.monotonic():
            return None
        renewal = Passage(self, passage.request, passage.rule)
        renewal.url, renewal.identity, renewal.stale = passage.url, passage.identity, stored
        renewal.key, renewal.names = passage.key, passage.names
        renewal.fwd, renewal.is_background = "stale", True
        self._open(renewal)
        flight, leads = self._flights.join(self._space, renewal.key, (), in_loop=False, waits=False)
        if not leads:
            return None
        if self._is_renewed(renewal, stored):
            self.land(flight, is_kept=True)
            return None
        renewal.flight = flight
        return renewal

    def _is_renewed(self, renewal: Passage, stored: Stored) -> bool:
        """Tell whether another renewal has landed since *stored* was found."""
        entry = self._engine.tier.find(self._space, renewal.key)
        return entry is not None and tuple(self._engine.value(entry)) != stored.plain()

    def land(self, flight: Flight, *, is_kept: bool) -> None:
        """Let those go who wait for *flight*."""
        self._flights.land(flight, LANDED if is_kept else GIVEN_UP)

    def pass_by(self, url: str) -> None:
        """Let nobody wait for *url* for a while: its response cannot be shared."""
        if len(self._passing) >= MOST_PASSING:
            self._passing = {}
        self._passing[url] = self.clock.monotonic() + PASSING

    def keep(self, passage: Passage, stored: Stored, names: Iterable[str]) -> bool:
        """Keep *stored*, which differs by the fields called *names*, for the URL as it was when the app was asked."""
        url, generation, headers = passage.url, passage.generation, passage.request.headers
        fresh = stored.freshness
        stale = max(fresh.while_revalidate, fresh.if_error, fresh.lifetime if stored.is_validated_by_app else 0.0)
        seconds = fresh.lifetime - stored.age + stale
        key, names = variant_key(generation, headers, (), self.identity), tuple(names)
        is_kept = True
        if names or passage.names:
            names = tuple(sorted({*names, *passage.names}))
            is_kept = self._put(url, key, (VARYING, names), OVERHEAD, seconds)
            key = variant_key(generation, headers, names, self.identity)
        if not (is_kept and self._put(url, key, stored.plain(), stored.size, seconds)):
            return False
        self._urls.touch(url, max(seconds, IN_FLIGHT))
        self._passing.pop(url, None)
        passage.rule.is_shared = stored.is_public
        return True

    def _put(self, url: str, key: str, plain: tuple[Any, ...], size: int, seconds: float) -> bool:
        leaving = self._shelf.add(url, key, size)
        if leaving is None:
            return False
        self._drop(leaving)
        is_kept = self._bodies.set(key, plain, seconds)
        if not self._shelf.holds(url, key):
            # It had to leave before it was there: nobody would count it.
            self._drop((key,))
            return False
        return is_kept

    def _drop(self, leaving: Iterable[str]) -> None:
        """Remove from this worker's cache what has to leave; without time to live a value is removed, here only."""
        for each in leaving:
            self._urls.set(each, None, 0.0)
            self._bodies.set(each, None, 0.0)

    def changed(
        self, request: CacheRequest, status: int, headers: Iterable[tuple[str, str]], root: str = ""
    ) -> tuple[str, ...]:
        """Return the tags of what the answer to a *request* that may have changed something makes invalid.

        They are for `invalidate` or `ainvalidate`. If the request succeeded, that is all that is kept of its path,
        whatever the query and the host, and of what Location and Content-Location name at the same origin (RFC 9111
        section 4.4).

        Args:
            root: What the path has in front that is no part of the routes.
        """
        if request.method in SAFE or not 200 <= status < 400:
            return ()
        fields = joined(headers)
        paths = [request.target.partition("?")[0]]
        named = (fields[name] for name in ("location", "content-location") if name in fields)
        paths += [path for each in named if (path := same_origin_path(each, request)) is not None]
        return tuple(
            sorted({path_tag(path) for path in paths if self.rules.find(unquote(path).removeprefix(root)) is not None})
        )

    def invalidate(self, tags: tuple[str, ...]) -> None:
        """Make what carries one of *tags* invalid in all workers."""
        if tags:
            self._urls.invalidate_tags(tags)

    async def ainvalidate(self, tags: tuple[str, ...]) -> None:
        """Do the same as `invalidate` without blocking."""
        if tags:
            await self._urls.ainvalidate_tags(tags)

    def sample(self, request: Callable[[], CacheRequest]) -> Sample | None:
        """Return what looks at the response to a GET that no rule is for, for one in so many of them, at random."""
        if not self.settings.sample:
            return None
        self._sample_in -= 1
        if self._sample_in > 0:
            return None
        self._sample_in = self._gap()
        return Sample(self, request())

    def _gap(self) -> int:
        return random.randrange(1, 2 * max(self.settings.sample, 1))

    def count(self, rule: Rule, result: str) -> None:
        """Count a request, and leave a span with those who collect them."""
        self._store.add(self._store.row(RESPONSES, (rule.template, result)), 1.0)
        if PRODUCERS:
            add_span(Span("cache", "http", perf_counter(), 0.0, detail=result))

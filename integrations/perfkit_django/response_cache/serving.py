"""The response cache in Django, inside of what records: a response out of the cache is an exchange, too.

It lies around the rest of the site, so it sees responses as they leave the last middleware. It is only there where the
settings name routes, so a site without them does not pay for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpResponse

from perfkit.cache.http import Answer
from perfkit.cache.http.request import SAFE
from perfkit.core.spans import set_exchange
from perfkit_django.response_cache.translation import again_of, apply, asking, cache_request, pairs_of, set_headers
from perfkit_django.routes import template
from perfkit_django.settings import given, validate

if TYPE_CHECKING:
    from perfkit.cache.http import HttpCache, Passage
    from perfkit.cache.http.candidates import Sample
    from perfkit_django.lifecycle import Lifecycle

__all__ = ["with_cache"]

MOST_MATCHES = 1000

MOST_RENEWALS = 50
"""Renewals under way at once in one loop; more are not begun, and the stale response goes on serving."""


def with_cache(get_response: Callable[[Any], Any], life: Lifecycle) -> Callable[[Any], Any]:
    """Return *get_response* with the response cache in front, where the settings name routes for it."""
    settings = validate(given())[0].cache
    if not (settings.enabled and (settings.http_cache or settings.http.sample)):
        return get_response
    cached = _Cached(get_response, life)
    return cached.aserve if iscoroutinefunction(get_response) else cached.serve


class _Cached:
    """The rest of a site with a response cache in front."""

    def __init__(self, get_response: Callable[[Any], Any], life: Lifecycle) -> None:
        self._get_response, self._life = get_response, life
        self._matches: dict[str, Any] = {}
        self._renewals: set[asyncio.Task[None]] = set()

    def serve(self, request: Any) -> Any:
        """Answer from the cache, or let the site answer and keep that."""
        cache = self._life.site.http_cache
        passage = None if cache is None else self._enter(cache, request)
        if cache is None or passage is None:
            sample = _sample(cache, request)
            response = self._get_response(request)
            if cache is not None:
                with cache.errors.guarded("cache", "a response could not be looked at"):
                    cache.invalidate(_looked_at(cache, request, response, sample))
            return response
        with cache.errors.guarded("cache", "another request could not be waited for"):
            cache.wait_for(passage)
        if passage.answer is None:
            try:
                with asking(request, passage):
                    response = self._get_response(request)
                return self._passed(cache, passage, request, response)
            finally:
                passage.close()
        renewal = passage.renewal
        if renewal is not None:
            asked = again_of(request)
            if not cache.refreshes.submit(lambda: self._renew(cache, renewal, asked)):
                renewal.close()
        return self._answered(passage.answer, passage, request)

    async def aserve(self, request: Any) -> Any:
        """Do the same in the running loop."""
        cache = self._life.site.http_cache
        passage = None if cache is None else self._enter(cache, request)
        if cache is None or passage is None:
            sample = _sample(cache, request)
            response = await self._get_response(request)
            if cache is not None:
                with cache.errors.guarded("cache", "a response could not be looked at"):
                    await cache.ainvalidate(_looked_at(cache, request, response, sample))
            return response
        with cache.errors.guarded("cache", "another request could not be waited for"):
            await cache.await_for(passage)
        if passage.answer is None:
            try:
                with asking(request, passage):
                    response = await self._get_response(request)
                return self._passed(cache, passage, request, response)
            finally:
                passage.close()
        if passage.renewal is not None:
            self._begin_renewal(cache, passage.renewal, request)
        return self._answered(passage.answer, passage, request)

    def _enter(self, cache: HttpCache, request: Any) -> Passage | None:
        if request.method not in ("GET", "HEAD"):
            return None
        passage = None
        with cache.errors.guarded("cache", "a request could not be looked up"):
            rule = cache.rules.find(request.path_info)
            passage = None if rule is None else cache.enter(cache_request(request), rule)
        return passage

    def _passed(self, cache: HttpCache, passage: Passage, request: Any, response: Any) -> Any:
        """Return what the client gets of the site's *response*."""
        with cache.errors.guarded("cache", "a response could not be followed"):
            if response.streaming:
                set_headers(response, passage.decline("stream"))
                return response
            pairs, body, route = pairs_of(response), response.content, template(request)
            if request.method != "HEAD" and not any(name == "content-length" for name, _ in pairs):
                pairs = (*pairs, ("content-length", str(len(body))))
            if len(self._matches) < MOST_MATCHES:
                self._matches[route] = request.resolver_match
            started = passage.start(response.status_code, pairs, route)
            ended = None if started is not None and started.is_last else passage.take(body, True)
            apply(response, pairs, [out for out in (started, ended) if out is not None])
        return response

    def _answered(self, answer: Answer, passage: Passage, request: Any) -> HttpResponse:
        """Return the response that the cache has, as one of the route that once made it."""
        request.resolver_match = self._matches.get(passage.route) or (_Match(passage.route) if passage.route else None)
        response = HttpResponse(answer.body, status=answer.status)
        set_headers(response, answer.headers)
        return response

    def _renew(self, cache: HttpCache, passage: Passage, request: Any) -> None:
        set_exchange(None)
        try:
            with cache.errors.guarded("cache", "a response could not be renewed"):
                with asking(request, passage):
                    response = self._get_response(request)
                self._passed(cache, passage, request, response).close()
        finally:
            passage.close()

    def _begin_renewal(self, cache: HttpCache, passage: Passage, request: Any) -> None:
        """Have the site asked anew in the background, while the client gets what is stale."""
        if len(self._renewals) >= MOST_RENEWALS:
            passage.close()
            return
        task = asyncio.get_running_loop().create_task(self._arenew(cache, passage, again_of(request)))
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)
        # Cancelled before its first step it runs none of its code, and others would wait for it.
        task.add_done_callback(lambda _: passage.close())

    async def _arenew(self, cache: HttpCache, passage: Passage, request: Any) -> None:
        set_exchange(None)
        try:
            with cache.errors.guarded("cache", "a response could not be renewed"):
                with asking(request, passage):
                    response = await self._get_response(request)
                self._passed(cache, passage, request, response).close()
        finally:
            passage.close()


def _sample(cache: HttpCache | None, request: Any) -> Sample | None:
    """Return what looks at the response to *request*, if it is one that is looked at."""
    return cache.sample(lambda: cache_request(request)) if cache is not None and request.method == "GET" else None


def _looked_at(cache: HttpCache, request: Any, response: Any, sample: Sample | None) -> tuple[str, ...]:
    """Look at a *response* that no rule is for; return the tags of what *request* made invalid."""
    if sample is not None and not response.streaming:
        sample.start(response.status_code, pairs_of(response), template(request))
        sample.take(response.content)
        sample.end()
    if request.method in SAFE:
        return ()
    root = request.META.get("SCRIPT_NAME", "").rstrip("/")
    return cache.changed(cache_request(request), response.status_code, pairs_of(response), root)


class _Match:
    """Stands for the match of a route that this process has not seen answer."""

    func = None

    def __init__(self, route: str) -> None:
        self.route = route.removeprefix("/")

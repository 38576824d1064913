"""The middleware: put it first, so that it lies outermost.

A plain answer is recorded when it leaves the middleware, just before Django hands it to the server; a streaming one
when its last chunk is handed over. Natively sync and async: no thread is taken for what was async, none is left.

This is the hot path, so it is written for cost: `Instrumentation.begin` and `record` stand here in full, sync and
async, instead of being called, which on a busy core halves what a request pays. Nothing in the right-hand side of an
addition may be a call. Nothing asks for ``request.__dict__``: CPython then gives up its fast way to the attributes of
that request. Nor for ``request.scheme`` without need, which asks Django's settings (0.8 µs with CPython 3.11).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from time import perf_counter
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from perfkit.core.spans import OPEN, PRODUCERS, Exchange, set_exchange
from perfkit.store.exchanges import BOUNDS, IS_LOCKED, SUM, count_begun, count_ended
from perfkit.store.layout import FINISHED, STARTED
from perfkit_django.exchange import IN_ENVIRON, IN_SCOPE, finish, finish_broken, keep, watch_stream
from perfkit_django.lifecycle import Hot, lifecycle
from perfkit_django.recording.asking import HOT, aask, ask, tell

__all__ = ["PerfkitMiddleware"]


class PerfkitMiddleware:
    """Measures a Django site and answers perfkit's own paths. Views reach the system as ``request.perfkit``."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        """Lie around *get_response*, sync or async as that is.

        Raises:
            ImproperlyConfigured: The app is not installed, or some settings cannot be used; all of them are listed.
        """
        self._life = lifecycle()
        self._life.prepare()
        self.get_response = self._life.surround(get_response)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Answer a request to one of our own paths, or record what the site does with any other."""
        if self._is_async:
            return self.__acall__(request)
        hot = self._life.hot
        marks, mark = request.META, IN_ENVIRON
        scheme = marks.get("wsgi.url_scheme")
        if scheme is None:
            marks, mark = getattr(request, "scope", marks), IN_SCOPE
        if hot is None or mark in marks:
            hot = None if mark in marks else request.META.pop(HOT, None)
            if hot is None:
                return self._rare(request)
        ours, store, rows, is_proxied, site, system = hot
        if request.path_info in ours:
            answer = site.answer(request)
            if answer is not None:
                return answer
        try:
            request.perfkit = marks[mark] = system
            if not store.is_open:
                site.instrumentation.ensure_started()
            spans: Exchange | None = None
            if PRODUCERS:
                spans = [OPEN]
                set_exchange(spans)
            if IS_LOCKED:
                count_begun(store)
            else:
                store.values[STARTED] += 1.0
        except Exception as error:  # noqa: BLE001 - the site must be served whatever happens to us
            site.lose(error)
            return self.get_response(request)
        start = perf_counter()
        try:
            response = self.get_response(request)
        except BaseException as error:
            finish_broken(site, request, start, spans, error)
            raise
        try:
            if response.streaming:
                watch_stream(site, request, response, start, spans)
                return response
            seconds = perf_counter() - start
            match, status = request.resolver_match, response.status_code
            if is_proxied or scheme is None:
                scheme = (not is_proxied and marks.get("scheme")) or request.scheme
            try:
                row = rows[request.method, None if match is None else match.route, status, scheme]
            except KeyError:
                row = None
            if row is None or status >= 500:
                finish(site, request, status, start, spans)
                return response
            if IS_LOCKED:
                count_ended(store, row, seconds)
            else:
                values = store.values
                index = row.index
                values[index + bisect_left(BOUNDS, seconds)] += 1.0
                values[index + SUM] += seconds
                values[FINISHED] += 1.0
            if spans is not None:
                spans[0] = row
            if seconds >= row.keep_from:
                keep(site, request, row, seconds, start, spans)
        except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            site.lose(error, spans, is_begun=True)
        return response

    async def __acall__(self, request: Any) -> Any:
        """Do the same in the running loop, line by line."""
        hot = self._life.hot
        marks, mark = request.META, IN_ENVIRON
        scheme = marks.get("wsgi.url_scheme")
        if scheme is None:
            marks, mark = getattr(request, "scope", marks), IN_SCOPE
        if hot is None or mark in marks:
            hot = None if mark in marks else request.META.pop(HOT, None)
            if hot is None:
                return await self._rare(request)
        ours, store, rows, is_proxied, site, system = hot
        if request.path_info in ours:
            answer = await site.aanswer(request)
            if answer is not None:
                return answer
        try:
            request.perfkit = marks[mark] = system
            if not store.is_open:
                site.instrumentation.ensure_started()
            spans: Exchange | None = None
            if PRODUCERS:
                spans = [OPEN]
                set_exchange(spans)
            if IS_LOCKED:
                count_begun(store)
            else:
                store.values[STARTED] += 1.0
        except Exception as error:  # noqa: BLE001 - the site must be served whatever happens to us
            site.lose(error)
            return await self.get_response(request)
        start = perf_counter()
        try:
            response = await self.get_response(request)
        except BaseException as error:
            finish_broken(site, request, start, spans, error)
            raise
        try:
            if response.streaming:
                watch_stream(site, request, response, start, spans)
                return response
            seconds = perf_counter() - start
            match, status = request.resolver_match, response.status_code
            if is_proxied or scheme is None:
                scheme = (not is_proxied and marks.get("scheme")) or request.scheme
            try:
                row = rows[request.method, None if match is None else match.route, status, scheme]
            except KeyError:
                row = None
            if row is None or status >= 500:
                finish(site, request, status, start, spans)
                return response
            if IS_LOCKED:
                count_ended(store, row, seconds)
            else:
                values = store.values
                index = row.index
                values[index + bisect_left(BOUNDS, seconds)] += 1.0
                values[index + SUM] += seconds
                values[FINISHED] += 1.0
            if spans is not None:
                spans[0] = row
            if seconds >= row.keep_from:
                keep(site, request, row, seconds, start, spans)
        except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            site.lose(error, spans, is_begun=True)
        return response

    def _rare(self, request: Any) -> Any:
        """Take the very first exchange, one that an outer perfkit records, and one that may ask to be kept."""
        if self._is_async:
            return self._arare(request)
        parts = self._begun(request)
        if parts is None:
            return self.get_response(request)
        told = ask(parts, request)
        return self(request) if told is None else tell(parts, told, self(request))

    async def _arare(self, request: Any) -> Any:
        """Do the same in the running loop."""
        parts = self._begun(request)
        if parts is None:
            return await self.get_response(request)
        told = await aask(parts, request)
        response = await self.__acall__(request)
        return response if told is None else tell(parts, told, response)

    def _begun(self, request: Any) -> Hot | None:
        """Return what serves this site; None where an outer perfkit records the exchange, or ours cannot."""
        system = request.META.get(IN_ENVIRON) or getattr(request, "scope", request.META).get(IN_SCOPE)
        if system is not None:
            request.perfkit = system
            return None
        return self._life.parts or self._life.begin(request)

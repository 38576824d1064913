"""The response cache around an ASGI app, inside of what records: a response out of the cache is an exchange, too.

It is put around the app only where the settings name routes, so an app without them does not pay for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from perfkit.cache.http import CacheRequest
from perfkit.cache.http.request import SAFE
from perfkit.core.spans import set_exchange
from perfkit_asgi.answers import headers_of, own_path
from perfkit_asgi.routes import Served
from perfkit_asgi.tapping import Tap, pairs_of, sampled, send_answer
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from perfkit.cache.http import HttpCache, Passage
    from perfkit.cache.http.rules import Rule
    from perfkit_asgi.lifecycle import Lifecycle

__all__ = ["CachedApp"]

MOST_RENEWALS = 50
"""Renewals under way at once in one loop; more are not begun, and the stale response goes on serving."""


class CachedApp:
    """An app with a response cache in front.

    Attributes:
        app: The app inside.
    """

    def __init__(self, app: ASGIApp, life: Lifecycle, cache: HttpCache) -> None:
        """Put *cache* in front of *app*."""
        self.app, self._life, self._cache = app, life, cache
        self._renewals: set[asyncio.Task[None]] = set()
        self._served: dict[str, Served] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or let the app answer and keep that."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        if method in ("GET", "HEAD"):
            rule = self._cache.rules.find(own_path(scope))
            if rule is not None:
                await self._serve(scope, receive, send, rule)
                return
            sample = self._cache.sample(lambda: _request_of(scope)) if method == "GET" else None
            if sample is not None:
                send = sampled(sample, send, lambda: self._life.routes.find(scope)[0], self._cache.errors)
        elif method not in SAFE:
            send = self._watching(scope, send)
        await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, rule: Rule) -> None:
        passage = await self._entered(scope, rule)
        if passage is None:
            await self.app(scope, receive, send)
        elif passage.answer is not None:
            if passage.route:
                scope["route"] = self._served.setdefault(passage.route, Served(passage.route))
            if passage.renewal is not None:
                self._renew(scope, passage.renewal)
            await send_answer(passage.answer, send)
        else:
            await self._ask(scope, receive, send, passage)

    async def _entered(self, scope: Scope, rule: Rule) -> Passage | None:
        """Return the passage of a request, None where that failed: the app shall answer."""
        try:
            passage = self._cache.enter(_request_of(scope), rule)
            await self._cache.await_for(passage)
            return passage
        except Exception as error:  # noqa: BLE001 - the app must answer whatever happens to us
            self._cache.errors.report("cache", error, doing="a request could not be looked up")
            return None

    async def _ask(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        """Let the app answer, and keep that if it may be kept."""
        given = scope["headers"]
        tap = Tap(passage, send, lambda: self._life.routes.find(scope)[0], self._cache.errors)
        removed, added = passage.asked()
        if removed or added:
            kept = [pair for pair in given if pair[0].lower().decode("latin-1") not in removed]
            scope["headers"] = [*kept, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in added)]
        try:
            await self.app(scope, receive, tap)
            await tap.end()
        except Exception as error:
            if not await tap.replace(error):
                raise
        finally:
            scope["headers"] = given
            passage.close()

    def _renew(self, scope: Scope, passage: Passage) -> None:
        """Have the app asked anew in the background, while the client gets what is stale."""
        if asyncio._get_running_loop() is None or len(self._renewals) >= MOST_RENEWALS:
            passage.close()
            return
        asked = {**scope, "method": "GET", "state": dict(scope.get("state") or {}), "extensions": {}}
        asked.pop("route", None)
        task = asyncio.get_running_loop().create_task(self._renewed(asked, passage))
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)
        # Cancelled before its first step it runs none of its code, and others would wait for it.
        task.add_done_callback(lambda _: passage.close())

    async def _renewed(self, scope: Scope, passage: Passage) -> None:
        set_exchange(None)
        is_asked = False

        async def receive() -> Message:
            nonlocal is_asked
            if is_asked:
                await asyncio.Event().wait()
            is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        with self._cache.errors.guarded("cache", "a response could not be renewed"):
            await self._ask(scope, receive, _nowhere, passage)

    def _watching(self, scope: Scope, send: Send) -> Send:
        """Return *send* such that a request that changed something makes what is kept of its path invalid."""
        cache, request = self._cache, _request_of(scope)
        root = (scope.get("root_path") or "").rstrip("/")

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start":
                with cache.errors.guarded("cache", "a change could not be noticed"):
                    await cache.ainvalidate(cache.changed(request, message["status"], pairs_of(message), root))
            await send(message)

        return watching


async def _nowhere(message: Message) -> None:
    """Take what nobody waits for."""


def _request_of(scope: Scope) -> CacheRequest:
    path, query = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0], scope.get("query_string", b"")
    if not path or unquote(path) != scope["path"]:
        # Something outside has changed the path, and the app goes by that.
        path = quote(scope["path"])
    headers = headers_of(scope)
    if ((scope.get("extensions") or {}).get("tls") or {}).get("client_cert_chain"):
        headers["client-cert"] = "of the connection"
    server = scope.get("server") or ("", None)
    return CacheRequest(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        target=f"{path}?{query.decode('latin-1')}" if query else path,
        headers=headers,
        server=f"{server[0]}:{server[1]}" if server[1] else str(server[0]),
    )

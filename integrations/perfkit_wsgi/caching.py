"""The response cache around a WSGI app, inside of what records: a response out of the cache is an exchange, too.

It is put around the app only where the settings name routes, so an app without them does not pay for it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from perfkit.cache.http import CacheRequest
from perfkit.cache.http.request import BY_SERVER, SAFE
from perfkit.core.spans import set_exchange
from perfkit_wsgi.answers import UNNAMED
from perfkit_wsgi.exchange import ROUTE
from perfkit_wsgi.tapping import Tap, pairs_of
from perfkit_wsgi.types import Environ, Headers, StartResponse, Write, WSGIApp

if TYPE_CHECKING:
    from perfkit.cache.http import Answer, HttpCache, Passage
    from perfkit.cache.http.candidates import Sample
    from perfkit.cache.http.rules import Rule
    from perfkit.http.attachment import Attachment
    from perfkit_wsgi.middleware import PerfkitMiddleware

__all__ = ["CachedApp", "keep_responses"]


def keep_responses(middleware: PerfkitMiddleware, attachment: Attachment) -> None:
    """Put the response cache in front of the app of *middleware*, unless it is there already.

    An adapter whose results are more than lists may have a method `body_of` that knows them.
    """
    cache = attachment.take_http_cache()
    if cache is not None:
        body_of = getattr(middleware, "body_of", _body_of)
        middleware.app = CachedApp(middleware.app, cache, middleware.route_of, body_of)


class CachedApp:
    """An app with a response cache in front.

    Attributes:
        app: The app inside.
    """

    def __init__(
        self,
        app: WSGIApp,
        cache: HttpCache,
        route_of: Callable[[Environ], str] | None,
        body_of: Callable[[Any], list[bytes] | None],
    ) -> None:
        """Put *cache* in front of *app*.

        Args:
            route_of: Tells the route while the app answers.
            body_of: Returns the body of a result if it is at hand, else None.
        """
        self.app, self._cache, self._route_of, self._body_of = app, cache, route_of, body_of

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer from the cache, or let the app answer and keep that."""
        method = environ["REQUEST_METHOD"]
        if method in ("GET", "HEAD"):
            rule = self._cache.rules.find(_text(environ.get("PATH_INFO", "")))
            if rule is not None:
                return self._serve(environ, start_response, rule)
            sample = self._cache.sample(lambda: _request_of(environ)) if method == "GET" else None
            if sample is not None:
                return self._looked_at(environ, start_response, sample)
        elif method not in SAFE:
            start_response = self._watching(environ, start_response)
        return self.app(environ, start_response)

    def _serve(self, environ: Environ, start_response: StartResponse, rule: Rule) -> Iterable[bytes]:
        passage = self._entered(environ, rule)
        if passage is None:
            return self.app(environ, start_response)
        if passage.answer is None:
            return self._ask(environ, start_response, passage)
        environ[ROUTE] = passage.route
        if passage.renewal is not None:
            self._renew(environ, passage.renewal)
        return _send(passage.answer, start_response)

    def _looked_at(self, environ: Environ, start_response: StartResponse, sample: Sample) -> Iterable[bytes]:
        """Let the app answer, and look at that if it is at hand."""

        def watching(status: str, headers: Headers, *exc_info: Any) -> Write:
            with self._cache.errors.guarded("cache", "a response could not be looked at"):
                route = self._route_of(environ) if self._route_of is not None else ""
                sample.start(int(status[:3]), pairs_of(headers), route)
            return start_response(status, headers, *exc_info)

        result = self.app(environ, watching)
        with self._cache.errors.guarded("cache", "a response could not be looked at"):
            body = self._body_of(result)
            if body is not None:
                sample.take(b"".join(body))
                sample.end()
        return result

    def _entered(self, environ: Environ, rule: Rule) -> Passage | None:
        """Return the passage of a request, None where that failed: the app shall answer."""
        try:
            passage = self._cache.enter(_request_of(environ), rule)
            self._cache.wait_for(passage)
            return passage
        except Exception as error:  # noqa: BLE001 - the app must answer whatever happens to us
            self._cache.errors.report("cache", error, doing="a request could not be looked up")
            return None

    def _ask(self, environ: Environ, start_response: StartResponse, passage: Passage) -> Iterable[bytes]:
        """Let the app answer, and keep that if it may be kept."""
        removed, added = passage.asked()
        given = {name: environ.pop(name) for name in map(_variable, removed) if name in environ}
        environ.update((_variable(name), value) for name, value in added)

        def restore() -> None:
            for name, _ in added:
                environ.pop(_variable(name), None)
            environ.update(given)

        tap = Tap(passage, environ, start_response, self._route_of, self._cache.errors, _send, restore)
        try:
            return tap.follow(self.app(environ, tap.start_response))
        except Exception as error:
            replaced = tap.replace(error)
            tap.close()
            if replaced is None:
                raise
            return replaced
        except BaseException:
            tap.close()
            raise

    def _renew(self, environ: Environ, passage: Passage) -> None:
        """Have the app asked anew in a thread, while the client gets what is stale."""
        asked = {**environ, "REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": ""}
        asked.pop("wsgi.file_wrapper", None)
        if not self._cache.refreshes.submit(lambda: self._renewed(asked, passage)):
            passage.close()

    def _renewed(self, environ: Environ, passage: Passage) -> None:
        set_exchange(None)

        def start_response(status: str, headers: Headers, exc_info: Any = None, /) -> Write:
            return _nowhere

        with self._cache.errors.guarded("cache", "a response could not be renewed"):
            result = self._ask(environ, start_response, passage)
            try:
                for _ in result:
                    pass
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
        passage.close()

    def _watching(self, environ: Environ, start_response: StartResponse) -> StartResponse:
        """Return *start_response* such that a request that changed something makes what is kept of its path invalid."""
        cache, request = self._cache, _request_of(environ)
        root = _text(environ.get("SCRIPT_NAME", "")).rstrip("/")

        def watching(status: str, headers: Headers, *exc_info: Any) -> Write:
            with cache.errors.guarded("cache", "a change could not be noticed"):
                cache.invalidate(cache.changed(request, int(status[:3]), pairs_of(headers), root))
            return start_response(status, headers, *exc_info)

        return watching


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    start_response(f"{answer.status} {phrase}", list(answer.headers))
    return [answer.body] if answer.body else []


def _body_of(result: Any) -> list[bytes] | None:
    return result if type(result) is list else None


def _nowhere(data: bytes) -> None:
    """Take what nobody waits for."""


def _request_of(environ: Environ) -> CacheRequest:
    headers = {
        (key[5:] if key.startswith("HTTP_") else key).replace("_", "-").lower(): value
        for key, value in environ.items()
        if isinstance(value, str) and (key.startswith("HTTP_") or (key in UNNAMED and value))
    }
    headers |= {field: environ[name] for name, field in BY_SERVER.items() if environ.get(name)}
    path = quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1", "replace"))
    query = environ.get("QUERY_STRING", "")
    return CacheRequest(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        target=f"{path}?{query}" if query else path,
        headers=headers,
        server=f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}",
    )


def _variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _text(sent: str) -> str:
    return sent if sent.isascii() else sent.encode("latin-1", "replace").decode("utf-8", "replace")

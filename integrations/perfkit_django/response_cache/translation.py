"""Django's requests and responses as the response cache knows them, and what it says as Django's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from perfkit.cache.http import CacheRequest
from perfkit.cache.http.request import BY_SERVER
from perfkit_django.answers import request_of

if TYPE_CHECKING:
    from perfkit.cache.http import Out, Passage

__all__ = ["again_of", "apply", "asking", "cache_request", "pairs_of", "set_headers"]


def cache_request(request: Any) -> CacheRequest:
    """Return *request* as the cache sees it."""
    seen, query = request_of(request), request.META.get("QUERY_STRING", "")
    named = {field: request.META[name] for name, field in BY_SERVER.items() if request.META.get(name)}
    headers = {**seen.headers, **named}
    path = quote(request.path)
    return CacheRequest(
        method=request.method,
        scheme=seen.scheme,
        target=f"{path}?{query}" if query else path,
        headers=headers,
        server=f"{request.META.get('SERVER_NAME', '')}:{request.META.get('SERVER_PORT', '')}",
    )


@contextmanager
def asking(request: Any, passage: Passage) -> Iterator[None]:
    """Give *request* the fields with which the site is to be asked, for as long as it answers."""
    removed, added = passage.asked()
    meta = request.META
    given = {name: meta.pop(name) for name in map(_variable, removed) if name in meta}
    meta.update({_variable(name): value for name, value in added})
    if removed:
        vars(request).pop("headers", None)
    try:
        yield
    finally:
        for name, _ in added:
            meta.pop(_variable(name), None)
        meta.update(given)
        if removed:
            vars(request).pop("headers", None)


def again_of(request: Any) -> Any:
    """Return the same request anew, for a renewal in the background."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        made = type(request)({**scope, "method": "GET"}, io.BytesIO())
    else:
        made = type(request)(
            {**request.environ, "REQUEST_METHOD": "GET", "CONTENT_LENGTH": "", "wsgi.input": io.BytesIO()}
        )
    made.perfkit = request.perfkit
    return made


def pairs_of(response: Any) -> tuple[tuple[str, str], ...]:
    """Return the headers of *response*, names in lower case, cookies among them."""
    cookies = (("set-cookie", morsel.OutputString()) for morsel in response.cookies.values())
    return (*((name.lower(), value) for name, value in response.items()), *cookies)


def apply(response: Any, pairs: tuple[tuple[str, str], ...], outs: list[Out]) -> None:
    """Make *response*, whose headers were *pairs*, what the client gets."""
    status, headers = next((out.head for out in outs if out.head is not None), (response.status_code, pairs))
    if status == response.status_code and headers[: len(pairs)] == pairs:
        set_headers(response, headers[len(pairs) :])
        return
    response.status_code, response.content = status, b"".join(out.body for out in outs)
    for name in list(response.headers):
        del response[name]
    set_headers(response, headers)


def set_headers(response: Any, headers: tuple[tuple[str, str], ...]) -> None:
    """Add *headers* to *response*."""
    for name, value in headers:
        if name == "cache-status" and response.has_header(name):
            value = f"{response[name]}, {value}"
        response[name.title()] = value


def _variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"

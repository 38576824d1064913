"""How an exchange ends: what is recorded of it, where, and under which error."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.core.spans import Exchange
from perfkit.http.attachment import error_name
from perfkit.http.recording.keeping import KEPT_HEADERS
from perfkit_django.answers import UNNAMED
from perfkit_django.routes import template
from perfkit_django.streams import watch

if TYPE_CHECKING:
    from perfkit.store import Row
    from perfkit_django.site import Site

__all__ = ["ASKED", "IN_ENVIRON", "IN_SCOPE", "finish", "finish_broken", "keep", "note_error", "watch_stream"]

IN_SCOPE, IN_ENVIRON = "perfkit", "perfkit.system"
"""The keys by which perfkit's adapters for ASGI and WSGI, and this one, tell that an exchange is recorded already."""

ERROR = "_perfkit_error"
"""The attribute of the request that keeps the exception of which Django has made a 500, until it is recorded."""

ASKED = "perfkit.asked"
"""The key of the request's `META` under which an exchange that may ask keeps what it is told."""

_KEPT = {name: key if (key := name.upper().replace("-", "_")) in UNNAMED else f"HTTP_{key}" for name in KEPT_HEADERS}


def note_error(*, request: Any = None, **named: Any) -> None:
    """Keep the name of the exception that Django is about to answer with a 500; receives `got_request_exception`."""
    error, system = sys.exception(), getattr(request, "perfkit", None)
    if error is not None and system is not None:
        with system.errors.guarded("django", "an error could not be named"):
            setattr(request, ERROR, error)


def finish(
    site: Site,
    request: Any,
    status: int,
    start: float,
    spans: Exchange | None,
    error: str = "",
    *,
    exception: BaseException | None = None,
    first: float = 0.0,
) -> None:
    """Record an exchange that is of a kind not seen before, or an error."""
    if not error and status >= 500:
        exception = getattr(request, ERROR, None)
        if exception is not None:
            error = error_name(exception)
            delattr(request, ERROR)
    match = request.resolver_match
    scheme = request.scheme
    key: Any = (request.method, None if match is None else match.route, status, scheme, error)[: 5 if error else 4]
    recorder = site.instrumentation

    def offer(row: Row, seconds: float) -> None:
        if seconds >= row.keep_from or ASKED in request.META:
            keep(site, request, row, seconds, start, spans, exception=exception, first=first)

    if not recorder.record(key, start, spans, offer):
        key = recorder.learn(
            key, method=request.method, route=template(request), status=status, scheme=scheme, error=error
        )
        recorder.record(key, start, spans, offer)


def keep(
    site: Site,
    request: Any,
    row: Row,
    seconds: float,
    start: float,
    spans: Exchange | None,
    *,
    exception: BaseException | None = None,
    first: float = 0.0,
) -> None:
    """Offer an exchange that took as long as its series keeps from, or was asked for."""
    meta = request.META
    sent = ((name, meta.get(key)) for name, key in _KEPT.items())
    site.keeping.keep(
        row,
        seconds,
        spans,
        start,
        first=first,
        query=str(meta.get("QUERY_STRING", ""))[:4096],
        headers={name: value[:1000] for name, value in sent if isinstance(value, str) and value},
        error=exception,
        asked=meta.get(ASKED),
    )


def finish_broken(site: Site, request: Any, start: float, spans: Exchange | None, error: BaseException) -> None:
    """Record an exchange that has no answer: Django cancels it when the client leaves, or *error* goes through it."""
    try:
        if isinstance(error, (CancelledError, GeneratorExit)):
            finish(site, request, 0, start, spans, CLIENT_DISCONNECTED)
        else:
            finish(site, request, 500, start, spans, error_name(error), exception=error)
    except Exception as failure:  # noqa: BLE001 - the app's own error must come through
        site.lose(failure, spans, is_begun=True)


def watch_stream(site: Site, request: Any, response: Any, start: float, spans: Exchange | None) -> None:
    """Record the exchange when the streaming *response* has ended, however it ends."""
    is_recorded = False

    def end(error: str | BaseException) -> None:
        nonlocal is_recorded
        if is_recorded:
            return
        is_recorded = True
        try:
            name, exception = (error, None) if isinstance(error, str) else (error_name(error), error)
            finish(site, request, status, start, spans, name, exception=exception, first=begun[0] if begun else 0.0)
        except Exception as failure:  # noqa: BLE001 - the stream must go on whatever happens to us
            site.lose(failure, spans, is_begun=True)

    status = response.status_code
    begun: list[float] = []
    try:
        watch(request, response, end, begun)
    except Exception as failure:  # noqa: BLE001 - the stream must go on whatever happens to us
        is_recorded = True
        site.lose(failure, spans, is_begun=True)

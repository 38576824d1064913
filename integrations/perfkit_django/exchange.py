"""How an exchange ends: what is recorded of it, where, and under which error."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.core.spans import Exchange
from perfkit.http.attachment import error_name
from perfkit_django.routes import template
from perfkit_django.streams import watch

if TYPE_CHECKING:
    from perfkit_django.site import Site

__all__ = ["IN_ENVIRON", "IN_SCOPE", "finish", "finish_broken", "note_error", "watch_stream"]

IN_SCOPE, IN_ENVIRON = "perfkit", "perfkit.system"
"""The keys by which perfkit's adapters for ASGI and WSGI, and this one, tell that an exchange is recorded already."""

ERROR = "_perfkit_error"
"""The attribute of the request that keeps the name of the exception of which Django has made a 500."""


def note_error(*, request: Any = None, **named: Any) -> None:
    """Keep the name of the exception that Django is about to answer with a 500; receives `got_request_exception`."""
    error, system = sys.exception(), getattr(request, "perfkit", None)
    if error is not None and system is not None:
        with system.errors.guarded("django", "an error could not be named"):
            setattr(request, ERROR, error_name(error))


def finish(site: Site, request: Any, status: int, start: float, spans: Exchange | None, error: str = "") -> None:
    """Record an exchange that is of a kind not seen before, or an error."""
    if not error and status >= 500:
        error = getattr(request, ERROR, "")
    match = request.resolver_match
    scheme = request.scheme
    key: Any = (request.method, None if match is None else match.route, status, scheme, error)[: 5 if error else 4]
    recorder = site.instrumentation
    if not recorder.record(key, start, spans):
        key = recorder.learn(
            key, method=request.method, route=template(request), status=status, scheme=scheme, error=error
        )
        recorder.record(key, start, spans)


def finish_broken(site: Site, request: Any, start: float, spans: Exchange | None, error: BaseException) -> None:
    """Record an exchange that has no answer: Django cancels it when the client leaves, or *error* goes through it."""
    try:
        if isinstance(error, (CancelledError, GeneratorExit)):
            finish(site, request, 0, start, spans, CLIENT_DISCONNECTED)
        else:
            finish(site, request, 500, start, spans, error_name(error))
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
            name = error if isinstance(error, str) else error_name(error)
            finish(site, request, status, start, spans, name)
        except Exception as failure:  # noqa: BLE001 - the stream must go on whatever happens to us
            site.lose(failure, spans, is_begun=True)

    status = response.status_code
    try:
        watch(request, response, end)
    except Exception as failure:  # noqa: BLE001 - the stream must go on whatever happens to us
        is_recorded = True
        site.lose(failure, spans, is_begun=True)

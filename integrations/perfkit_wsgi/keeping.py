"""Exchanges offered to the flight recorder, and what a response tells those who asked for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfkit.core.spans import Exchange as Spans
from perfkit.http.attachment import Attachment
from perfkit.http.recording.keeping import ASK, KEPT_HEADERS, NO_ROWS, Asked
from perfkit_wsgi.answers import UNNAMED, request_of
from perfkit_wsgi.types import Environ, Headers, StartResponse, Write

if TYPE_CHECKING:
    from perfkit.store import Row
    from perfkit_wsgi.middleware import Hot

__all__ = ["ASKED", "asked", "keep"]

ASKING = f"HTTP_{ASK.upper().replace('-', '_')}"
"""The key of the environ by which a request asks to be kept."""

ASKED = "perfkit.asked"
"""The key of the environ under which an exchange that may ask keeps what it is told."""

_KEPT = {
    name: upper if (upper := name.upper().replace("-", "_")) in UNNAMED else f"HTTP_{upper}" for name in KEPT_HEADERS
}


def asked(
    attachment: Attachment, environ: Environ, start_response: StartResponse, hot: Hot
) -> tuple[Hot, StartResponse]:
    """Return what the hot path uses for this exchange: another `start_response` and no known series where it asked."""
    keeping, found = attachment.keeping, None
    if keeping.looks_at_all or (keeping.listens and ASKING in environ):
        with attachment.errors.guarded(attachment.adapter, "a request could not be read"):
            found = keeping.ask(request_of(environ))
    if found is None:
        return hot, start_response
    environ[ASKED] = found
    return (hot[0], hot[1], NO_ROWS, hot[3]), _telling(attachment, found, start_response)


def keep(
    attachment: Attachment,
    environ: Environ,
    row: Row,
    seconds: float,
    start: float,
    spans: Spans | None,
    *,
    first: float = 0.0,
    error: BaseException | None = None,
) -> None:
    """Offer an exchange to be kept, if it took as long as its series keeps from or was asked for."""
    told: Asked | None = environ.get(ASKED)
    if seconds < row.keep_from and told is None:
        return
    headers = {
        name: value[:1000] for name, key in _KEPT.items() if isinstance(value := environ.get(key), str) and value
    }
    attachment.keeping.keep(
        row,
        seconds,
        spans,
        start,
        first=first,
        query=str(environ.get("QUERY_STRING", ""))[:4096],
        headers=headers,
        error=error,
        asked=told,
    )


def _telling(attachment: Attachment, told: Asked, start_response: StartResponse) -> StartResponse:
    """Return *start_response* such that the response tells where its record is, and what took its time until now."""

    def telling(status: str, headers: Headers, *exc_info: Any) -> Write:
        own: tuple[tuple[str, str], ...] = ()
        with attachment.errors.guarded(attachment.adapter, "a response could not be told of its record"):
            own = told.headers()
        return start_response(status, [*headers, *own], *exc_info)

    return telling

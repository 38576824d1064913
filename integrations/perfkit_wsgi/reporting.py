"""The service's load on the responses of a WSGI app, for those who balance requests to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from perfkit.http.attachment import Attachment, LoadHeader
from perfkit_wsgi.types import Environ, Headers, StartResponse, Write, WSGIApp

if TYPE_CHECKING:
    from perfkit_wsgi.middleware import PerfkitMiddleware

__all__ = ["ReportingApp", "surround"]


def surround(middleware: PerfkitMiddleware, attachment: Attachment) -> None:
    """Put around the app of *middleware* what the settings want: the response cache, the header with the load. Once."""
    if attachment.http_cache is not None:
        from perfkit_wsgi.caching import keep_responses

        keep_responses(middleware, attachment)
    header = attachment.take_load_header()
    if header is not None:
        middleware.app = ReportingApp(middleware.app, header)


class ReportingApp:
    """An app whose responses tell the load; it is only there where the settings want that.

    It lies around the response cache, so a kept response tells the load of now, too.

    Attributes:
        app: The app inside.
    """

    def __init__(self, app: WSGIApp, header: LoadHeader) -> None:
        """Add *header* to what *app* answers."""
        self.app, self._header = app, header

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the app answer, and add the header; one of the app's own stays alone."""
        header = self._header()
        if header is None:
            return self.app(environ, start_response)

        def reporting(status: str, headers: Headers, *exc_info: Any) -> Write:
            if all(name.lower() != header[0] for name, _ in headers):
                headers = [*headers, header]
            return start_response(status, headers, *exc_info)

        return self.app(environ, reporting)

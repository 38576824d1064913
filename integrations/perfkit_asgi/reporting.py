"""The service's load on the responses of an ASGI app, for those who balance requests to it."""

from __future__ import annotations

from typing import Any

from perfkit.http.attachment import LoadHeader
from perfkit_asgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ReportingApp"]


class ReportingApp:
    """An app whose responses tell the load; it is only there where the settings want that.

    It lies around the response cache, so a kept response tells the load of now, too.

    Attributes:
        app: The app inside.
    """

    def __init__(self, app: ASGIApp, header: LoadHeader) -> None:
        """Add *header* to what *app* answers."""
        self.app, self._header = app, header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer, and add the header; one of the app's own stays alone."""
        header = self._header() if scope["type"] == "http" else None
        if header is None:
            await self.app(scope, receive, send)
            return
        name, value = header[0].encode("latin-1"), header[1].encode("latin-1")

        def reporting(message: Message) -> Any:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if all(bytes(known).lower() != name for known, _ in headers):
                    message = {**message, "headers": [*headers, (name, value)]}
            return send(message)

        await self.app(scope, receive, reporting)

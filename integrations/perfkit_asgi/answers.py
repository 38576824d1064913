"""Our own paths over ASGI: scope to request, response to messages."""

from __future__ import annotations

from perfkit.http.routes import Routes

from perfkit.core.message import Request
from perfkit_asgi.types import Receive, Scope, Send

__all__ = ["answer"]


async def answer(routes: Routes, path: str, scope: Scope, receive: Receive, send: Send) -> bool:
    """Answer the request of *scope* for our own *path*; return False if *routes* has no answer for this visitor."""
    response = await routes.arespond(_request(path, scope))
    if response is None:
        return False
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
    return True


def _request(path: str, scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        peer=client[0] if client else None,
        scheme=scope.get("scheme", "http"),
        root_path=scope.get("root_path", ""),
    )

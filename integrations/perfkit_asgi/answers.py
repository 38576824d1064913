"""Our own paths over ASGI: scope to request, response to messages."""

from __future__ import annotations

from perfkit.core.message import Request, Response
from perfkit.http.credentials import without_token
from perfkit_asgi.types import Receive, Scope, Send

__all__ = ["body_of", "headers_of", "hide_token", "own_path", "request_of", "send_response"]


def own_path(scope: Scope) -> str:
    """Return the path of *scope* without the application root, which servers put in front of it, slash at its end or
    not.
    """
    root, path = scope.get("root_path"), scope["path"]
    if not root or not path.startswith(root):
        return str(path)
    rest = str(path[len(root.rstrip("/")) :])
    return rest[1:] if root[-1] == "/" and rest.startswith("//") else rest


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of *scope* by their names in small letters, those of one name joined.

    Joined at once, as some servers take a megabyte of them: to append one by one would copy gigabytes.
    """
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in found.items()}


def request_of(scope: Scope, path: str) -> Request:
    """Return the request of *scope* to our own *path*."""
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers_of(scope),
        peer=client[0] if client else None,
        scheme=scope.get("scheme", "http"),
        root_path=(scope.get("root_path") or "").rstrip("/"),
    )


def hide_token(scope: Scope) -> None:
    """Take a token out of the query of *scope*: servers write that into their access log when the answer starts."""
    query = scope.get("query_string")
    if query:
        scope["query_string"] = without_token(query.decode("latin-1")).encode("latin-1")


async def body_of(receive: Receive, length: int) -> bytes:
    """Return the body if it has *length* bytes, as was announced; empty if it is longer or ends before."""
    body = b""
    while len(body) <= length:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body if len(body) == length else b""
    return b""


async def send_response(response: Response, send: Send) -> None:
    """Send *response* as it is."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})

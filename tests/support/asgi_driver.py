"""Calls an ASGI app as a server would, and keeps what came back."""

from __future__ import annotations

import asyncio
from typing import Any

from perfkit.testing.adapter_kit import Answer

__all__ = ["exchange", "scope_of"]


def scope_of(method: str, path: str, *, headers: dict[str, str] | None = None, root_path: str = "") -> dict[str, Any]:
    raw_path, _, query = path.partition("?")
    given = {"host": "testserver", **(headers or {})}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "root_path": root_path,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("203.0.113.9", 50000),
        "server": ("testserver", 80),
        "state": {},
    }


async def exchange(app: Any, scope: dict[str, Any], body: bytes = b"", leave_after: int | None = None) -> Answer:
    """Run one exchange; after *leave_after* body chunks the client is gone."""
    answer, gone = Answer(), asyncio.Event()
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]

    async def receive() -> dict[str, Any]:
        if pieces:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            answer.chunks.append(message.get("body", b""))
            if leave_after is not None and len(answer.chunks) >= leave_after:
                gone.set()
                await asyncio.sleep(0.01)
            if not message.get("more_body"):
                gone.set()

    try:
        await app(scope, receive, send)
    except Exception as error:
        answer.error = error
    return answer

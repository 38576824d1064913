"""The other end of an ASGI app, message by message: what a server hands in, and every message that came out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgi_driver import scope_of

from perfkit.core.families import Histogram
from perfkit.core.names import ERRORS, WEBSOCKET_DURATION, WEBSOCKETS
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Recorded, recorded

__all__ = ["call", "internal_errors", "lifespan", "one", "open_websockets", "text_of", "websocket", "websockets_closed"]

Messages = list[dict[str, Any]]


async def call(app: Any, method: str, path: str, **changes: Any) -> Messages:
    """Send one request without a body and return the messages of the answer; a *change* of None leaves a key out."""
    scope = {**scope_of(method, path), **changes}
    scope = {name: value for name, value in scope.items() if value is not None}
    asked, sent = False, []

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(3600)
        raise AssertionError("nobody waits that long")

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent


def text_of(messages: Messages) -> tuple[int, str]:
    """Return status and body of an answer."""
    body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
    return next(message["status"] for message in messages if message["type"] == "http.response.start"), body.decode()


@asynccontextmanager
async def lifespan(app: Any, *, with_state: bool = True) -> AsyncIterator[dict[str, Any]]:
    """Run *app* between startup and shutdown as a server does; yields the state that requests get a copy of.

    Raises:
        Exception: What the app raised, or RuntimeError where it only said that its startup or shutdown failed.
    """
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
    if with_state:
        scope["state"] = state

    async def run() -> None:
        try:
            await app(scope, to_app.get, from_app.put)
        finally:
            await from_app.put(None)

    task = asyncio.create_task(run())
    try:
        await to_app.put({"type": "lifespan.startup"})
        await _expect(from_app, "lifespan.startup.complete")
        yield state
        await to_app.put({"type": "lifespan.shutdown"})
        await _expect(from_app, "lifespan.shutdown.complete")
        await task
    except RuntimeError:
        await task
        raise
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _expect(from_app: asyncio.Queue[Any], kind: str) -> None:
    message = await from_app.get()
    if message is None:
        raise RuntimeError("the app ended its lifespan before it was over")
    if message["type"] != kind:
        raise RuntimeError(message.get("message", message["type"]))


async def websocket(app: Any, path: str, incoming: list[str], **changes: Any) -> Messages:
    """Open a WebSocket, send the texts *incoming*, leave, and return what the app sent."""
    scope = {**scope_of("GET", path), "type": "websocket", "scheme": "ws", "subprotocols": [], **changes}
    del scope["method"]
    messages: Messages = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": text} for text in incoming),
        {"type": "websocket.disconnect", "code": 1000},
    ]
    sent = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent


def one(system: PerformanceSystem) -> Recorded:
    """Return the one exchange that was recorded; it is over."""
    (found,) = recorded(system)
    assert found.count == 1
    assert system.store.in_flight() == 0
    return found


def internal_errors(system: PerformanceSystem) -> dict[tuple[str, ...], int]:
    """Return how many errors inside perfkit were counted, by component and kind."""
    return {
        point.labels: int(point.value)
        for family in system.store.families({ERRORS.name})
        for point in family.points
        if isinstance(point.value, float) and point.value
    }


def open_websockets(system: PerformanceSystem) -> float:
    """Return the gauge of open WebSocket connections; 0 where there never was one."""
    return sum(
        point.value
        for family in system.store.families({WEBSOCKETS.name})
        for point in family.points
        if isinstance(point.value, float)
    )


def websockets_closed(system: PerformanceSystem) -> dict[str, int]:
    """Return how many WebSocket connections have ended, by route."""
    return {
        point.labels[0]: int(point.value.count)
        for family in system.store.families({WEBSOCKET_DURATION.name})
        for point in family.points
        if isinstance(point.value, Histogram) and point.value.count
    }

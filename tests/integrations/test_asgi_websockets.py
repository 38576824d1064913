"""WebSockets: connections open now, how long each was open, by route."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgi_peer import internal_errors, open_websockets, websocket, websockets_closed
from fastapi import APIRouter, FastAPI
from fastapi import WebSocket as FastAPIWebSocket
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from perfkit.core.spans import Span, add_span
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("spans_expected")]


def starlette(system: PerformanceSystem, endpoint: Any) -> Starlette:
    app = Starlette(routes=[WebSocketRoute("/rooms/{room}", endpoint)])
    app.add_middleware(PerfkitMiddleware, system=system)
    return app


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


async def test_a_connection_is_open_while_it_lasts_and_then_counted_by_its_route(system: PerformanceSystem) -> None:
    seen = []

    async def watching(socket: WebSocket) -> None:
        seen.append(open_websockets(system))
        await socket.accept()
        seen.append(open_websockets(system))
        await socket.receive_text()
        seen.append(open_websockets(system))

    await websocket(starlette(system, watching), "/rooms/7", ["one"])
    assert seen == [0, 1, 1]
    assert open_websockets(system) == 0
    assert websockets_closed(system) == {"/rooms/{room}": 1}
    assert recorded(system) == []


async def test_its_messages_pass_through(system: PerformanceSystem) -> None:
    sent = await websocket(starlette(system, echo), "/rooms/7", ["one", "two"])
    assert [message.get("text") for message in sent] == [None, "ONE", "TWO"]


async def test_connections_at_once_are_all_open(system: PerformanceSystem) -> None:
    inside, leave = asyncio.Semaphore(0), asyncio.Event()

    async def waiting(socket: WebSocket) -> None:
        await socket.accept()
        inside.release()
        await leave.wait()

    app = starlette(system, waiting)
    connections = [asyncio.create_task(websocket(app, f"/rooms/{n}", [])) for n in range(50)]
    for _ in connections:
        await inside.acquire()
    assert open_websockets(system) == 50
    leave.set()
    await asyncio.gather(*connections)
    assert open_websockets(system) == 0
    assert websockets_closed(system) == {"/rooms/{room}": 50}


async def test_a_connection_that_the_app_refuses_never_was_open(system: PerformanceSystem) -> None:
    async def refusing(socket: WebSocket) -> None:
        await socket.close(code=4403)

    sent = await websocket(starlette(system, refusing), "/rooms/7", [])
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert open_websockets(system) == 0
    assert websockets_closed(system) == {}


async def test_a_refusal_with_an_answer_reaches_the_client(system: PerformanceSystem) -> None:
    async def refusing(socket: WebSocket) -> None:
        raise HTTPException(403, "not you")

    extensions = {"websocket.http.response": {}}
    sent = await websocket(starlette(system, refusing), "/rooms/7", [], extensions=extensions)
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 403
    assert (open_websockets(system), websockets_closed(system)) == (0, {})


async def test_an_exception_passes_and_the_connection_is_over(system: PerformanceSystem) -> None:
    async def boom(socket: WebSocket) -> None:
        await socket.accept()
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await websocket(starlette(system, boom), "/rooms/7", [])
    assert open_websockets(system) == 0
    assert websockets_closed(system) == {"/rooms/{room}": 1}


async def test_a_connection_whose_task_is_cancelled_is_over(system: PerformanceSystem) -> None:
    inside = asyncio.Event()

    async def waiting(socket: WebSocket) -> None:
        await socket.accept()
        inside.set()
        await asyncio.sleep(3600)

    task = asyncio.create_task(websocket(starlette(system, waiting), "/rooms/7", []))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_websockets(system) == 0
    assert websockets_closed(system) == {"/rooms/{room}": 1}


async def test_an_unmatched_path_is_closed_by_the_app_and_leaves_nothing(system: PerformanceSystem) -> None:
    sent = await websocket(starlette(system, echo), "/nowhere", [])
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert (open_websockets(system), websockets_closed(system), internal_errors(system)) == (0, {}, {})


@pytest.mark.parametrize("path", ["/health", "/metrics", "/perfkit/"])
async def test_our_own_paths_are_no_websockets(path: str, system: PerformanceSystem) -> None:
    sent = await websocket(starlette(system, echo), path, [])
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_routes_of_mounts_and_routers_are_whole(system: PerformanceSystem) -> None:
    async def feed(socket: FastAPIWebSocket) -> None:
        await socket.accept()

    router = APIRouter(prefix="/feeds")
    router.add_api_websocket_route("/{feed}", feed)
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    app.mount("/sub/{tenant}", Starlette(routes=[Mount("/in", routes=[WebSocketRoute("/rooms/{room}", echo)])]))
    app.add_middleware(PerfkitMiddleware, system=system)
    for path in ("/v1/feeds/a", "/v2/feeds/b", "/v2/feeds/c", "/sub/acme/in/rooms/7"):
        await websocket(app, path, [])
    assert websockets_closed(system) == {
        "/v1/feeds/{feed}": 1,
        "/v2/feeds/{feed}": 2,
        "/sub/{tenant}/in/rooms/{room}": 1,
    }


async def test_user_code_reaches_the_system(system: PerformanceSystem) -> None:
    seen = []

    async def reaching(socket: WebSocket) -> None:
        seen.append(socket.state.perfkit)
        await socket.accept()

    await websocket(starlette(system, reaching), "/rooms/7", [])
    assert seen == [system]


async def test_spans_of_a_websocket_belong_to_no_exchange(system: PerformanceSystem) -> None:
    taken = []

    async def spanning(socket: WebSocket) -> None:
        await socket.accept()
        taken.append(add_span(Span("sql", "SELECT", 0.0, 0.001)))

    await websocket(starlette(system, spanning), "/rooms/7", [])
    assert taken == [False]


async def test_perfkit_around_perfkit_counts_a_connection_once(system: PerformanceSystem) -> None:
    await websocket(PerfkitMiddleware(starlette(system, echo), system=system), "/rooms/7", ["one"])
    assert websockets_closed(system) == {"/rooms/{room}": 1}


def test_the_test_client_talks_through_it(system: PerformanceSystem) -> None:
    with TestClient(starlette(system, echo)) as client, client.websocket_connect("/rooms/7") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "HELLO"
        assert open_websockets(system) == 1
    assert open_websockets(system) == 0

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from proxied import behind, fronted, proxy_to, settled
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI

pytestmark = pytest.mark.anyio


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        if message == "bye":
            await socket.close(4001, "as you wish")
            return
        if message == "die":
            socket.transport.abort()
            return
        await socket.send(message)


@asynccontextmanager
async def echoing(handler: Any = echo, **options: Any) -> AsyncIterator[int]:
    async with serve(handler, "127.0.0.1", 0, close_timeout=1, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def test_messages_go_both_ways_unchanged() -> None:
    async with echoing() as behind_port:
        proxy = proxy_to(behind_port)
        async with fronted(proxy) as port, connect(f"ws://127.0.0.1:{port}/chat?room=1", proxy=None) as client:
            for message in ("hello", b"\x00\xff", "", "ü" * 100_000):
                await client.send(message)
                assert await client.recv() == message
            assert proxy.balancer.servers[0].in_flight == 1
    assert proxy.balancer.servers[0].in_flight == 0
    assert proxy.balancer.servers[0].successes == 1


async def test_the_server_sees_path_origin_and_where_the_client_comes_from() -> None:
    seen: list[Any] = []

    async def look(socket: ServerConnection) -> None:
        seen.append(socket.request)

    async with echoing(look) as behind_port, fronted(proxy_to(behind_port)) as port:
        with pytest.raises(ConnectionClosed):
            async with connect(
                f"ws://127.0.0.1:{port}/chat?room=%2F",
                proxy=None,
                origin="http://a.example",
                additional_headers={"X-Forwarded-For": "1.2.3.4"},
            ) as client:
                await client.recv()
    assert seen[0].path == "/chat?room=%2F"
    assert seen[0].headers["Origin"] == "http://a.example"
    assert seen[0].headers["X-Forwarded-For"] == "127.0.0.1"


async def test_the_subprotocol_is_the_servers_choice() -> None:
    async with (
        echoing(subprotocols=["b", "c"]) as behind_port,
        fronted(proxy_to(behind_port)) as port,
        connect(f"ws://127.0.0.1:{port}/", proxy=None, subprotocols=["a", "b"]) as client,
    ):
        assert client.subprotocol == "b"


async def test_the_servers_close_code_reaches_the_client() -> None:
    async with (
        echoing() as behind_port,
        fronted(proxy_to(behind_port)) as port,
        connect(f"ws://127.0.0.1:{port}/", proxy=None) as client,
    ):
        await client.send("bye")
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4001, "as you wish")


async def test_the_clients_close_code_reaches_the_server() -> None:
    ended: list[tuple[int | None, str | None]] = []

    async def until_closed(socket: ServerConnection) -> None:
        await socket.wait_closed()
        ended.append((socket.close_code, socket.close_reason))

    async with echoing(until_closed) as behind_port, fronted(proxy_to(behind_port)) as port:
        async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
            await client.close(4002, "enough")
        await settled(lambda: ended)
    assert ended == [(4002, "enough")]


async def test_a_server_that_just_leaves_is_told_as_an_error() -> None:
    async with echoing() as behind_port:
        proxy = proxy_to(behind_port)
        async with fronted(proxy) as port, connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
            await client.send("die")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1011
        await settled(lambda: proxy.balancer.servers[0].failures == 1)


async def test_draining_a_server_sends_its_clients_away() -> None:
    async with echoing() as behind_port:
        proxy = proxy_to(behind_port)
        async with fronted(proxy) as port, connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
            await client.send("x")
            await client.recv()
            proxy.balancer.drain_server("s0")
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(60):
                    await client.recv()
            assert client.close_code == 1001


async def test_a_refused_handshake_is_passed_on() -> None:
    raw = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nWWW-Authenticate: Basic\r\nConnection: close\r\n\r\nwho?"
    async with behind(raw) as end, fronted(proxy_to(end)) as port:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{port}/", proxy=None)
    assert caught.value.response.status_code == 401
    assert caught.value.response.headers["WWW-Authenticate"] == "Basic"


async def test_a_redirect_of_the_handshake_is_not_followed() -> None:
    async with behind() as elsewhere:
        raw = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % elsewhere.port
        async with behind(raw) as end, fronted(proxy_to(end)) as port:
            with pytest.raises(InvalidURI):
                await connect(f"ws://127.0.0.1:{port}/", proxy=None, process_exception=lambda error: error)
        assert len(end.requests) == 1
        assert elsewhere.connections == 0


async def test_without_a_server_the_handshake_is_refused_with_503() -> None:
    async with fronted(proxy_to()) as port:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{port}/", proxy=None, process_exception=lambda error: error)
    assert caught.value.response.status_code == 503

"""Bodies of every size and cut arrive as they were sent, both ways."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from proxied import OK, Behind, behind, proxy_to, settled

from perfkit.load_balancer.proxy import Proxy
from perfkit.load_balancer.proxy.connection import LARGE_PIECE, PIECE
from perfkit.load_balancer.proxy.request import MOST_PIECES

pytestmark = pytest.mark.anyio

CUTS = [
    [1],
    [65_536],
    [65_537],
    [262_034, 110],
    [262_034, 65_536],
    [262_034, 65_537],
    [1] * (MOST_PIECES + 5),
    [200_000, *([3] * (2 * MOST_PIECES))],
    [9_000_000],
    [5_000_000, 65_000, 1],
    [300_000, 300_000, 300_000],
]


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def ask(proxy: Proxy, method: str, pieces: list[bytes], *, chunked: bool = False) -> tuple[int, bytes]:
    """Call the proxy as a server in front does, body by body; return status and body of the answer."""
    length = b"%d" % sum(map(len, pieces))
    framing = (b"transfer-encoding", b"chunked") if chunked else (b"content-length", length)
    left, sent = list(pieces), []
    answered = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if left:
            piece = left.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(left)}
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/a",
        "raw_path": b"/a",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"a"), *([framing] if pieces else [])],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 80),
    }
    await proxy(scope, receive, send)
    answered.set()
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def over(proxy: Proxy, *ends: Behind) -> None:
    """Close the connections of *proxy*, and let both sides take notice."""
    proxy.close()
    for end in ends:
        await settled(end.ended.is_set)
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("sizes", CUTS, ids=str)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_arrives_as_it_was_sent(sizes: list[int], chunked: bool) -> None:
    pieces = [noise(size) for size in sizes]
    async with behind() as end:
        proxy = proxy_to(end)
        for _ in range(2):
            assert await ask(proxy, "POST", pieces, chunked=chunked) == (200, b"ok")
        await over(proxy, end)
    whole = b"".join(pieces)
    for request in end.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head:
            parts, rest = [], body
            while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
                start = rest.index(b"\r\n") + 2
                parts.append(rest[start : start + size])
                rest = rest[start + size + 2 :]
            body = b"".join(parts)
        assert body == whole
    assert end.connections == 1


async def test_a_body_that_is_almost_here_at_once_can_be_sent_again() -> None:
    async def hang_up(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    pieces = [noise(200_000), noise(65_000)]
    async with behind(hang_up) as bad, behind() as good:
        proxy = proxy_to(bad, good)
        for _ in range(2):
            assert await ask(proxy, "PUT", pieces) == (200, b"ok")
        await over(proxy, bad, good)
    assert bad.requests
    assert all(request.endswith(b"\r\n\r\n" + b"".join(pieces)) for request in good.requests)


async def test_a_body_of_which_much_is_missing_is_sent_as_it_comes() -> None:
    async def hang_up(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with behind(hang_up) as bad:
        proxy = proxy_to(bad, bad)
        status, _ = await ask(proxy, "PUT", [noise(200_000), noise(40_000), noise(40_000)])
        await over(proxy, bad)
    assert status == 502
    assert len(bad.requests) == 1, "what is streamed cannot be sent again"


async def test_a_body_larger_than_what_the_server_takes_waits_for_it() -> None:
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        bodies.append(await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])))
        writer.write(OK)
        await writer.drain()
        await reader.read()
        writer.close()
        ended.set()

    bodies: list[bytes] = []
    server = await asyncio.start_server(late, "127.0.0.1", 0, limit=65_536)
    pieces = [noise(12_000_000), noise(60_000)]
    proxy = proxy_to(server.sockets[0].getsockname()[1])
    asked = asyncio.create_task(ask(proxy, "POST", pieces))
    await settled(lambda: proxy.balancer.servers[0].in_flight == 1)
    await asyncio.sleep(0.05)
    assert not asked.done()
    go_on.set()
    assert await asked == (200, b"ok")
    assert bodies == [b"".join(pieces)]
    proxy.close()
    await ended.wait()
    await over(proxy)
    server.close()


@pytest.mark.parametrize("size", [0, 1, 65_536, 262_144, PIECE, PIECE + 1, LARGE_PIECE, 3 * LARGE_PIECE + 7])
async def test_an_answer_arrives_as_it_was_sent(size: int) -> None:
    body = noise(size)
    async with behind(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body)) as end:
        proxy = proxy_to(end)
        for _ in range(3):
            assert await ask(proxy, "GET", []) == (200, body)
        await over(proxy, end)
    assert end.connections == 1


async def test_a_connection_that_brought_a_large_answer_reads_as_little_at_once_as_before() -> None:
    async with behind(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + bytes(4_000_000)) as end:
        proxy = proxy_to(end)
        await ask(proxy, "GET", [])
        upstream = proxy.pool._upstreams[("127.0.0.1", end.port)]
        assert upstream.idle[0]._transport.max_size == PIECE
        await over(proxy, end)

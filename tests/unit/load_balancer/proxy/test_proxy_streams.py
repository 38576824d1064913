from __future__ import annotations

import asyncio
import re

import pytest
from proxied import OK, Behind, behind, exchange, fronted, proxy_to, settled

pytestmark = pytest.mark.anyio

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def hang_up(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def never(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize(
    ("beginning", "then"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"ZZ\r\n"),
    ],
)
async def test_an_answer_that_breaks_off_never_looks_whole(beginning: bytes, then: bytes) -> None:
    async def breaks_off(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(then)
        writer.close()

    async with behind(breaks_off) as end:
        proxy = proxy_to(end)
        async with fronted(proxy) as port:
            answer = await exchange(port, GET)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    if length:
        assert len(body) < int(length[1])
    else:
        assert b"transfer-encoding: chunked" in head.lower()
        assert not body.endswith(b"0\r\n\r\n")
    assert b"half" in body
    server = proxy.balancer.servers[0]
    assert (server.failures, server.in_flight) == (1, 0)
    assert len(end.requests) == 1, "nothing is tried again once a byte went to the client"


async def test_each_piece_of_a_stream_goes_on_as_it_comes() -> None:
    go_on = asyncio.Event()

    async def stream(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"9\r\ndata: 1\n\n\r\n")
        await writer.drain()
        await go_on.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    async with behind(stream) as end, fronted(proxy_to(end)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        async with asyncio.timeout(60):
            await reader.readuntil(b"data: 1\n\n")
            go_on.set()
            assert (await reader.read()).endswith(b"data: 2\n\n\r\n0\r\n\r\n")
        writer.close()


async def test_a_client_that_does_not_read_holds_the_server_back() -> None:
    written = 0

    async def pour(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        for _ in range(200):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
            written += 1_000_000

    async with behind(pour) as end:
        proxy = proxy_to(end)
        async with fronted(proxy) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            before = -1
            while written != before:
                before = written
                await asyncio.sleep(0.3)
            assert written < 100_000_000
            writer.transport.abort()
            await settled(end.ended.is_set)
            await settled(lambda: proxy.balancer.servers[0].in_flight == 0)
    assert proxy.balancer.servers[0].failures == 0


async def test_a_client_that_leaves_ends_the_request_to_the_server() -> None:
    async with behind(never) as end:
        proxy = proxy_to(end)
        async with fronted(proxy) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            await settled(lambda: end.requests)
            writer.transport.abort()
            await settled(lambda: proxy.balancer.servers[0].in_flight == 0)
            assert proxy.pool.open_connections == 0
    server = proxy.balancer.servers[0]
    assert (server.successes, server.failures) == (0, 0)


async def test_a_large_body_streams_to_the_server() -> None:
    async with behind() as end, fronted(proxy_to(end)) as port:
        body = bytes(range(256)) * 4000
        head = b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        answer = await exchange(port, head + body)
    assert answer.startswith(b"HTTP/1.1 200")
    assert end.requests[0].endswith(b"\r\n\r\n" + body)


async def test_a_body_in_chunks_is_framed_anew() -> None:
    async with behind() as end, fronted(proxy_to(end)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n"
        )
        await settled(lambda: end.requests)
        writer.write(b"2\r\nde\r\n0\r\nX-Trailer: no\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    head, _, body = end.requests[0].partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert b"content-length" not in head
    assert body == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


async def test_a_body_that_is_too_large_is_refused_before_and_while_it_comes() -> None:
    async with behind() as end, fronted(proxy_to(end, max_body_bytes=10)) as port:
        said = await exchange(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world")
        unsaid = await exchange(
            port, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n"
        )
    assert said.startswith(b"HTTP/1.1 413")
    assert unsaid.startswith(b"HTTP/1.1 413")
    assert all(b"hello" not in each for each in end.requests)


async def test_a_server_that_refuses_early_is_heard_before_the_body_is_sent() -> None:
    async def refuses(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    async with behind(refuses) as end, fronted(proxy_to(end)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413"), answer


async def test_a_client_that_waits_for_leave_gets_it_from_the_server() -> None:
    async def agrees(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async with behind(agrees) as end, fronted(proxy_to(end)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        writer.write(head)
        async with asyncio.timeout(60):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            writer.write(b"hello")
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert end.requests[0].endswith(b"hello")


async def test_an_unknown_expectation_is_refused() -> None:
    async with behind() as end, fronted(proxy_to(end)) as port:
        answer = await exchange(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-maybe\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 417")


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: x\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_have_none_and_keep_the_connection(method: bytes, raw: bytes) -> None:
    async with behind(raw) as end, fronted(proxy_to(end)) as port:
        request = method + b" / HTTP/1.1\r\nHost: a\r\n\r\n"
        last = method + b" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = await exchange(port, request + last)
    assert answer.count(b"HTTP/1.1 " + raw.split(b" ")[1]) == 2
    assert answer.endswith(b"\r\n\r\n")
    assert end.connections == 1


async def test_interim_answers_are_not_taken_for_the_answer() -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK
    async with behind(raw) as end, fronted(proxy_to(end)) as port:
        answer = await exchange(port, GET)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"ok")


async def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    async def old(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        writer.close()

    async with behind(old) as end, fronted(proxy_to(end)) as port:
        answer = await exchange(port, GET)
    assert b"all of it" in answer
    assert answer.endswith(b"0\r\n\r\n")


async def test_trailers_go_on_where_the_server_in_front_can() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw += b"2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=1\r\n\r\n"
    sent: list[dict[str, object]] = []
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(b"host", b"a"), (b"te", b"trailers")], "client": ("127.0.0.1", 1), "scheme": "http",
        "extensions": {"http.response.trailers": {}},
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async with behind(raw) as end:
        await proxy_to(end)(scope, receive, send)
    assert sent[0]["trailers"] is True
    assert sent[-1] == {"type": "http.response.trailers", "headers": [(b"x-sum", b"7")], "more_trailers": False}

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from proxied import OK, Behind, behind, exchange, fronted, proxy_to, settled

pytestmark = pytest.mark.anyio

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def hang_up(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def never(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize("request_", [GET, POST])
async def test_whoever_cannot_be_reached_is_passed_over(request_: bytes, closed_port: int) -> None:
    async with behind() as end:
        proxy = proxy_to(closed_port, end)
        async with fronted(proxy) as port:
            answers = [await exchange(port, request_) for _ in range(3)]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert proxy.balancer.server("s0").failures >= 1


async def test_a_request_is_tried_again_only_if_it_may_be_done_twice() -> None:
    async with behind(hang_up) as bad, behind() as good:
        proxy = proxy_to(bad, good)
        async with fronted(proxy) as port:
            gets = [await exchange(port, GET) for _ in range(2)]
            posts = [await exchange(port, POST) for _ in range(2)]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in gets)
    assert sorted(answer.split(b" ")[1] for answer in posts) == [b"200", b"502"]
    assert sum(each.startswith(b"POST") for each in bad.requests + good.requests) == 2


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_another_server_is_asked_after_a_gateway_error(status: int) -> None:
    raw = b"HTTP/1.1 %d Bad\r\nContent-Length: 3\r\nRetry-After: 1\r\n\r\nbad" % status
    async with behind(raw) as bad, behind() as good, fronted(proxy_to(bad, good)) as port:
        answers = [await exchange(port, GET) for _ in range(2)]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert bad.requests


async def test_a_gateway_error_of_the_last_server_is_passed_on() -> None:
    raw = b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\nRetry-After: 7\r\n\r\nbad"
    async with behind(raw) as bad, fronted(proxy_to(bad)) as port:
        answer = await exchange(port, GET)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 7" in answer.lower()
    assert answer.endswith(b"bad")


@pytest.mark.parametrize("status", [400, 404, 429, 500])
async def test_what_is_no_gateway_error_is_not_tried_again(status: int) -> None:
    raw = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    async with behind(raw) as one, behind(raw) as two, fronted(proxy_to(one, two)) as port:
        answer = await exchange(port, GET)
    assert answer.split(b" ")[1] == b"%d" % status
    assert len(one.requests) + len(two.requests) == 1


async def test_retries_end_with_their_budget(closed_port: int) -> None:
    proxy = proxy_to(closed_port)
    async with fronted(proxy) as port:
        for _ in range(60):
            assert (await exchange(port, GET)).startswith(b"HTTP/1.1 502")
    budget = proxy.balancer.retry_budget
    assert budget.refused > 0
    assert budget.granted <= 5 + 0.21 * 60


async def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    async def once(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        if len(end.requests) == 2:
            writer.close()  # as a server does whose patience ended just when the next request came
        else:
            writer.write(OK)

    async with behind(once) as end:
        proxy = proxy_to(end)
        async with fronted(proxy) as port:
            answers = [await exchange(port, GET) for _ in range(2)]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert (len(end.requests), end.connections) == (3, 2)
    assert proxy.balancer.servers[0].failures == 0
    assert proxy.balancer.retry_budget.granted == 0


async def test_a_request_that_may_not_be_done_twice_is_not_sent_again_on_a_closed_connection() -> None:
    async def once(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        if len(end.requests) == 2:
            writer.close()
        else:
            writer.write(OK)

    async with behind(once) as end, fronted(proxy_to(end)) as port:
        answers = [await exchange(port, POST) for _ in range(2)]
    assert answers[1].startswith(b"HTTP/1.1 502")
    assert len(end.requests) == 2


async def test_connections_are_kept_and_closed_when_idle() -> None:
    async with behind() as end:
        proxy = proxy_to(end, keep_alive=0.2)
        async with fronted(proxy) as port:
            for _ in range(5):
                await exchange(port, GET)
            assert end.connections == 1
            await settled(end.ended.is_set)
            assert proxy.pool.open_connections == 0


async def test_connections_to_one_server_are_bounded() -> None:
    open_now = most = 0

    async def slowly(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.02)
        open_now -= 1
        writer.write(OK)

    async with behind(slowly) as end, fronted(proxy_to(end, max_connections=3, connect_timeout=60)) as port:
        answers = await asyncio.gather(*(exchange(port, GET) for _ in range(20)))
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert most == 3
    assert end.connections == 3


async def test_a_server_that_does_not_answer_is_a_504_without_a_word_of_the_inside() -> None:
    async with behind(never) as end:
        proxy = proxy_to(end, response_timeout=0.1)
        async with fronted(proxy) as port:
            answer = await exchange(port, POST)
    assert answer.startswith(b"HTTP/1.1 504")
    body = answer.partition(b"\r\n\r\n")[2]
    assert body == b"504 Gateway Timeout: the server behind took too long.\n"
    assert proxy.balancer.servers[0].in_flight == 0


async def test_an_answer_that_falls_silent_is_broken_off() -> None:
    async def stalls(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await asyncio.sleep(3600)

    async with behind(stalls) as end, fronted(proxy_to(end, idle_timeout=0.1)) as port:
        answer = await exchange(port, GET)
    assert answer.startswith(b"HTTP/1.1 200")
    assert not answer.endswith(b"0\r\n\r\n")


async def test_the_whole_exchange_has_a_bound_that_is_passed_on() -> None:
    async def drips(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.02)

    async with behind(drips) as end, fronted(proxy_to(end, total_timeout=0.3)) as port:
        answer = await exchange(port, GET)
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"x-request-timeout-ms: " in end.requests[0]


async def test_without_a_server_the_answer_is_503() -> None:
    async with fronted(proxy_to()) as port:
        answer = await exchange(port, GET)
    assert answer.startswith(b"HTTP/1.1 503")

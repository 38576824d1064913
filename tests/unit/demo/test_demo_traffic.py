"""The shop's visitors: the same for the same seed, on loopback only, within their limits."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import cycle, islice

import pytest
from ports import reserved_port

from perfkit.core.errors import ConfigurationError
from perfkit_demo.connection import Connection
from perfkit_demo.fastapi_shop.app import create_app
from perfkit_demo.journeys import Step, steps
from perfkit_demo.traffic import Traffic, TrafficThread

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def canned(answer: Callable[[str], bytes], port: int = 0) -> AsyncIterator[int]:
    """A server that answers each request line with what *answer* gives, b"" for hanging up; yields its port."""
    open_connections = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]) if length else 0)
                reply = answer(head.split(b"\r\n")[0].decode())
                writer.write(reply)
                await writer.drain()
                if not reply or b"connection: close" in reply.lower():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            open_connections.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in list(open_connections):
            writer.close()
        await server.wait_closed()
        await asyncio.sleep(0)


def always(*replies: bytes) -> Callable[[str], bytes]:
    """Answer whatever is asked with *replies*, in turn and from the start again."""
    endless = cycle(replies)
    return lambda _: next(endless)


def test_the_same_seed_gives_the_same_steps() -> None:
    assert list(islice(steps(1, 4), 500)) == list(islice(steps(1, 4), 500))


def test_another_seed_or_another_visitor_takes_other_steps() -> None:
    first = list(islice(steps(1, 4), 50))
    assert first != list(islice(steps(2, 4), 50))
    assert first != list(islice(steps(1, 5), 50))


def test_the_visitors_use_every_route_of_the_shop_and_get_lost() -> None:
    targets = {f"{step.method} {step.target.split('?')[0]}" for step in islice(steps(0, 0), 3_000)}
    app = create_app("unused.db", perfkit=False)
    for path, operations in app.openapi()["paths"].items():
        pattern = re.sub(r"\{\w+\}", r"\\d+", path)
        for method in operations:
            if path != "/":
                assert any(re.fullmatch(f"{method.upper()} {pattern}", target) for target in targets), path
    for wanted in (r"GET /api/v1/products/\d+", r"GET /api/v1/orders/\d+", r"GET /old/\d+\.html", "PUT /about"):
        assert any(re.fullmatch(wanted, target) for target in targets), wanted


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://10.0.0.1:8000",
        "http://0.0.0.0:8000",
        "https://127.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://127.0.0.1:port",
        "http://[::1",
        "127.0.0.1:8000",
        "",
    ],
)
def test_a_target_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must be http:// and a loopback address"):
        Traffic(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000/", "http://[::1]:8000", "http://127.9.9.9"]
)
def test_a_target_on_loopback_is_taken(url: str) -> None:
    assert Traffic(url).report.sent == 0


@pytest.mark.parametrize(("visitors", "rate"), [(0, 10.0), (201, 10.0), (5, 0.0), (5, 501.0), (5, float("nan"))])
def test_a_number_out_of_range_is_refused(visitors: int, rate: float) -> None:
    with pytest.raises(ConfigurationError, match="must be above 0 and at most"):
        Traffic("http://127.0.0.1:1", visitors=visitors, rate=rate)


@pytest.mark.anyio
async def test_one_visitor_sends_its_steps_in_order_and_no_more_than_the_count() -> None:
    seen: list[str] = []

    def answer(line: str) -> bytes:
        seen.append(line)
        return OK

    async with canned(answer) as port:
        report = await Traffic(f"http://127.0.0.1:{port}", seed=3, visitors=1, rate=500, count=25).run()
    assert seen == [f"{step.method} {step.target} HTTP/1.1" for step in islice(steps(3, 0), 25)]
    assert (report.sent, report.answers, report.errors.total()) == (25, Counter({200: 25}), 0)


@pytest.mark.anyio
async def test_all_visitors_together_send_no_more_than_the_count() -> None:
    async with canned(always(OK)) as port:
        report = await Traffic(f"http://127.0.0.1:{port}", visitors=8, rate=500, count=21).run()
    assert report.sent == 21


@pytest.mark.anyio
async def test_the_rate_is_kept() -> None:
    async with canned(always(OK)) as port:
        began = time.monotonic()
        report = await Traffic(f"http://127.0.0.1:{port}", visitors=4, rate=40, duration=0.5).run()
    took = time.monotonic() - began
    # Each of four visitors waits 0.07 s or more between two requests.
    assert took >= 0.5
    assert report.sent <= 4 * (1 + took / 0.07)


@pytest.mark.anyio
async def test_a_request_without_an_answer_is_counted_as_an_error() -> None:
    replies = (OK, b"", OK, b"nonsense\r\n\r\n", OK)
    async with canned(always(*replies)) as port:
        report = await Traffic(f"http://127.0.0.1:{port}", visitors=1, rate=500, count=5).run()
    assert report.answers == Counter({200: 3})
    assert report.errors == Counter({"IncompleteReadError": 1, "ValueError": 1})
    assert report.sent == 5


@pytest.mark.anyio
async def test_visitors_wait_for_a_server_that_does_not_listen_yet() -> None:
    seen: list[str] = []

    def answer(line: str) -> bytes:
        seen.append(line)
        return OK

    with reserved_port() as port:
        traffic = Traffic(f"http://127.0.0.1:{port}", seed=3, visitors=1, rate=500, count=3)
        visit = asyncio.create_task(traffic.run())
        while traffic.report.refused == 0:  # noqa: ASYNC110 - the report is a plain number
            await asyncio.sleep(0.01)
        async with canned(answer, port):
            report = await visit
    assert seen == [f"{step.method} {step.target} HTTP/1.1" for step in islice(steps(3, 0), 3)]
    assert (report.answers, report.errors.total()) == (Counter({200: 3}), 0)


@pytest.mark.anyio
async def test_stop_ends_visitors_in_the_middle_of_a_request() -> None:
    asked = asyncio.Event()

    def answer(line: str) -> bytes:
        asked.set()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

    async with canned(answer) as port:
        traffic = Traffic(f"http://127.0.0.1:{port}", visitors=3)
        visit = asyncio.create_task(traffic.run())
        await asked.wait()
        traffic.stop()
        assert (await visit).answers == Counter()


@pytest.mark.anyio
async def test_the_thread_ends_when_it_is_stopped() -> None:
    async with canned(always(OK)) as port:
        traffic = Traffic(f"http://127.0.0.1:{port}", visitors=3, rate=100)
        thread = TrafficThread(traffic)
        thread.start()
        while traffic.report.sent == 0:  # noqa: ASYNC110 - the report is a plain number
            await asyncio.sleep(0.01)
        report = await asyncio.to_thread(thread.stop, 60.0)
        assert report.sent > 0
        sent = report.sent
        await asyncio.sleep(0.1)
        assert report.sent == sent


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "reply", [OK, CHUNKED, CLOSING, b"HTTP/1.1 204 No Content\r\n\r\n"], ids=["length", "chunks", "close", "empty"]
)
async def test_a_connection_reads_every_kind_of_body_to_its_end(reply: bytes) -> None:
    async with canned(always(reply)) as port:
        connection = Connection("127.0.0.1", port)
        statuses = [await connection.send(Step("GET", "/")) for _ in range(3)]
        await connection.close()
    assert statuses == [int(reply.split(b" ")[1])] * 3


@pytest.mark.anyio
async def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    closing = b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\nX: Connection: close\r\n\r\nno"
    async with canned(always(closing)) as port:
        connection = Connection("127.0.0.1", port)
        for _ in range(3):
            assert await connection.send(Step("POST", "/checkout")) == 500
            while not connection._streams[0].at_eof():  # type: ignore[index]  # noqa: ASYNC110 - it is no event
                await asyncio.sleep(0.01)
        await connection.close()

"""Never do two parsers read one request differently: the one in front of the proxy, and that of the server behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

import pytest
from proxied import Behind, behind, exchange, fronted, proxy_to
from smuggling import corpus, mutated, second_parser

pytestmark = pytest.mark.anyio


class Witness:
    """Sees each request as the parser in front read it.

    Attributes:
        requests: Method, target and as much of the body as was read.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self.requests: list[tuple[bytes, bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        body = b""

        async def listen() -> Any:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            return message

        try:
            await self._app(scope, listen, send)
        finally:
            self.requests.append((scope["method"].encode(), scope["raw_path"].partition(b"?")[0] + query, body))


async def until_quiet(port: int, request: bytes, gate: asyncio.Semaphore) -> bytes:
    received = b""
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(request)
            await writer.drain()
            while True:
                async with asyncio.timeout(0.3):
                    piece = await reader.read(65536)
                if not piece:
                    break
                received += piece
        writer.transport.abort()
    return received


async def agree(cases: list[bytes], parser: str) -> int:
    """Send *cases*; return how many requests came through, which both ends read alike."""
    gate = asyncio.Semaphore(8)
    async with second_parser() as second:
        witness = Witness(proxy_to(second.port))
        async with fronted(witness, http=parser) as port:
            answers = await asyncio.gather(*(until_quiet(port, case, gate) for case in cases))
    assert second.errors == []
    unseen = Counter(second.requests) - Counter(witness.requests)
    assert not unseen, f"the server behind read what the one in front did not: {unseen}"
    assert len(answers) == len(cases)
    return len(second.requests)


def test_the_corpus_is_large_enough() -> None:
    assert len(set(corpus())) >= 300


@pytest.mark.parametrize("parser", ["httptools", "h11"])
async def test_no_case_of_the_corpus_is_read_differently_behind(parser: str) -> None:
    assert await agree(corpus(), parser) > 50


@pytest.mark.parametrize("parser", ["httptools", "h11"])
async def test_no_mutation_is_read_differently_behind(parser: str) -> None:
    assert await agree(mutated(300, seed=8), parser) > 30


@pytest.mark.acceptance
@pytest.mark.timeout(900)
@pytest.mark.parametrize("parser", ["httptools", "h11"])
async def test_no_mutation_of_many_is_read_differently_behind(parser: str) -> None:
    assert await agree(mutated(10_000, seed=88), parser) > 2000


def scope_of(*headers: tuple[bytes, bytes], method: str = "POST", path: bytes = b"/") -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": method, "path": path.decode("latin-1"), "raw_path": path,
        "query_string": b"", "headers": [(b"host", b"a"), *headers], "client": ("127.0.0.1", 1), "scheme": "http",
    }  # fmt: skip


async def status_of(scope: dict[str, Any], body: bytes = b"") -> tuple[int, int]:
    """Return the status, and how many requests the server behind saw, whatever a server in front would let through."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async with behind() as end:
        await proxy_to(end)(scope, receive, send)
        return sent[0]["status"], len(end.requests)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], 400),
        ([(b"content-length", b"5"), (b"content-length", b"6")], 400),
        ([(b"content-length", b"5"), (b"content-length", b"5")], 400),
        ([(b"content-length", b"+5")], 400),
        ([(b"content-length", b"5, 5")], 400),
        ([(b"content-length", b" 5")], 400),
        ([(b"transfer-encoding", b"gzip, chunked")], 400),
        ([(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], 400),
        ([(b"transfer-encoding", b"identity")], 400),
        ([(b"x", b"a\r\n b")], 400),
        ([(b"x", b"a\nb: c")], 400),
        ([(b"x", b"a\x00b")], 400),
        ([(b"x", b"a\rb")], 400),
        ([(b"x y", b"z")], 400),
        ([(b"x:", b"z")], 400),
        ([(b"", b"z")], 400),
        ([(b"host", b"b")], 400),
        ([(b"x", b"y" * 40_000)], 431),
        ([(b"x%d" % place, b"y") for place in range(200)], 431),
    ],
)
async def test_what_is_not_clear_is_refused_whatever_parser_is_in_front(
    headers: list[tuple[bytes, bytes]], status: int
) -> None:
    assert await status_of(scope_of(*headers), b"hello") == (status, 0)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"http://evil.example/x", 400),
        (b"evil.example:80", 400),
        (b"*", 400),
        (b"", 400),
        (b"/a b", 400),
        (b"/a\r\nX: y", 400),
        (b"/a\x00", 400),
        (b"/a#b", 400),
        (b"/" + b"a" * 9000, 414),
    ],
)
async def test_a_target_that_is_no_path_is_refused(path: bytes, status: int) -> None:
    assert await status_of(scope_of(method="GET", path=path)) == (status, 0)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET /x", "A\r\nB", ""])
async def test_a_method_that_is_not_passed_on(method: str) -> None:
    status, count = await status_of(scope_of(method=method))
    assert status in (400, 405)
    assert count == 0


@pytest.mark.parametrize("host", [b"a b", b"a/b", b"a@b", b"a:b", b"[::1", b"a\x00", b"a,b", b"a?b#c"])
async def test_a_host_that_is_none_is_refused(host: bytes) -> None:
    scope = scope_of(method="GET")
    scope["headers"] = [(b"host", host)]
    assert await status_of(scope) == (400, 0)


@pytest.mark.parametrize("body", [b"hi", b"hello, hello"])
async def test_a_body_of_another_length_than_it_says_is_refused(body: bytes) -> None:
    assert await status_of(scope_of((b"content-length", b"5")), body) == (400, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\r\n b\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"Content-Length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01\x00\x00",
    ],
)
async def test_an_answer_that_is_none_is_a_502(raw: bytes) -> None:
    async with behind(raw) as end, fronted(proxy_to(end)) as port:
        answer = await exchange(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502"), answer[:200]
    assert answer.endswith(b"502 Bad Gateway: the server behind gave no valid answer.\n")


async def test_what_comes_after_an_answer_is_never_taken_for_the_next_one() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    async with behind(raw) as end, fronted(proxy_to(end)) as port:
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answers = [await exchange(port, request) for _ in range(3)]
    assert all(answer.endswith(b"\r\n\r\nok") for answer in answers)
    assert end.connections == 3


async def test_what_comes_after_a_body_in_pieces_is_not_passed_on_and_ends_the_connection() -> None:
    async def answer(end: Behind, request: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na", b"bc", b"def", b"ghiHTTP/1.1 200 OK\r\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    async with behind(answer) as end, fronted(proxy_to(end)) as port:
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answers = [await exchange(port, request) for _ in range(2)]
    assert all(answer.endswith(b"\r\n\r\nabcdefghi") for answer in answers)
    assert end.connections == 2


async def test_a_body_that_an_answer_to_head_has_no_right_to_ends_the_connection() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    async with behind(raw) as end, fronted(proxy_to(end)) as port:
        request = b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answers = [await exchange(port, request) for _ in range(2)]
    assert all(answer.endswith(b"\r\n\r\n") for answer in answers)
    assert end.connections == 2

"""Requests that two parsers may read differently, and a server with another parser than the proxy's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import h11

__all__ = ["Second", "corpus", "mutated", "second_parser"]

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

LENGTHS = (
    (),
    (b"Content-Length: 5",),
    (b"Content-Length: 0",),
    (b"Content-Length: 5", b"Content-Length: 5"),
    (b"Content-Length: 5", b"Content-Length: 0"),
    (b"Content-Length: +5",),
    (b"Content-Length: 5, 5",),
    (b"Content-Length: 0x5",),
    (b"Content-Length: -5",),
    (b"Content-Length : 5",),
    (b"Content-Length: 5\x0b",),
    (b"Content_Length: 5",),
    (b"Content-Length:\r\n 5",),
    (b"Content-Length: 99999999999999999999",),
    (b"\tContent-Length: 5",),
    (b"Content-Length: 5_0",),
)
CODINGS = (
    (),
    (b"Transfer-Encoding: chunked",),
    (b"Transfer-Encoding : chunked",),
    (b"Transfer-Encoding:\tchunked",),
    (b"Transfer-Encoding: xchunked",),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    (b"Transfer-Encoding: identity, chunked",),
    (b"Transfer-Encoding: chunked, chunked",),
    (b"Transfer_Encoding: chunked",),
    (b'Transfer-Encoding: "chunked"',),
    (b"X: x\nTransfer-Encoding: chunked",),
    (b"X: x\r\n Transfer-Encoding: chunked",),
    (b"Transfer-Encoding: chunked\x00",),
    (b"TRANSFER-ENCODING: Chunked",),
    (b"Transfer-Encoding:\x0bchunked",),
    (b"Transfer-Encoding: gzip",),
)
BODIES = (
    b"hello",
    b"0\r\n\r\n" + SMUGGLED,
    b"5\r\nhello\r\n0\r\n\r\n",
    b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n',
    b"5\nhello\n0\n\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"-1\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"0\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    b"fffffffffffffffff\r\nx",
    b"5;\nhello\r\n0\r\n\r\n",
)
ODD_HEADERS = (
    b"X: a\rb",
    b"X: a\x00b",
    b"X: \r\n folded",
    b": empty",
    b"X Y: z",
    b"X\x00: y",
    b"X: \xff",
    b"(X): y",
    b"X",
    b"Host: b",
    b"Connection: content-length",
    b"Connection: transfer-encoding",
    b"Upgrade: h2c",
    b"Expect: x",
    b"Transfer-Encoding\r\n: chunked",
    b"X:\x0ay",
    b"Foo: bar\r\n\rTransfer-Encoding: chunked",
)
LINES = (
    b"GET http://evil.example/x HTTP/1.1",
    b"GET //evil.example/x HTTP/1.1",
    b"CONNECT evil.example:80 HTTP/1.1",
    b"GET evil.example:80 HTTP/1.1",
    b"GET  /x HTTP/1.1",
    b"GET /x  HTTP/1.1",
    b"GET /x HTTP/1.1 HTTP/1.1",
    b"GET /x HTTP/2.0",
    b"GET /x HTTP/1.10",
    b"GET /x",
    b"GET /a b HTTP/1.1",
    b"GET /a\tb HTTP/1.1",
    b"GET /a\x00b HTTP/1.1",
    b"GET * HTTP/1.1",
    b"GET /x#frag HTTP/1.1",
    b"GET \\x HTTP/1.1",
    b"TRACE / HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"G\xc3T / HTTP/1.1",
    b"GET /\xff HTTP/1.1",
    b"POST / HTTP/1.0",
)
SOUND = (
    b"GET /s?a=b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    b"POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: v\r\n\r\n",
    b"PUT /s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Type: text/plain\r\n\r\n" + SMUGGLED,
    b"PUT /s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    b"DELETE /s HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two: \t2 \r\n\r\n",
)
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def corpus() -> list[bytes]:
    """Return the cases: every framing with every other, every body with what frames it, odd headers, odd lines."""
    cases = []
    for place, (lengths, codings) in enumerate(itertools.product(LENGTHS, CODINGS)):
        fields = [b"Host: a", *lengths, *codings]
        cases.append(b"POST /f HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + BODIES[place % 3])
    for framing, body in itertools.product((LENGTHS[1], CODINGS[1], LENGTHS[1] + CODINGS[1]), BODIES):
        cases.append(b"POST /b HTTP/1.1\r\nHost: a\r\n" + b"\r\n".join(framing) + b"\r\n\r\n" + body)
    for odd, framing in itertools.product(ODD_HEADERS, ((), LENGTHS[1], CODINGS[1])):
        fields = [b"Host: a", odd, *framing]
        body = b"" if not framing else BODIES[0] if framing == LENGTHS[1] else BODIES[2]
        cases.append(b"POST /h HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + body)
    cases += [line + b"\r\nHost: a\r\n\r\n" for line in LINES]
    cases += [line + b"\nHost: a\n\n" for line in LINES[:5]]
    return [case + LAST for case in cases]


def mutated(count: int, seed: int) -> list[bytes]:
    """Return *count* cases, half of them of the corpus, half sound, with a few bytes changed, taken out or put in.

    Of the corpus most are refused by the parser in front; of the sound ones many come through changed.
    """
    chance, cases = random.Random(seed), corpus()
    pieces = (
        b"\r",
        b"\n",
        b"\r\n",
        b"\x00",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"0",
        b"\xff",
        b"chunked",
        b"Content-Length: 3\r\n",
    )
    made = []
    for _ in range(count):
        case = bytearray(chance.choice(cases) if len(made) % 2 else chance.choice(SOUND) + LAST)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(case))
            kind = chance.randrange(3)
            if kind == 0:
                case[place : place + chance.randint(1, 3)] = b""
            elif kind == 1:
                case[place:place] = chance.choice(pieces)
            else:
                case[place] = chance.randrange(256)
        made.append(bytes(case))
    return made


@dataclass
class Second:
    """A server that reads with h11.

    Attributes:
        requests: Method, target and body of each whole request.
        errors: What it could not read.
    """

    port: int = 0
    requests: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection, head, body = h11.Connection(h11.SERVER), None, b""
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    data = await reader.read(65536)
                    if not data:
                        return
                    connection.receive_data(data)
                elif isinstance(event, h11.Request):
                    head, body = event, b""
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    assert head is not None
                    self.requests.append((bytes(head.method), bytes(head.target), body))
                    answer = h11.Response(status_code=200, headers=[("Content-Length", "0")])
                    writer.write(connection.send(answer) or b"")
                    writer.write(connection.send(h11.EndOfMessage()) or b"")
                    connection.start_next_cycle()
                else:
                    return
        except h11.RemoteProtocolError as error:
            self.errors.append(str(error))
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def second_parser() -> AsyncIterator[Second]:
    """Run a server that reads with h11."""
    second = Second()
    server = await asyncio.start_server(second.serve, "127.0.0.1", 0)
    second.port = server.sockets[0].getsockname()[1]
    try:
        yield second
    finally:
        server.close()

"""Streaming responses of Django: nothing buffered, closed once, recorded at their end, however they end."""

from __future__ import annotations

import asyncio
import gc
import io
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from asgi_driver import scope_of
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import path
from django_driver import acall, call, environ_of
from django_site import configured

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Recorded, recorded

View = Callable[[HttpRequest], HttpResponseBase]


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem(environment="testing")
    with configured(PERFKIT=system):
        yield system
    system.stop()


def serve(view: View, method: str = "GET", *, leave_after: int | None = None, **extra: Any) -> Any:
    with configured(ROOT_URLCONF=(path("it", view),)):
        return call(WSGIHandler(), {**environ_of(method, "/it"), **extra}, leave_after=leave_after)


def aserve(view: View, method: str = "GET", *, leave_after: int | None = None) -> Any:
    with configured(ROOT_URLCONF=(path("it", view),)):
        return asyncio.run(acall(ASGIHandler(), scope_of(method, "/it"), leave_after=leave_after))


def one(system: PerformanceSystem) -> Recorded:
    (found,) = recorded(system)
    assert found.count == 1
    assert system.store.in_flight() == 0
    return found


class Chunks:
    """Content that knows how often it was closed."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks, self.closed, self.given = list(chunks), 0, 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.given += 1
            yield chunk

    def close(self) -> None:
        self.closed += 1


def test_content_is_given_out_piece_by_piece_and_closed_once(system: PerformanceSystem) -> None:
    content = Chunks(b"one", b"two")
    with configured(ROOT_URLCONF=(path("it", lambda request: StreamingHttpResponse(content)),)):
        body: Any = WSGIHandler()(environ_of("GET", "/it"), lambda *anything: None)
        pieces = iter(body)
        assert (next(pieces), content.given) == (b"one", 1)
        assert recorded(system) == []
        assert list(pieces) == [b"two"]
        assert one(system).error == ""
        body.close()
    assert content.closed == 1
    one(system)


def test_content_of_a_known_length_is_recorded_before_its_last_chunk_leaves(system: PerformanceSystem) -> None:
    def view(request: HttpRequest) -> HttpResponseBase:
        return StreamingHttpResponse([b"one", b"two"], headers={"Content-Length": "6"})

    with configured(ROOT_URLCONF=(path("it", view),)):
        body: Any = WSGIHandler()(environ_of("GET", "/it"), lambda *anything: None)
        pieces = iter(body)
        next(pieces)
        assert recorded(system) == []
        next(pieces)
        assert one(system).error == ""
        body.close()
    one(system)


def test_content_that_is_shorter_than_announced_is_incomplete(system: PerformanceSystem) -> None:
    serve(lambda request: StreamingHttpResponse([b"one"], headers={"Content-Length": "6"}))
    assert (one(system).status, one(system).error) == ("200", "incomplete_response")


@pytest.mark.parametrize("announced", ["", "six", "-1", "²", "1e9"])
def test_a_length_that_is_none_is_no_length(system: PerformanceSystem, announced: str) -> None:
    serve(lambda request: StreamingHttpResponse([b"one"], headers={"Content-Length": announced}))
    assert one(system).error == ""


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_body_that_a_server_does_not_ask_for_is_no_client_that_left(system: PerformanceSystem, method: str) -> None:
    def view(request: HttpRequest) -> HttpResponseBase:
        return StreamingHttpResponse([b"one"], status=200 if method == "HEAD" else 304)

    serve(view, method, leave_after=0)
    assert one(system).error == ""


def test_a_stream_that_nobody_asks_for_is_a_client_that_left(system: PerformanceSystem) -> None:
    with configured(ROOT_URLCONF=(path("it", lambda request: StreamingHttpResponse([b"one"])),)):
        body: Any = WSGIHandler()(environ_of("GET", "/it"), lambda *anything: None)
        body.close()
    assert one(system).error == CLIENT_DISCONNECTED


def test_a_stream_that_is_dropped_without_being_closed_ends_too(system: PerformanceSystem) -> None:
    with configured(ROOT_URLCONF=(path("it", lambda request: StreamingHttpResponse([b"one"])),)):
        WSGIHandler()(environ_of("GET", "/it"), lambda *anything: None)
        gc.collect()
    assert one(system).error == CLIENT_DISCONNECTED


def test_a_stream_that_breaks_at_once_is_an_error(system: PerformanceSystem) -> None:
    def broken() -> Iterator[bytes]:
        raise LookupError("no first chunk")
        yield b""

    answer = serve(lambda request: StreamingHttpResponse(broken()))
    assert isinstance(answer.error, LookupError)
    assert (one(system).status, one(system).error) == ("200", "LookupError")


def test_a_file_goes_to_the_servers_own_way_of_sending_and_is_recorded_when_closed(system: PerformanceSystem) -> None:
    given: list[Any] = []

    def wrapper(file: Any, size: int) -> FileWrapper:
        given.append(file)
        return FileWrapper(file, size)

    file = io.BytesIO(b"x" * 10_000)
    with configured(ROOT_URLCONF=(path("it", lambda request: FileResponse(file)),)):
        environ = {**environ_of("GET", "/it"), "wsgi.file_wrapper": wrapper}
        body: Any = WSGIHandler()(environ, lambda *anything: None)
        assert isinstance(body, FileWrapper)
        assert given == [file]
        assert b"".join(body) == b"x" * 10_000
        assert recorded(system) == []
        body.close()
    assert file.closed
    assert one(system).error == ""


def test_a_file_without_such_a_server_is_streamed_and_closed(system: PerformanceSystem) -> None:
    file = io.BytesIO(b"x" * 10_000)
    answer = serve(lambda request: FileResponse(file))
    assert answer.body == b"x" * 10_000
    assert answer.headers["content-length"] == "10000"
    assert file.closed
    assert one(system).error == ""


def test_a_file_that_a_client_does_not_take_whole_is_a_client_that_left(system: PerformanceSystem) -> None:
    serve(lambda request: FileResponse(io.BytesIO(b"x" * 10_000)), leave_after=1)
    assert one(system).error == CLIENT_DISCONNECTED


def test_a_view_keeps_the_file_of_its_response(system: PerformanceSystem) -> None:
    responses: list[FileResponse] = []
    file = io.BytesIO(b"x")

    def view(request: HttpRequest) -> HttpResponseBase:
        responses.append(FileResponse(file))
        return responses[0]

    serve(view)
    assert responses[0].file_to_stream is file


def test_a_file_under_asgi_is_whole(system: PerformanceSystem) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Django's own: it reads a file into memory there
        answer = aserve(lambda request: FileResponse(io.BytesIO(b"x" * 200_000)))
    assert answer.body == b"x" * 200_000
    assert one(system).error == ""


def test_an_async_stream_under_wsgi_is_collected_by_django_as_ever(system: PerformanceSystem) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    with pytest.warns(Warning, match="must consume asynchronous iterators"):
        answer = serve(lambda request: StreamingHttpResponse(content()))
    assert answer.body == b"onetwo"
    assert one(system).error == ""


def test_a_sync_stream_under_asgi_is_collected_by_django_as_ever(system: PerformanceSystem) -> None:
    with pytest.warns(Warning, match="must consume synchronous iterators"):
        answer = aserve(lambda request: StreamingHttpResponse(iter([b"one", b"two"])))
    assert answer.body == b"onetwo"
    assert one(system).error == ""


def test_an_async_stream_is_cleaned_up_when_the_client_leaves(system: PerformanceSystem) -> None:
    ended: list[str] = []

    async def content() -> AsyncIterator[bytes]:
        try:
            for number in range(1000):
                yield b"%d" % number
                await asyncio.sleep(0.001)
        finally:
            ended.append("cleaned up")

    answer = aserve(lambda request: StreamingHttpResponse(content()), leave_after=2)
    assert 2 <= len(answer.chunks) < 1000
    assert ended == ["cleaned up"]
    assert (one(system).status, one(system).error) == ("200", CLIENT_DISCONNECTED)


def test_an_async_stream_that_waits_when_the_client_leaves_is_cancelled_as_ever(system: PerformanceSystem) -> None:
    ended: list[str] = []

    async def exchange() -> None:
        is_waiting = asyncio.Event()

        async def content() -> AsyncIterator[bytes]:
            yield b"one"
            try:
                is_waiting.set()
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        requests: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if requests:
                return requests.pop()
            await is_waiting.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            return None

        with configured(ROOT_URLCONF=(path("it", lambda request: StreamingHttpResponse(content())),)):
            await ASGIHandler()(scope_of("GET", "/it"), receive, send)

    asyncio.run(exchange())
    assert ended == ["cancelled"]
    assert one(system).error == CLIENT_DISCONNECTED


def test_text_and_other_content_become_bytes_as_ever(system: PerformanceSystem) -> None:
    content: Any = ["one ", 2, memoryview(b" three"), " vier ü"]
    answer = serve(lambda request: StreamingHttpResponse(content))
    assert answer.chunks == [b"one ", b"2", b" three", " vier ü".encode()]


def test_a_middleware_inside_may_wrap_the_stream(system: PerformanceSystem) -> None:
    from django_site import MIDDLEWARE

    with configured(MIDDLEWARE=[*MIDDLEWARE, "django.middleware.gzip.GZipMiddleware"]):
        answer = serve(lambda request: StreamingHttpResponse([b"x" * 300] * 3), HTTP_ACCEPT_ENCODING="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert one(system).error == ""

"""What an app sends in unusual ways passes through the response cache as it would without."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from asgi_driver import exchange, scope_of
from asgi_peer import call, internal_errors
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from wsgi_driver import Server, environ_of
from wsgi_driver import exchange as wsgi_exchange

from perfkit.cache.http.passage import Passage
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware
from perfkit_wsgi import PerfkitMiddleware as WSGIMiddleware

CACHE = {"http_cache": {"GET /it": 30}, "http": {"wait": 60.0}}


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem({"cache": CACHE}, environment="testing")
    yield system
    system.stop()


def start(*headers: tuple[bytes, bytes], status: int = 200, **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(piece: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def told(message: dict[str, Any]) -> str:
    return dict(message["headers"]).get(b"cache-status", b"").decode()


class TestASGI:
    pytestmark = pytest.mark.anyio

    def app_of(self, system: PerformanceSystem, *messages: dict[str, Any]) -> Any:
        self.calls = 0

        async def app(scope: Any, receive: Any, send: Any) -> None:
            self.calls += 1
            for message in messages:
                await send(message)

        return PerfkitMiddleware(app, system=system)

    async def test_a_file_that_the_server_sends_is_left_to_it(self, system: PerformanceSystem) -> None:
        path = {"type": "http.response.pathsend", "path": "/srv/file"}
        for head in (start((b"content-length", b"9")), start()):
            sent = await call(self.app_of(system, head, path), "GET", "/it")
            assert [message["type"] for message in sent] == ["http.response.start", "http.response.pathsend"]
            assert sent[1] == path
            sent = await call(self.app_of(system, head, path), "GET", "/it")
            assert self.calls == 1

    async def test_nobody_waits_for_a_renewal_that_was_cancelled_before_it_began(self) -> None:
        clock, settings = FakeClock(), {"http_cache": {"GET /it": 30}, "http": {"stale_while_revalidate": 100.0}}
        system = PerformanceSystem({"cache": settings}, environment="testing", clock=clock)
        app = self.app_of(system, start((b"content-length", b"3")), body(b"one"))
        await call(app, "GET", "/it")
        clock.advance(31.0)
        await call(app, "GET", "/it")
        (renewal,) = app.app._renewals
        assert len(system.cache._engine.flights) == 1
        renewal.cancel()
        await asyncio.wait({renewal})
        assert self.calls == 1
        assert len(system.cache._engine.flights) == 0
        system.stop()

    async def test_trailers_are_passed_on_and_not_kept(self, system: PerformanceSystem) -> None:
        trailers = {"type": "http.response.trailers", "headers": [(b"digest", b"x")], "more_trailers": False}
        app = self.app_of(system, start(trailers=True), body(b"one"), trailers)
        for _ in range(2):
            sent = await call(app, "GET", "/it")
            assert sent[0]["trailers"] is True
            assert sent[1:] == [body(b"one"), trailers]
        assert self.calls == 2

    async def test_headers_stay_as_they_were_written(self, system: PerformanceSystem) -> None:
        given = [(b"X-One", b"1"), (b"content-length", b"3"), (b"x-two", b"\xff"), (b"x-two", b"again")]
        app = self.app_of(system, start(*given), body(b"one"))
        first, _ = await call(app, "GET", "/it")
        assert first["headers"][:4] == given
        assert [name for name, _ in first["headers"][4:]] == [b"etag", b"cache-status"]
        kept, _ = await call(app, "GET", "/it")
        assert self.calls == 1
        assert kept["headers"][:4] == [(name.lower(), value) for name, value in given]

    async def test_headers_may_come_from_an_iterator(self, system: PerformanceSystem) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": iter([(b"content-length", b"3")])}
        sent = await call(self.app_of(system, head, body(b"one")), "GET", "/it")
        assert sent[0]["headers"][0] == (b"content-length", b"3")

    async def test_messages_of_other_kinds_are_passed_on(self, system: PerformanceSystem) -> None:
        hint = {"type": "http.response.early_hint", "links": []}
        app = self.app_of(system, hint, start((b"content-length", b"3")), body(b"one"))
        assert (await call(app, "GET", "/it"))[0] == hint
        await call(app, "GET", "/it")
        assert self.calls == 1

    async def test_a_head_without_a_body_reaches_the_server(self, system: PerformanceSystem) -> None:
        app = self.app_of(system, start((b"content-length", b"3")))
        sent = await call(app, "GET", "/it")
        assert [message["type"] for message in sent] == ["http.response.start"]
        assert told(sent[0]) == "perfkit; fwd=miss"
        await call(app, "GET", "/it")
        assert self.calls == 2

    async def test_an_empty_last_message_is_an_end_too(self, system: PerformanceSystem) -> None:
        app = self.app_of(system, start((b"content-length", b"3")), body(b"one", more=True), body(b""))
        sent = await call(app, "GET", "/it")
        assert sent[1:] == [body(b"one", more=True), body(b"")]
        assert (await call(app, "GET", "/it"))[1]["body"] == b"one"
        assert self.calls == 1

    @pytest.mark.parametrize("pieces", [[body(b"one")], [body(b"one", more=True), body(b"")]])
    async def test_who_has_it_already_gets_one_304_and_the_response_is_kept(
        self, system: PerformanceSystem, pieces: list[dict[str, Any]]
    ) -> None:
        app = self.app_of(system, start((b"content-length", b"3"), (b"etag", b'"a"')), *pieces)
        sent = await call(app, "GET", "/it", headers=[(b"host", b"testserver"), (b"if-none-match", b'"a"')])
        assert [message.get("status") for message in sent] == [304, None]
        assert sent[1]["body"] == b""
        assert (await call(app, "GET", "/it"))[1]["body"] == b"one"
        assert self.calls == 1

    async def test_an_error_of_ours_lets_the_response_through(
        self, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        messages = start((b"content-length", b"3")), body(b"one")

        def broken(*arguments: Any) -> Any:
            raise KeyError("ours")

        for name in ("start", "take"):
            with monkeypatch.context() as patch:
                patch.setattr(Passage, name, broken)
                sent = await call(self.app_of(system, *messages), "GET", "/it")
            assert sent[1]["body"] == b"one"
            assert sent[0]["headers"][0] == (b"content-length", b"3")
        monkeypatch.setattr("perfkit.cache.http.cache.HttpCache.enter", broken)
        assert (await call(self.app_of(system, *messages), "GET", "/it"))[1] == body(b"one")
        assert internal_errors(system) == {("cache", "KeyError"): 3}

    async def test_the_scope_is_as_it_was_when_the_app_has_answered(self, system: PerformanceSystem) -> None:
        seen = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(dict(scope["headers"]))
            await PlainTextResponse("one")(scope, receive, send)

        scope = scope_of("GET", "/it", headers={"if-none-match": '"a"'})
        given = list(scope["headers"])
        await exchange(PerfkitMiddleware(app, system=system), scope)
        assert b"if-none-match" not in seen[0]
        assert scope["headers"] == given

    async def test_work_after_the_answer_keeps_nobody_waiting(self, system: PerformanceSystem) -> None:
        gate, begun = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            await gate.wait()

        async def answer(request: Request) -> Response:
            return PlainTextResponse("one", background=BackgroundTask(work))

        app = PerfkitMiddleware(Starlette(routes=[Route("/it", answer)]), system=system)
        first = asyncio.create_task(exchange(app, scope_of("GET", "/it")))
        await begun.wait()
        second = await exchange(app, scope_of("GET", "/it"))
        gate.set()
        assert second.body == (await first).body == b"one"
        assert "cache-status" in second.headers

    async def test_one_who_is_cancelled_takes_nobody_along(self, system: PerformanceSystem) -> None:
        calls, begun = [], asyncio.Event()

        async def answer(request: Request) -> Response:
            calls.append(1)
            begun.set()
            if len(calls) == 1:
                await asyncio.sleep(3600)
            return PlainTextResponse(f"answer {len(calls)}")

        app = PerfkitMiddleware(Starlette(routes=[Route("/it", answer)]), system=system)
        leader = asyncio.create_task(exchange(app, scope_of("GET", "/it")))
        await begun.wait()
        others = [asyncio.create_task(exchange(app, scope_of("GET", "/it"))) for _ in range(5)]
        await asyncio.sleep(0.01)
        leader.cancel()
        await asyncio.wait([leader])
        answers = await asyncio.gather(*others)
        assert all(each.status == 200 for each in answers)
        assert (await exchange(app, scope_of("GET", "/it"))).headers["cache-status"].startswith("perfkit; hit")

    async def test_one_who_waits_and_is_cancelled_does_no_harm(self, system: PerformanceSystem) -> None:
        gate, begun = asyncio.Event(), asyncio.Event()

        async def answer(request: Request) -> Response:
            begun.set()
            await gate.wait()
            return PlainTextResponse("one")

        app = PerfkitMiddleware(Starlette(routes=[Route("/it", answer)]), system=system)
        leader = asyncio.create_task(exchange(app, scope_of("GET", "/it")))
        await begun.wait()
        other = asyncio.create_task(exchange(app, scope_of("GET", "/it")))
        await asyncio.sleep(0.01)
        other.cancel()
        await asyncio.wait([other])
        gate.set()
        assert (await leader).body == b"one"
        assert system.store.in_flight() == 0
        assert not system.cache._engine.flights

    async def test_a_stream_that_is_cancelled_in_the_middle_is_not_kept(self, system: PerformanceSystem) -> None:
        calls, begun = [], asyncio.Event()

        async def answer(request: Request) -> Response:
            calls.append(1)

            async def chunks() -> AsyncIterator[bytes]:
                yield b"one"
                begun.set()
                if len(calls) == 1:
                    await asyncio.sleep(3600)
                yield b"two"

            return StreamingResponse(chunks())

        app = PerfkitMiddleware(Starlette(routes=[Route("/it", answer)]), system=system)
        first = asyncio.create_task(exchange(app, scope_of("GET", "/it")))
        await begun.wait()
        first.cancel()
        await asyncio.wait([first])
        assert (await exchange(app, scope_of("GET", "/it"))).body == b"onetwo"
        assert len(calls) == 2

    async def test_an_app_without_routes_to_cache_is_not_wrapped(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("one")(scope, receive, send)

        middleware = PerfkitMiddleware(app, environment="testing")
        await exchange(middleware, scope_of("GET", "/it"))
        assert middleware.app is app
        middleware.system.stop()


class TestWSGI:
    def served(self, system: PerformanceSystem, app: Any, **more: Any) -> Server:
        server = Server()
        server.run(WSGIMiddleware(app, system=system), environ_of("GET", "/it", **more))
        return server

    def twice(self, system: PerformanceSystem, app: Any) -> int:
        """Ask twice; return how often the app was asked."""
        calls = []

        def counted(environ: Any, start_response: Any) -> Any:
            calls.append(1)
            return app(environ, start_response)

        wrapped = WSGIMiddleware(counted, system=system)
        answers = [wsgi_exchange(wrapped, environ_of("GET", "/it")) for _ in range(2)]
        assert answers[0].status == answers[1].status
        assert answers[0].body == answers[1].body
        assert system.store.in_flight() == 0
        return len(calls)

    def test_a_list_of_one_is_handed_on_as_it_is(self, system: PerformanceSystem) -> None:
        result = [b"one"]

        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 Fine", [("Content-Length", "3"), ("X-Case", "1")])
            return result

        server = self.served(system, app)
        assert server.result is result
        status, headers = server.starts[0]
        assert status == "200 Fine"
        assert headers[:2] == [("Content-Length", "3"), ("X-Case", "1")]
        assert self.twice(system, app) == 1

    def test_a_list_of_parts_is_kept_whole(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "6")])
            return [b"one", b"two"]

        assert self.twice(system, app) == 1

    def test_a_list_without_a_length_is_kept(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return (b"one", b"two")

        assert self.twice(system, app) == 1

    def test_a_list_of_another_length_is_not(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "4")])
            return [b"one"]

        assert self.twice(system, app) == 2

    def test_an_empty_body_is_kept(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "0")])
            return []

        assert self.twice(system, app) == 1

    def test_an_empty_generator_is_kept(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "0")])
            return iter(())

        assert self.twice(system, app) == 1

    def test_what_is_written_is_passed_on_and_not_kept(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            write = start_response("200 OK", [("Content-Length", "6")])
            write(b"one")
            return [b"two"]

        assert self.served(system, app).answer.body == b"onetwo"
        assert self.twice(system, app) == 2

    def test_a_file_stays_a_file(self, system: PerformanceSystem) -> None:
        files = []

        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "3")])
            files.append(environ["wsgi.file_wrapper"](io.BytesIO(b"one")))
            return files[-1]

        server = self.served(system, app, **{"wsgi.file_wrapper": FileWrapper})
        assert server.result is files[0]
        assert server.answer.body == b"one"

    def test_a_generator_may_start_the_answer_itself(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            yield b"one"
            yield b"two"

        assert self.twice(system, app) == 1

    def test_a_generator_of_known_length_is_kept_before_its_last_piece_is_sent(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "6")])
            yield b"one"
            yield b"two"

        wrapped = WSGIMiddleware(app, system=system)
        body_pieces = iter(wrapped(environ_of("GET", "/it"), Server().start_response))
        assert [next(body_pieces), next(body_pieces)] == [b"one", b"two"]
        told_second = wsgi_exchange(wrapped, environ_of("GET", "/it")).headers["cache-status"]
        assert told_second.startswith("perfkit; hit")

    def test_an_answer_may_be_begun_anew_after_an_error(self, system: PerformanceSystem) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "3")])
            try:
                raise ValueError("late")
            except ValueError as error:
                start_response("500 Oh", [("Content-Length", "2")], (ValueError, error, error.__traceback__))
            return [b"oh"]

        server = self.served(system, app)
        assert (server.answer.status, server.answer.body) == (500, b"oh")
        assert self.twice(system, app) == 2

    def test_close_is_called_once(self, system: PerformanceSystem) -> None:
        closed = []

        class Body:
            def __iter__(self) -> Iterator[bytes]:
                return iter([b"one"])

            def close(self) -> None:
                closed.append(1)

        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "3")])
            return Body()

        self.served(system, app)
        assert closed == [1]
        self.served(system, app)
        assert closed == [1, 1], "another middleware, whose cache is another"

    def test_an_error_of_ours_lets_the_response_through(
        self, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "3")])
            return [b"one"]

        def broken(*arguments: Any) -> Any:
            raise KeyError("ours")

        for name in ("start", "take"):
            with monkeypatch.context() as patch:
                patch.setattr(Passage, name, broken)
                answer = self.served(system, app).answer
            assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"one", "3")
        monkeypatch.setattr("perfkit.cache.http.cache.HttpCache.enter", broken)
        assert self.served(system, app).answer.body == b"one"
        assert internal_errors(system) == {("cache", "KeyError"): 3}

    def test_the_environ_is_as_it_was_when_the_answer_is_over(self, system: PerformanceSystem) -> None:
        seen = []

        def app(environ: Any, start_response: Any) -> Any:
            seen.append("HTTP_IF_NONE_MATCH" in environ)
            start_response("200 OK", [("Content-Length", "3")])
            yield b"one"
            seen.append("HTTP_IF_NONE_MATCH" in environ)

        environ = environ_of("GET", "/it", headers={"if-none-match": '"a"'})
        Server().run(WSGIMiddleware(app, system=system), environ)
        assert seen == [False, False]
        assert environ["HTTP_IF_NONE_MATCH"] == '"a"'

    def test_who_is_named_by_the_server_is_no_stranger(self, system: PerformanceSystem) -> None:
        calls = []

        def app(environ: Any, start_response: Any) -> Any:
            calls.append(1)
            start_response("200 OK", [("Content-Length", "3")])
            return [b"one"]

        wrapped = WSGIMiddleware(app, system=system)
        for user in ("ann", "bob", None):
            wsgi_exchange(wrapped, environ_of("GET", "/it", REMOTE_USER=user))
        assert len(calls) == 3
        assert sum(one.count for one in recorded(system)) == 3

    def test_an_app_without_routes_to_cache_is_not_wrapped(self) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return [b"one"]

        middleware = WSGIMiddleware(app, environment="testing")
        wsgi_exchange(middleware, environ_of("GET", "/it"))
        assert middleware.app is app
        middleware.system.stop()

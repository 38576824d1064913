"""Exchanges that end before their answer: the client leaves or the app is cancelled; and many exchanges at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from asgi_driver import exchange, scope_of
from asgi_peer import one
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware

pytestmark = pytest.mark.anyio


class Server:
    """One exchange as a server keeps it: it knows whether the client is there, and may cancel the app."""

    def __init__(self, app: Any, path: str = "/", *, spec_version: str = "2.3") -> None:
        self.is_gone = asyncio.Event()
        self.begun = asyncio.Event()
        self.sent: list[Any] = []
        scope = scope_of("GET", path)
        scope["asgi"]["spec_version"] = spec_version
        self._is_asked = False
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.begun.set()
        self.sent.append(message)
        if self.is_gone.is_set() and message["type"] == "http.response.body":
            raise OSError("the client is gone")

    async def end(self) -> BaseException | None:
        """Wait for the app; return what it raised."""
        try:
            await asyncio.wait_for(asyncio.shield(self.task), 10)
        except BaseException as error:
            return error
        return None


async def endless(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0.001)

    return StreamingResponse(chunks())


async def waiting(request: Request) -> Response:
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits that long")


def make_app(system: PerformanceSystem, *routes: Route) -> Starlette:
    app = Starlette(routes=[Route("/endless", endless), Route("/waiting", waiting), *routes])
    app.add_middleware(PerfkitMiddleware, system=system)
    return app


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"], ids=["told by receive", "told by send"])
async def test_a_client_that_leaves_a_stream_is_no_error(spec_version: str, system: PerformanceSystem) -> None:
    server = Server(make_app(system), "/endless", spec_version=spec_version)
    await server.begun.wait()
    server.is_gone.set()
    error = await server.end()
    assert error is None or isinstance(error, ClientDisconnect | OSError)  # whichever of the two was told first
    assert (one(system).route, one(system).status, one(system).error) == ("/endless", "200", CLIENT_DISCONNECTED)


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"], ids=["told by receive", "told by send"])
async def test_it_is_none_behind_a_middleware_of_the_users_either(spec_version: str, system: PerformanceSystem) -> None:
    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app = Starlette(routes=[Route("/endless", endless)])
    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    app.add_middleware(PerfkitMiddleware, system=system)
    server = Server(app, "/endless", spec_version=spec_version)
    await server.begun.wait()
    server.is_gone.set()
    await server.end()
    assert (one(system).route, one(system).status, one(system).error) == ("/endless", "200", CLIENT_DISCONNECTED)


async def test_an_app_cancelled_before_its_answer_because_the_client_left(system: PerformanceSystem) -> None:
    server = Server(make_app(system), "/waiting")
    await asyncio.sleep(0.01)
    server.is_gone.set()
    server.task.cancel()
    assert isinstance(await server.end(), asyncio.CancelledError)
    assert (one(system).route, one(system).status, one(system).error) == ("/waiting", "", CLIENT_DISCONNECTED)


async def test_an_app_cancelled_before_its_answer_while_the_client_waits(system: PerformanceSystem) -> None:
    server = Server(make_app(system), "/waiting")
    await asyncio.sleep(0.01)
    server.task.cancel()
    assert isinstance(await server.end(), asyncio.CancelledError)
    assert (one(system).route, one(system).status, one(system).error) == ("/waiting", "", "cancelled")


async def test_an_app_cancelled_in_its_stream_keeps_the_status_it_sent(system: PerformanceSystem) -> None:
    server = Server(make_app(system), "/endless")
    await server.begun.wait()
    server.task.cancel()
    assert isinstance(await server.end(), asyncio.CancelledError)
    assert (one(system).status, one(system).error) == ("200", "cancelled")


async def test_a_server_that_runs_the_app_in_a_cancel_scope_ends_it_cleanly(system: PerformanceSystem) -> None:
    """As hypercorn does: app and connection share a task group, and whichever ends first cancels the other."""
    app = make_app(system)
    gone = anyio.Event()
    sent = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:

        async def connection() -> None:
            await anyio.sleep(0.02)
            gone.set()
            group.cancel_scope.cancel()

        group.start_soon(connection)
        group.start_soon(app, scope_of("GET", "/waiting"), receive, send)
    assert sent == []
    assert (one(system).route, one(system).error) == ("/waiting", CLIENT_DISCONNECTED)


async def test_a_timeout_of_the_app_that_it_answers_itself_is_no_cancellation(system: PerformanceSystem) -> None:
    async def impatient(request: Request) -> Response:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(3600)
        except TimeoutError:
            return PlainTextResponse("too slow", status_code=504)
        raise AssertionError("nobody waits that long")

    server = Server(make_app(system, Route("/impatient", impatient)), "/impatient")
    assert await server.end() is None
    assert (one(system).status, one(system).error) == ("504", "504")


async def test_a_cancellation_after_the_answer_changes_nothing(system: PerformanceSystem) -> None:
    async def lingering(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("done")(scope, receive, send)
        await asyncio.sleep(3600)

    server = Server(PerfkitMiddleware(lingering, system=system))
    await server.begun.wait()
    await asyncio.sleep(0.01)
    server.task.cancel()
    assert isinstance(await server.end(), asyncio.CancelledError)
    assert (one(system).status, one(system).error) == ("200", "")


async def test_to_ask_whether_the_client_is_gone_does_not_wait(system: PerformanceSystem) -> None:
    async def forgetful(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    tasks = asyncio.all_tasks()
    server = Server(PerfkitMiddleware(forgetful, system=system))
    assert await server.end() is None
    assert one(system).error == "incomplete_response"
    assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize("fault", [RuntimeError("the exchange is over"), asyncio.InvalidStateError()])
async def test_a_server_that_must_not_be_asked_any_more_may_say_so(fault: Exception, system: PerformanceSystem) -> None:
    async def forgetful(scope: Any, receive: Any, send: Any) -> None:
        return None

    def refusing() -> Any:
        raise fault

    await PerfkitMiddleware(forgetful, system=system)(scope_of("GET", "/"), refusing, refusing)
    assert one(system).error == "no_response"


async def test_perfkit_inside_a_middleware_with_task_groups_leaves_them_whole(system: PerformanceSystem) -> None:
    async def forgetful(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    class Scoped:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            with anyio.move_on_after(10) as timer:
                async with anyio.create_task_group():
                    await self.app(scope, receive, send)
            assert not timer.cancelled_caught
            await anyio.lowlevel.checkpoint()

    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app = BaseHTTPMiddleware(Scoped(PerfkitMiddleware(forgetful, system=system)), passing)
    tasks = asyncio.all_tasks()
    answer = await asyncio.wait_for(exchange(app, scope_of("GET", "/")), 10)
    assert (answer.status, answer.error) == (200, None)
    assert one(system).status == "200"
    assert asyncio.all_tasks() == tasks


async def test_two_hundred_requests_at_once_are_counted_each_on_its_own_route(system: PerformanceSystem) -> None:
    async def work(request: Request) -> Response:
        await asyncio.sleep(random.random() * 0.01)
        if request.url.path.endswith("7"):
            await run_in_threadpool(sum, range(100))
        return PlainTextResponse(request.url.path)

    app = Starlette(routes=[Route(f"/route-{n}/{{item}}", work) for n in range(200)])
    app.add_middleware(PerfkitMiddleware, system=system)
    paths = [f"/route-{n}/{item}" for n in range(200) for item in range(3)]
    random.Random(1).shuffle(paths)
    answers = await asyncio.gather(*(exchange(app, scope_of("GET", path)) for path in paths))
    assert [answer.body.decode() for answer in answers] == paths
    assert {one.route: one.count for one in recorded(system)} == {f"/route-{n}/{{item}}": 3 for n in range(200)}
    assert system.store.in_flight() == 0


async def test_requests_in_flight_are_seen_while_they_last(system: PerformanceSystem) -> None:
    app = make_app(system)
    servers = [Server(app, "/waiting") for _ in range(20)]
    await asyncio.sleep(0.01)
    assert system.store.in_flight() == 20
    for server in servers:
        server.task.cancel()
        await server.end()
    assert system.store.in_flight() == 0
    assert [one.count for one in recorded(system)] == [20]


@pytest.mark.parametrize("refusal", [asyncio.CancelledError, GeneratorExit, RuntimeError])
async def test_a_server_that_is_cancelled_when_asked_does_not_hide_how_the_app_ended(
    system: PerformanceSystem, refusal: type[BaseException]
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError("the app's own")

    async def receive() -> Any:
        raise refusal("not to be asked any more")

    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent")

    with pytest.raises(asyncio.CancelledError, match="the app's own"):
        await PerfkitMiddleware(broken, system=system)(scope_of("GET", "/"), receive, send)
    assert [each.error for each in recorded(system)] == ["cancelled"]

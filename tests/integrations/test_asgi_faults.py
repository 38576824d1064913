"""perfkit failing inside, at each place where it touches an exchange: the app must not notice."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgi_driver import exchange, scope_of
from asgi_peer import call, internal_errors, lifespan, open_websockets, text_of, websocket, websockets_closed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from perfkit.http.attachment import RETRY_AFTER
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("spans_expected")]


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello", headers={"x-app": "its own"})


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"one", b"two", b"three"):
            yield chunk

    return StreamingResponse(chunks())


async def broken(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        raise KeyError("the app's own")

    return StreamingResponse(chunks())


async def boom(request: Request) -> Response:
    raise ValueError("the app's own")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


ROUTES = [
    Route("/hello", hello),
    Route("/stream", stream),
    Route("/broken", broken),
    Route("/boom", boom),
    WebSocketRoute("/echo", echo),
]

REQUEST_HOOKS = {
    "the store cannot be opened": "perfkit.store.Store.open",
    "the system cannot start": "perfkit.system.PerformanceSystem.start",
    "begin fails": "perfkit_asgi.middleware.set_exchange",
    "record fails": "perfkit_asgi.middleware.bisect_left",
    "learn fails": "perfkit.http.instrumentation.Instrumentation.learn",
    "a row cannot be made": "perfkit.store.Store.row",
    "the route is not found": "perfkit_asgi.routes.RouteTable.find",
    "the outcome is not known": "perfkit_asgi.rare.outcome",
    "the route has no key": "perfkit_asgi.middleware.route_key",
}

ATTACH_HOOKS = {
    "the routes cannot be read": "perfkit_asgi.routes.RouteTable.attach",
    "our own routes cannot be made": "perfkit.http.routes.Routes.__init__",
    "the instrumentation cannot be made": "perfkit.http.instrumentation.Instrumentation.__init__",
}

HOOKS = REQUEST_HOOKS | ATTACH_HOOKS


class OurFault(Exception):
    """What fails inside perfkit in these tests."""


def failing(*arguments: Any, **named: Any) -> Any:
    raise OurFault("inside perfkit")


@contextmanager
def failing_at(hook: str) -> Iterator[None]:
    """Let perfkit fail at *hook* for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hook, failing)
        yield


def bare() -> Starlette:
    return Starlette(routes=ROUTES)


@pytest.fixture
def app(system: PerformanceSystem) -> PerfkitMiddleware:
    return PerfkitMiddleware(bare(), system=system)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("path", ["/hello", "/stream", "/nowhere"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
async def test_the_answer_is_the_apps_own_message_by_message(
    hook: str, path: str, app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await call(bare(), "GET", path)
    monkeypatch.setattr(hook, failing)
    for _ in range(3):
        assert await call(app, "GET", path) == expected


@pytest.mark.parametrize("path", ["/boom", "/broken"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
async def test_the_exception_that_reaches_the_server_is_the_apps_own(
    hook: str, path: str, app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await exchange(bare(), scope_of("GET", path))
    monkeypatch.setattr(hook, failing)
    answer = await exchange(app, scope_of("GET", path))
    assert (answer.status, answer.chunks) == (expected.status, expected.chunks)
    assert isinstance(answer.error, (KeyError, ValueError))
    assert str(answer.error) == str(expected.error)


# Where no row can be made the error cannot be counted either: it is only logged. What concerns the outcome of broken
# exchanges, and the key of FastAPI's routes, has its turn in the tests beneath.
COUNTED = [
    hook
    for name, hook in REQUEST_HOOKS.items()
    if name not in ("a row cannot be made", "the outcome is not known", "the route has no key")
]


@pytest.mark.parametrize("hook", COUNTED)
async def test_an_internal_error_is_counted_each_time_and_logged_once(
    hook: str,
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if "bisect_left" in hook:
        await call(app, "GET", "/hello")  # the first exchange of its kind goes another way
    with failing_at(hook):
        for _ in range(5):
            await call(app, "GET", "/hello")
    (((component, kind), count),) = internal_errors(system).items()
    assert (component, kind) == ("asgi", "OurFault")
    assert count >= 5
    assert len(warnings(caplog)) == 1
    assert "inside perfkit" in warnings(caplog)[0]


@pytest.mark.parametrize("hook", ["perfkit_asgi.rare.outcome", "perfkit_asgi.rare.route_key"])
async def test_an_error_while_a_broken_exchange_is_recorded_is_counted_and_the_exchange_ends(
    hook: str,
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with failing_at(hook):
        for _ in range(3):
            await exchange(app, scope_of("GET", "/broken"))
    assert internal_errors(system) == {("asgi", "OurFault"): 3}
    assert len(warnings(caplog)) == 1
    assert system.store.in_flight() == 0


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
async def test_an_exchange_that_could_not_be_recorded_is_not_in_flight_for_ever(
    hook: str, app: PerfkitMiddleware, system: PerformanceSystem
) -> None:
    with failing_at(hook):
        for path in ("/hello", "/stream", "/boom", "/broken", "/nowhere"):
            await exchange(app, scope_of("GET", path))
    assert system.store.in_flight() == 0


@pytest.mark.parametrize("hook", REQUEST_HOOKS.values(), ids=REQUEST_HOOKS)
async def test_when_the_fault_is_over_requests_are_recorded_again(
    hook: str, app: PerfkitMiddleware, system: PerformanceSystem
) -> None:
    with failing_at(hook):
        await call(app, "GET", "/hello")
    await call(app, "GET", "/stream")
    assert [(one.route, one.count) for one in recorded(system) if one.route == "/stream"] == [("/stream", 1)]


@pytest.mark.parametrize("hook", ATTACH_HOOKS.values(), ids=ATTACH_HOOKS)
async def test_an_app_that_could_not_be_attached_to_is_tried_again_later_not_with_each_request(
    hook: str,
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with failing_at(hook):
        for _ in range(5):
            await call(app, "GET", "/hello")
            await websocket(app, "/echo", ["one"])
    assert internal_errors(system) == {("asgi", "OurFault"): 1}
    assert len(warnings(caplog)) == 1
    await call(app, "GET", "/hello")
    assert recorded(system) == []
    monkeypatch.setattr("perfkit.http.attachment.monotonic", lambda: time.monotonic() + RETRY_AFTER)
    await call(app, "GET", "/hello")
    assert [(one.route, one.count) for one in recorded(system)] == [("/hello", 1)]


@pytest.mark.parametrize(
    "hook",
    [
        "perfkit.http.routes.Routes.arespond",
        "perfkit.http.front.Front.health_snapshot",
        "perfkit.http.front.shared_token",
        "perfkit_asgi.lifecycle.request_of",
        "perfkit.store.Store.open",
    ],
)
@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics", "/perfkit/", "/perfkit/api/overview"])
async def test_our_own_paths_answer_something_or_leave_it_to_the_app(
    hook: str, path: str, app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, failing)
    status, _ = text_of(await call(app, "GET", path))
    assert status in (200, 404, 500, 503)
    assert status == 200 or path != "/health/live" or hook.endswith(("arespond", "request_of"))


async def test_an_answer_of_ours_that_fails_is_counted_and_the_app_answers(
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = await call(bare(), "GET", "/nowhere")
    monkeypatch.setattr("perfkit.http.routes.Routes.arespond", failing)
    assert await call(app, "GET", "/health") == expected
    assert await call(app, "GET", "/health") == expected
    assert internal_errors(system) == {("asgi", "OurFault"): 2}
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(
    "hook",
    [
        "perfkit.http.instrumentation.Instrumentation.websocket_opened",
        "perfkit.http.instrumentation.Instrumentation.websocket_closed",
        "perfkit_asgi.routes.RouteTable.find",
        "perfkit.store.Store.open",
    ],
)
async def test_a_websocket_talks_on_whatever_fails_inside(
    hook: str,
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = await websocket(bare(), "/echo", ["one", "two"])
    with failing_at(hook):
        for _ in range(2):
            assert await websocket(app, "/echo", ["one", "two"]) == expected
    assert internal_errors(system) == {("asgi", "OurFault"): 2}
    assert len(warnings(caplog)) == 1


async def test_a_websocket_that_could_not_be_counted_as_open_is_not_counted_as_closed(
    app: PerfkitMiddleware, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("perfkit.http.instrumentation.Instrumentation.websocket_opened", failing)
        await websocket(app, "/echo", ["one"])
    assert open_websockets(system) == 0
    assert websockets_closed(system) == {}


@pytest.mark.parametrize(
    "hook", ["perfkit.system.PerformanceSystem.start", "perfkit.http.instrumentation.Instrumentation.__init__"]
)
async def test_the_lifespan_goes_through_whatever_fails_inside(
    hook: str, app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, failing)
    async with lifespan(app):
        assert text_of(await call(app, "GET", "/hello")) == (200, "hello")


async def test_the_lifespan_ends_even_if_our_stop_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    app = PerfkitMiddleware(bare(), environment="testing")
    async with lifespan(app):
        pass
    with monkeypatch.context() as patch:
        async with lifespan(app):
            patch.setattr("perfkit.system.PerformanceSystem.stop", failing)
    assert internal_errors(app.system) == {("asgi", "OurFault"): 1}
    app.system.stop()


async def test_an_app_whose_system_cannot_be_made_is_served_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = PerfkitMiddleware(bare(), environment="testing")
    monkeypatch.setattr("perfkit.system.PerformanceSystem.__init__", failing)
    for _ in range(5):
        assert text_of(await call(app, "GET", "/hello")) == (200, "hello")
    assert len(warnings(caplog)) == 1
    assert "could not attach" in warnings(caplog)[0]


async def test_a_log_handler_that_fails_does_not_reach_the_app(
    app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OurFault("the handler")

    handler = Failing()
    logging.getLogger("perfkit").addHandler(handler)
    try:
        monkeypatch.setattr("perfkit.http.instrumentation.Instrumentation.learn", failing)
        assert text_of(await call(app, "GET", "/hello")) == (200, "hello")
    finally:
        logging.getLogger("perfkit").removeHandler(handler)


@pytest.mark.parametrize("state", [None, 3, "text", object()])
async def test_a_state_that_is_no_mapping_is_the_apps_affair_and_the_request_is_counted(
    state: object, system: PerformanceSystem
) -> None:
    async def plain(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        await PlainTextResponse("plain")(scope, receive, send)

    app = PerfkitMiddleware(plain, system=system)
    scope = {**scope_of("GET", "/"), "state": state}
    answer = await exchange(app, scope)
    assert (answer.status, answer.body, answer.error) == (200, b"plain", None)
    assert [one.count for one in recorded(system)] == [1]


async def test_a_malformed_message_reaches_the_server_which_may_say_what_it_thinks(system: PerformanceSystem) -> None:
    async def malformed(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start"})
        await send({"no type": True})

    sent = await call(PerfkitMiddleware(malformed, system=system), "GET", "/")
    assert sent == [{"type": "http.response.start"}, {"no type": True}]
    assert system.store.in_flight() == 0


async def test_an_app_that_breaks_its_own_task_group_is_not_disturbed(system: PerformanceSystem) -> None:
    async def many(scope: Any, receive: Any, send: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(receive())
            raise ValueError("one of many")

    with pytest.raises(ExceptionGroup) as caught:
        await call(PerfkitMiddleware(many, system=system), "GET", "/")
    assert [str(error) for error in caught.value.exceptions] == ["one of many"]
    assert [one.error for one in recorded(system)] == ["ExceptionGroup"]


class Cooled(PerfkitMiddleware):
    """One that is to be looked at again in the very moment in which it was."""

    async def _is_served(self, *exchange: Any) -> bool:
        served = await super()._is_served(*exchange)
        self._hot = None
        return served


async def test_an_app_that_is_looked_at_again_meanwhile_is_served(system: PerformanceSystem) -> None:
    app = Cooled(Starlette(routes=ROUTES), system=system)
    for path in ("/hello", "/health", "/hello"):
        await call(app, "GET", path)
    assert [(one.route, one.count) for one in recorded(system)] == [("/hello", 2)]

"""perfkit failing inside, at each place where it touches an exchange over WSGI: the app must not notice."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_peer import internal_errors
from wsgi_driver import Server, environ_of

from perfkit.http.attachment import RETRY_AFTER
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_wsgi import PerfkitMiddleware

REQUEST_HOOKS = {
    "the store cannot be opened": "perfkit.store.Store.open",
    "the system cannot start": "perfkit.system.PerformanceSystem.start",
    "learn fails": "perfkit.http.instrumentation.Instrumentation.learn",
    "a row cannot be made": "perfkit.store.Store.row",
}

SOME_HOOKS = {
    "the duration fails": "perfkit_wsgi.middleware.bisect_left",
    "the duration of a body that is followed fails": "perfkit.http.instrumentation.bisect_left",
    "the route is not found": "perfkit_wsgi.PerfkitMiddleware.route_of",
    "the error has no name": "perfkit_wsgi.exchange.error_name",
    "the address is not known": "perfkit_wsgi.middleware.base_url",
}
"""Hooks that not every exchange passes."""

ATTACH_HOOKS = {
    "the app cannot be looked at": "perfkit_wsgi.PerfkitMiddleware.look",
    "our own routes cannot be made": "perfkit.http.routes.Routes.__init__",
    "the instrumentation cannot be made": "perfkit.http.instrumentation.Instrumentation.__init__",
}

HOOKS = REQUEST_HOOKS | SOME_HOOKS | ATTACH_HOOKS
PATHS = ("/one", "/parts", "/stream", "/late", "/file", "/written", "/nowhere")


class OurFault(Exception):
    """What fails inside perfkit in these tests."""


def failing(*arguments: Any, **named: Any) -> Any:
    raise OurFault("inside perfkit")


def bare(environ: Any, start_response: Any) -> Any:
    """An app with all kinds of answers."""
    path = environ["PATH_INFO"]
    if path == "/boom":
        raise ValueError("the app's own")
    if path == "/late":
        return _late(start_response)
    write = start_response("404 Not Found" if path == "/nowhere" else "200 OK", [("X-App", "its own")])
    if path == "/written":
        write(b"written")
    return {"/parts": [b"a", b"b"], "/stream": iter((b"a", b"b")), "/broken": _broken()}.get(path, [b"x"])


def _late(start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "1")])
    yield b"x"


def _broken() -> Iterator[bytes]:
    yield b"one"
    raise KeyError("the app's own")


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem(environment="testing")
    yield system
    system.stop()


@pytest.fixture
def app(system: PerformanceSystem) -> PerfkitMiddleware:
    return PerfkitMiddleware(bare, system=system)


def call(app: Any, path: str) -> tuple[list[Any], str]:
    """Return everything that went out, and the exception that reached the server."""
    server = Server()
    return server.sent, repr(server.run(app, environ_of("GET", path)))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("path", [*PATHS, "/boom", "/broken"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_answer_and_exception_are_the_apps_own(
    hook: str, path: str, app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = call(bare, path)
    monkeypatch.setattr(hook, failing)
    for _ in range(3):
        assert call(app, path) == expected


@pytest.mark.parametrize("hook", [hook for hook in REQUEST_HOOKS.values() if not hook.endswith("Store.row")])
def test_an_internal_error_is_counted_each_time_and_logged_once(
    hook: str,
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hook, failing)
        for _ in range(5):
            call(app, "/one")
    (((component, kind), count),) = internal_errors(system).items()
    assert (component, kind) == ("wsgi", "OurFault")
    assert count >= 5
    assert len(warnings(caplog)) == 1
    assert "inside perfkit" in warnings(caplog)[0]


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_an_exchange_that_could_not_be_recorded_is_not_in_flight_for_ever(
    hook: str, app: PerfkitMiddleware, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hook, failing)
        for path in (*PATHS, "/boom", "/broken"):
            call(app, path)
    assert system.store.in_flight() == 0


@pytest.mark.parametrize("hook", (REQUEST_HOOKS | SOME_HOOKS).values(), ids=REQUEST_HOOKS | SOME_HOOKS)
def test_when_the_fault_is_over_requests_are_recorded_again(
    hook: str, app: PerfkitMiddleware, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hook, failing)
        call(app, "/one")
    before = sum(one.count for one in recorded(system))
    call(app, "/stream")
    assert sum(one.count for one in recorded(system)) == before + 1


@pytest.mark.parametrize("hook", ATTACH_HOOKS.values(), ids=ATTACH_HOOKS)
def test_an_app_that_could_not_be_attached_to_is_tried_again_later_not_with_each_request(
    hook: str,
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hook, failing)
        for _ in range(5):
            call(app, "/one")
    assert internal_errors(system) == {("wsgi", "OurFault"): 1}
    assert len(warnings(caplog)) == 1
    call(app, "/one")
    assert recorded(system) == []
    monkeypatch.setattr("perfkit.http.attachment.monotonic", lambda: time.monotonic() + RETRY_AFTER)
    call(app, "/one")
    assert [one.count for one in recorded(system)] == [1]


@pytest.mark.parametrize(
    "hook",
    [
        "perfkit.http.routes.Routes.respond",
        "perfkit.http.attachment.Attachment.holds_secret",
        "perfkit.http.front.Front.health_snapshot",
        "perfkit.http.front.shared_token",
        "perfkit_wsgi.answers.request_of",
        "perfkit_wsgi.answers.hide_token",
        "perfkit.store.Store.open",
    ],
)
@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics", "/perfkit/", "/perfkit/api/overview"])
def test_our_own_paths_answer_something_or_leave_it_to_the_app(
    hook: str, path: str, app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, failing)
    server = Server()
    assert server.run(app, environ_of("GET", f"{path}?t=wrong")) is None
    assert server.answer.status in (200, 404, 500, 503)


def test_an_answer_of_ours_that_fails_is_counted_and_the_app_answers(
    app: PerfkitMiddleware,
    system: PerformanceSystem,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("perfkit.http.routes.Routes.respond", failing)
    for _ in range(2):
        assert call(app, "/health") == call(bare, "/health")
    assert internal_errors(system) == {("wsgi", "OurFault"): 2}
    assert len(warnings(caplog)) == 1


def test_an_app_whose_system_cannot_be_made_is_served_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = PerfkitMiddleware(bare, environment="testing")
    monkeypatch.setattr("perfkit.system.PerformanceSystem.__init__", failing)
    for _ in range(5):
        assert call(app, "/one") == call(bare, "/one")
    assert len(warnings(caplog)) == 1
    assert "could not attach" in warnings(caplog)[0]


def test_a_log_handler_that_fails_does_not_reach_the_app(
    app: PerfkitMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OurFault("the handler")

    handler = Failing()
    logging.getLogger("perfkit").addHandler(handler)
    try:
        monkeypatch.setattr("perfkit.http.instrumentation.Instrumentation.learn", failing)
        assert call(app, "/one") == call(bare, "/one")
    finally:
        logging.getLogger("perfkit").removeHandler(handler)


def test_an_environ_that_takes_no_more_is_served_without_us(system: PerformanceSystem) -> None:
    class Fixed(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            raise OurFault("a server's own kind of environ")

    server = Server()
    assert server.run(PerfkitMiddleware(bare, system=system), Fixed(environ_of("GET", "/one"))) is None
    assert server.answer.body == b"x"
    assert system.store.in_flight() == 0


class Cooled(PerfkitMiddleware):
    """One that is to be looked at again in the very moment in which it was."""

    def take_rare(self, environ: Any, start_response: Any) -> Any:
        answer = super().take_rare(environ, start_response)
        self._hot = None
        return answer


def test_an_app_that_is_looked_at_again_meanwhile_is_served(system: PerformanceSystem) -> None:
    app = Cooled(bare, system=system)
    for _ in range(3):
        assert call(app, PATHS[0]) == call(bare, PATHS[0])
    assert [one.count for one in recorded(system)] == [3]

"""perfkit in the life of a Django project: one system a process, test clients, threads, queries, sessions."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_driver import scope_of
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connection, connections
from django.test import AsyncClient, Client, TestCase
from django.test.utils import CaptureQueriesContext
from django_driver import acall, call, environ_of
from django_site import MIDDLEWARE, configured, ensure_tables

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware as ASGIMiddleware
from perfkit_django import PerfkitMiddleware

TOKEN = "a-token-for-the-site-tests"
SETTINGS = {"environment": "testing", "service": "site"}


def the_system() -> PerformanceSystem:
    system: PerformanceSystem = apps.get_app_config("perfkit_django").system  # type: ignore[attr-defined]
    return system


def schedulers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "perfkit-scheduler"}


@pytest.fixture(autouse=True)
def fresh_system() -> Iterator[None]:
    with configured(PERFKIT=SETTINGS):
        yield


@pytest.fixture(scope="module", autouse=True)
def tables() -> Iterator[None]:
    ensure_tables()
    yield
    connection.close()


def counts() -> dict[str, int]:
    return {one.route: one.count for one in recorded(the_system())}


def get(path: str, **headers: str) -> Any:
    return call(WSGIHandler(), environ_of("GET", path, headers=headers))


def aget(path: str, **headers: str) -> Any:
    return asyncio.run(acall(ASGIHandler(), scope_of("GET", path, headers=headers)))


def test_every_handler_and_client_of_a_process_counts_into_one_system() -> None:
    for _ in range(3):
        get("/hello/ann")
        aget("/hello/ann")
        Client().get("/hello/ann")
    assert counts() == {"/hello/<name>": 9}


def test_nothing_starts_before_the_first_exchange() -> None:
    before = schedulers()
    call_command("check")
    WSGIHandler()
    ASGIHandler()
    assert the_system().is_running is False
    assert schedulers() == before
    get("/hello/ann")
    assert the_system().is_running is True
    assert len(schedulers() - before) == 1


def test_changed_settings_make_a_fresh_system_and_stop_the_one_before() -> None:
    handler = WSGIHandler()
    call(handler, environ_of("GET", "/hello/ann"))
    outer = the_system()
    with configured(PERFKIT={**SETTINGS, "service": "changed"}):
        assert not outer.is_running
        call(handler, environ_of("GET", "/hello/ann"))
        inner = the_system()
        assert inner is not outer
        assert (inner.config.service, counts()) == ("changed", {"/hello/<name>": 1})
    assert not inner.is_running
    call(handler, environ_of("GET", "/hello/ann"))
    assert (the_system().config.service, counts()) == ("site", {"/hello/<name>": 1})


def test_other_settings_may_change_without_a_new_system() -> None:
    get("/hello/ann")
    system = the_system()
    with configured(DEBUG=True):
        assert the_system() is system


def test_no_thread_stays_when_settings_change() -> None:
    before = schedulers()
    for number in range(3):
        with configured(PERFKIT={**SETTINGS, "service": f"site-{number}"}):
            get("/hello/ann")
    gc.collect()
    assert schedulers() <= before


def test_a_system_of_ones_own_is_used_and_never_stopped() -> None:
    with PerformanceSystem(environment="testing") as system:
        with configured(PERFKIT=system):
            get("/hello/ann")
            assert the_system() is system
        assert system.is_running
        assert [one.count for one in recorded(system)] == [1]


def test_debug_is_development_and_all_else_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERFKIT_ENVIRONMENT", raising=False)
    memory = {"store": {"mode": "memory"}}
    with configured(PERFKIT=memory):
        assert the_system().config.environment == "production"
    with configured(DEBUG=True, PERFKIT=memory):
        assert the_system().config.environment == "development"


def test_in_development_this_very_machine_sees_the_dashboard() -> None:
    here = {**environ_of("GET", "/perfkit/"), "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}
    with configured(PERFKIT={"environment": "development", "store": {"mode": "memory"}}):
        assert call(WSGIHandler(), here).status == 200
    assert call(WSGIHandler(), here).status == 404


@pytest.mark.parametrize("path", ["/users", "/session", "/hello/ann", "/perfkit/", "/health"])
def test_no_query_is_added(path: str) -> None:
    get(path)
    with configured(MIDDLEWARE=MIDDLEWARE[1:]), CaptureQueriesContext(connection) as bare:
        get(path)
    with CaptureQueriesContext(connection) as ours:
        get(path)
    assert len(ours) == len(bare)


def test_our_paths_are_answered_before_any_other_middleware() -> None:
    for path in ("/health", "/health/live", "/health/ready", "/health/startup"):
        with configured(MIDDLEWARE=[MIDDLEWARE[0], "django_pages.Forbidding"]):
            assert (get(path).status, aget(path).status) == (200, 200)
            assert get("/hello/ann").status == 403


def test_our_paths_answer_where_the_host_is_not_allowed() -> None:
    with configured(ALLOWED_HOSTS=["shop.example"]):
        assert get("/health/live", host="10.1.2.3").status == 200
        assert get("/hello/ann", host="10.1.2.3").status == 400


@pytest.mark.parametrize("send", [get, aget])
def test_a_probe_that_says_no_is_no_error_in_the_log(send: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert send("/health/ready").status == 200
    the_system().drain()
    assert send("/health/ready").status == 503
    assert [record for record in caplog.records if record.name == "django.request"] == []


def test_a_token_in_the_query_does_not_reach_the_access_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
    with configured(PERFKIT=SETTINGS):
        environ = environ_of("GET", f"/perfkit/?a=1&t={TOKEN}")
        assert call(WSGIHandler(), environ).status == 303
        assert (environ["QUERY_STRING"], environ["RAW_URI"]) == ("a=1", "/perfkit/?a=1")
        scope = scope_of("GET", f"/perfkit/?a=1&t={TOKEN}")
        assert asyncio.run(acall(ASGIHandler(), scope)).status == 303
        assert scope["query_string"] == b"a=1"


def test_the_developer_is_told_where_the_dashboard_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PERFKIT_TOKEN", raising=False)
    monkeypatch.setattr("perfkit.http.front.is_shown", lambda environment: True)
    get("/hello/ann")
    assert "perfkit: dashboard http://testserver:80/perfkit/?t=" in capsys.readouterr().err
    with configured(PERFKIT={**SETTINGS, "service": "behind a socket"}):
        environ = {**environ_of("GET", "/hello/ann"), "REMOTE_ADDR": "", "SERVER_NAME": "what.the.host.says"}
        call(WSGIHandler(), environ)
        said = capsys.readouterr().err
    assert "perfkit: dashboard /perfkit/?t=" in said
    assert "what.the" not in said


def test_an_outer_perfkit_records_and_its_system_is_the_view_s() -> None:
    with PerformanceSystem(environment="testing") as outer:
        app = ASGIMiddleware(ASGIHandler(), system=outer)
        assert asyncio.run(acall(app, scope_of("GET", "/state"))).body == b"yes"
        assert [one.count for one in recorded(outer)] == [1]
    assert counts() == {}


def test_the_error_of_a_middleware_and_of_an_async_view_has_its_name() -> None:
    with configured(MIDDLEWARE=[*MIDDLEWARE, "django_pages.Breaking"]):
        assert get("/hello/ann").status == 500
    assert aget("/native-boom").status == 500
    errors = {(one.route, one.status, one.error) for one in recorded(the_system())}
    assert errors == {("", "500", "ZeroDivisionError"), ("/native-boom", "500", "KeyError")}


def test_an_exception_that_goes_through_is_an_error_too() -> None:
    with configured(DEBUG_PROPAGATE_EXCEPTIONS=True):
        assert isinstance(get("/boom").error, ValueError)
    assert [(one.status, one.error) for one in recorded(the_system())] == [("500", "ValueError")]


def test_a_4xx_that_was_raised_is_no_error() -> None:
    with configured(ROOT_URLCONF="django_own_urls"):
        get("/missing/5/")
    assert [(one.status, one.error) for one in recorded(the_system())] == [("404", "")]


def test_an_app_that_ends_the_process_is_an_error() -> None:
    with configured(MIDDLEWARE=[*MIDDLEWARE, "django_pages.Leaving"]), pytest.raises(SystemExit):
        get("/hello/ann")
    assert [(one.status, one.error) for one in recorded(the_system())] == [("500", "SystemExit")]
    assert the_system().store.in_flight() == 0


def test_a_client_that_leaves_during_the_view_is_its_own_outcome() -> None:
    async def leave() -> None:
        requests: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]
        is_in_view = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if requests:
                return requests.pop()
            await is_in_view.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise AssertionError("nobody is there")

        await ASGIHandler()({**scope_of("GET", "/waiting"), "in_view": is_in_view}, receive, send)

    asyncio.run(leave())
    (one,) = recorded(the_system())
    assert (one.route, one.status, one.error) == ("/waiting", "", CLIENT_DISCONNECTED)
    assert the_system().store.in_flight() == 0


ASYNC_ONLY = [MIDDLEWARE[0]]


def test_no_thread_is_taken_for_an_async_view() -> None:
    async def ask(count: int) -> tuple[set[bytes], int, int]:
        loop = asyncio.get_running_loop()
        handler, answers, taken = ASGIHandler(), set(), 0
        executed = loop.run_in_executor

        def run_in_executor(*arguments: Any) -> Any:
            nonlocal taken
            taken += 1
            return executed(*arguments)

        loop.run_in_executor = run_in_executor  # type: ignore[method-assign]
        await acall(handler, scope_of("GET", "/native"))
        taken = 0
        for _ in range(count):
            answers.add((await acall(handler, scope_of("GET", "/native"))).body)
        return answers, taken, threading.get_ident()

    with configured(MIDDLEWARE=[]):
        _, bare, _ = asyncio.run(ask(10))
    with configured(MIDDLEWARE=ASYNC_ONLY):
        answers, ours, here = asyncio.run(ask(10))
    assert answers == {str(here).encode()}
    assert ours == bare
    assert counts() == {"/native": 11}


def test_an_async_exchange_runs_a_coroutine_of_ours_not_a_thread() -> None:
    from asgiref.sync import iscoroutinefunction

    async def aview(request: Any) -> None:
        return None

    assert iscoroutinefunction(PerfkitMiddleware(aview))
    assert not iscoroutinefunction(PerfkitMiddleware(lambda request: None))


def test_the_async_way_is_the_sync_way_line_by_line() -> None:
    def lines(function: Any) -> list[str]:
        source = inspect.getsource(function).replace("await ", "").replace("site.aanswer", "site.answer")
        return source[source.index("        hot = ") :].splitlines()

    assert lines(PerfkitMiddleware.__acall__) == lines(PerfkitMiddleware.__call__)


def test_a_known_exchange_whose_recording_fails_is_not_in_flight_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: Any) -> int:
        raise RuntimeError("inside perfkit")

    get("/hello/ann")
    with monkeypatch.context() as patch:
        patch.setattr("perfkit_django.middleware.bisect_left", failing)
        assert (get("/hello/ann").status, aget("/hello/ann").status) == (200, 200)
    assert the_system().store.in_flight() == 0
    assert counts() == {"/hello/<name>": 1}


@pytest.mark.parametrize("send", [get, aget])
def test_a_proxy_may_tell_the_scheme_where_django_believes_it(send: Any) -> None:
    send("/hello/ann")
    send("/hello/ann", **{"x-forwarded-proto": "https"})
    with configured(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        send("/hello/ann", **{"x-forwarded-proto": "https"})
        send("/hello/ann", **{"x-forwarded-proto": "gopher"})
    send("/hello/ann", **{"x-forwarded-proto": "https"})
    assert {one.scheme: one.count for one in recorded(the_system())} == {"http": 4, "https": 1}


class TestTheClients(TestCase):
    """Django's own kind of test, inside a transaction."""

    def test_the_client_and_its_queries(self) -> None:
        users = str(get_user_model().objects.count()).encode()
        with self.assertNumQueries(1):
            assert self.client.get("/users").content == users
        assert counts() == {"/users": 1}

    def test_exceptions_reach_the_test(self) -> None:
        with pytest.raises(ValueError, match="boom"):
            self.client.get("/boom")
        assert [(one.status, one.error) for one in recorded(the_system())] == [("500", "ValueError")]

    def test_streams_reach_the_test(self) -> None:
        response: Any = self.client.get("/stream")
        assert response.getvalue() == b"onetwothree"
        assert [(one.route, one.error) for one in recorded(the_system())] == [("/stream", "")]

    def test_head_of_a_stream_is_no_client_that_left(self) -> None:
        response: Any = self.client.head("/stream")
        assert list(response.streaming_content) == []
        assert [(one.method, one.error) for one in recorded(the_system())] == [("HEAD", "")]

    async def test_the_async_client(self) -> None:
        response = await self.async_client.get("/native")
        assert response.status_code == 200
        assert counts() == {"/native": 1}

    def test_settings_of_a_test_are_its_own(self) -> None:
        with self.settings(PERFKIT={**SETTINGS, "http": {"health_path": "/healthz"}}):
            assert self.client.get("/healthz").status_code == 200
            assert self.client.get("/health").status_code == 404
        assert self.client.get("/healthz").status_code == 404

    def test_a_session_lasts(self) -> None:
        assert [self.client.get("/session").content for _ in range(3)] == [b"1", b"2", b"3"]


def test_the_async_client_streams() -> None:
    async def read() -> bytes:
        response: Any = await AsyncClient().get("/stream")
        return b"".join([chunk async for chunk in response])

    assert asyncio.run(read()) == b"onetwothree"
    assert [(one.route, one.error) for one in recorded(the_system())] == [("/stream", "")]


@pytest.mark.parametrize("path", ["/users", "/boom"])
def test_atomic_requests_are_atomic_as_ever(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    with CaptureQueriesContext(connection) as queries:
        get(path)
    statements = [query["sql"] for query in queries]
    assert statements[0] == "BEGIN"
    assert statements[-1] == ("ROLLBACK" if path == "/boom" else "COMMIT")
    assert counts() == {path: 1}


def test_a_log_handler_that_fails_does_not_reach_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the handler")

    def failing(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("inside perfkit")

    handler = Failing()
    logging.getLogger("perfkit").addHandler(handler)
    try:
        monkeypatch.setattr("perfkit.http.instrumentation.Instrumentation.learn", failing)
        assert get("/hello/ann").status == 200
    finally:
        logging.getLogger("perfkit").removeHandler(handler)

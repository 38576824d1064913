"""What servers hand in: paths and their encodings, prefixes, peers, queries with a token; and the middleware's life."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_peer import internal_errors
from bad_settings import BAD
from wsgi_driver import Server, environ_of, exchange

from perfkit.core.errors import ConfigurationError
from perfkit.store.layout import FINISHED, STARTED
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_wsgi import PerfkitMiddleware
from perfkit_wsgi.answers import base_url
from perfkit_wsgi.exchange import Exchange

TOKEN = "a-token-for-the-wsgi-tests"


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem({"access": {"token": TOKEN}}, environment="testing")
    yield system
    system.stop()


def app(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]


def count(system: PerformanceSystem) -> int:
    return sum(each.count for each in recorded(system))


@pytest.mark.parametrize(
    "left_out", ["SCRIPT_NAME", "QUERY_STRING", "CONTENT_TYPE", "REMOTE_ADDR", "HTTP_HOST", "RAW_URI"]
)
@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/perfkit/"])
def test_what_a_server_may_leave_out_is_not_needed(left_out: str, path: str, system: PerformanceSystem) -> None:
    answer = exchange(PerfkitMiddleware(app, system=system), environ_of("GET", path, **{left_out: None}))
    assert answer.status == 200
    assert count(system) == (0 if path == "/health" else 1)


@pytest.mark.parametrize("is_broken", [False, True])
def test_an_environ_that_no_server_gives_is_counted_and_is_no_error_of_ours(
    is_broken: bool, system: PerformanceSystem
) -> None:
    """As a unit test of an app may call it: Werkzeug's own do."""

    def careless(environ: Any, start_response: Any) -> Any:
        start_response("503 Service Unavailable", [])
        if is_broken:
            raise LookupError
        return [b"anyhow"]

    wrapped = PerfkitMiddleware(careless, system=system)
    for _ in range(3):
        with contextlib.suppress(LookupError):
            wrapped({}, lambda status, headers, exc_info=None: print)
    status, error = ("500", "LookupError") if is_broken else ("503", "503")
    assert [(each.method, each.status, each.scheme, each.error, each.count) for each in recorded(system)] == [
        ("_OTHER", status, "_other", error, 3)
    ]
    assert system.store.values[STARTED] == system.store.values[FINISHED] == 3
    assert internal_errors(system) == {}


def test_an_empty_path_may_be_left_out(system: PerformanceSystem) -> None:
    environ = environ_of("GET", "/", root_path="", PATH_INFO=None)

    def rootless(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"root"]

    assert exchange(PerfkitMiddleware(rootless, system=system), environ).body == b"root"
    assert count(system) == 1


@pytest.mark.parametrize(
    ("root_path", "path"), [("", "/health/live"), ("/api", "/api/health/live"), ("/a/b", "/a/b/health")]
)
def test_our_own_paths_lie_below_the_script_name(root_path: str, path: str, system: PerformanceSystem) -> None:
    answer = exchange(PerfkitMiddleware(app, system=system), environ_of("GET", path, root_path=root_path))
    assert answer.headers["content-type"].startswith("application/json")
    assert count(system) == 0


@pytest.mark.parametrize(
    ("root_path", "path"), [("", "/api/health"), ("/api", "/api//health"), ("", "/health/"), ("", "//health")]
)
def test_a_path_that_only_looks_like_ours_goes_to_the_app(root_path: str, path: str, system: PerformanceSystem) -> None:
    answer = exchange(PerfkitMiddleware(app, system=system), environ_of("GET", path, root_path=root_path))
    assert answer.headers["content-type"] == "text/plain"
    assert count(system) == 1


def test_a_path_outside_ascii_is_read_as_utf_8() -> None:
    seen = []

    def allow(request: Any) -> bool:
        seen.append((request.path, request.root_path))
        return True

    middleware = PerfkitMiddleware(app, environment="testing", access={"access": allow})
    environ = environ_of("GET", "/metrics", SCRIPT_NAME="/caf\u00e9".encode().decode("latin-1"))
    assert exchange(middleware, environ).status == 200
    assert seen == [("/metrics", "/caf\u00e9")]
    middleware.system.stop()


def test_bytes_that_are_no_utf_8_do_not_trouble_us(system: PerformanceSystem) -> None:
    middleware = PerfkitMiddleware(app, system=system)
    headers = {"authorization": "Bearer \xff\xfe", "accept": "\x80", "x": ""}
    environ = environ_of("GET", "/health", headers=headers, SCRIPT_NAME="/\xff", QUERY_STRING="t=\xff")
    assert exchange(middleware, environ).status == 200
    assert exchange(middleware, environ_of("GET", "/", PATH_INFO="/\xff\xfe")).body == b"/\xff\xfe"
    assert count(system) == 1


@pytest.mark.parametrize("peer", [None, "", "203.0.113.9", "::1"])
def test_any_peer_may_ask_for_a_probe(peer: str | None, system: PerformanceSystem) -> None:
    assert exchange(PerfkitMiddleware(app, system=system), environ_of("GET", "/health", REMOTE_ADDR=peer)).status == 200


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"REMOTE_ADDR": "203.0.113.9"}, 404),
        ({"REMOTE_ADDR": ""}, 404),
        ({"HTTP_HOST": "shop.example"}, 404),
        ({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 404),
    ],
)
def test_in_development_the_own_machine_needs_no_token(changes: dict[str, str], status: int) -> None:
    def not_found(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [])
        return []

    middleware = PerfkitMiddleware(not_found, environment="development", store={"mode": "memory"})
    local = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8000", **changes}
    assert exchange(middleware, environ_of("GET", "/metrics", **local)).status == status
    middleware.system.stop()


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        (f"/metrics?t={TOKEN}", "", "/metrics"),
        (f"/metrics?a=1&t={TOKEN}&b=2", "a=1&b=2", "/metrics?a=1&b=2"),
        (f"/perfkit/?t={TOKEN}", "", "/perfkit/"),
        ("/metrics?t=wrong", "t=wrong", "/metrics?t=wrong"),
        (f"/elsewhere?t={TOKEN}", f"t={TOKEN}", f"/elsewhere?t={TOKEN}"),
    ],
)
def test_a_token_of_ours_is_gone_from_what_servers_log(
    path: str, query: str, target: str, system: PerformanceSystem
) -> None:
    environ = environ_of("GET", path, REQUEST_URI=path)
    exchange(PerfkitMiddleware(app, system=system), environ)
    assert environ["QUERY_STRING"] == query
    assert environ["RAW_URI"] == environ["REQUEST_URI"] == target


def test_a_refused_token_is_hidden_too() -> None:
    seen = []

    def watching(environ: Any, start_response: Any) -> Any:
        seen.append(environ["QUERY_STRING"])
        return app(environ, start_response)

    middleware = PerfkitMiddleware(watching, environment="testing", access={"token": TOKEN, "access": "off"})
    exchange(middleware, environ_of("GET", f"/perfkit/?t={TOKEN}&x=1"))
    assert seen == ["x=1"]
    middleware.system.stop()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_our_own_answers_are_wsgi(method: str, system: PerformanceSystem) -> None:
    from wsgiref.validate import validator

    answer = exchange(validator(PerfkitMiddleware(app, system=system)), environ_of(method, "/health"))
    assert answer.error is None
    assert answer.status == (200 if method in ("GET", "HEAD") else 405)
    assert bool(answer.body) == (method != "HEAD")


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "http://testserver:80"),
        ({"SERVER_NAME": "0.0.0.0", "SERVER_PORT": "8000"}, "http://127.0.0.1:8000"),
        ({"SERVER_NAME": "::1", "SERVER_PORT": "8000", "SCRIPT_NAME": "/api"}, "http://[::1]:8000/api"),
        ({"SERVER_NAME": "unix:/run/app.sock", "SERVER_PORT": ""}, ""),
    ],
)
def test_the_address_of_the_dashboard_is_known(changes: dict[str, str], url: str) -> None:
    assert base_url(environ_of("GET", "/", **changes)) == url


@pytest.mark.parametrize(("scheme", "label"), [("http", "http"), ("https", "https"), ("gopher", "_other")])
def test_unknown_schemes_share_one_series(scheme: str, label: str, system: PerformanceSystem) -> None:
    for _ in range(2):
        exchange(PerfkitMiddleware(app, system=system), environ_of("GET", "/", **{"wsgi.url_scheme": scheme}))
    assert [(each.scheme, each.count) for each in recorded(system)] == [(label, 2)]


# The middleware's life.


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_setting_is_told_when_the_app_is_wrapped(kind: str) -> None:
    settings, path, words = BAD[kind]
    with pytest.raises(ConfigurationError) as raised:
        PerfkitMiddleware(app, **settings)
    assert path in str(raised.value)
    assert words in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_bad_settings_are_told_at_once_and_all() -> None:
    with pytest.raises(ConfigurationError, match="2 settings") as raised:
        PerfkitMiddleware(app, stor={}, health={"memory_warning": 85})
    assert "Write store instead." in str(raised.value)


def test_a_route_is_what_a_subclass_says(system: PerformanceSystem) -> None:
    class Routed(PerfkitMiddleware):
        @staticmethod
        def route_of(environ: dict[str, Any]) -> str:
            return str(environ.get("my.route", ""))

    def routed(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/items/"):
            environ["my.route"] = "/items/{item}"
        return app(environ, start_response)

    for path in ("/items/1", "/items/2", "/nowhere"):
        exchange(Routed(routed, system=system), environ_of("GET", path))
    assert {each.route: each.count for each in recorded(system)} == {"/items/{item}": 2, "": 1}


def test_an_inner_perfkit_of_another_system_leaves_the_exchange_to_the_outer(system: PerformanceSystem) -> None:
    seen = []

    def watching(environ: Any, start_response: Any) -> Any:
        seen.append(environ["perfkit.system"])
        return app(environ, start_response)

    inner = PerfkitMiddleware(watching, environment="testing")
    outer = PerfkitMiddleware(inner, system=system)
    exchange(outer, environ_of("GET", "/"))
    exchange(outer, environ_of("GET", "/health"))
    assert seen == [system]
    assert count(system) == 1
    assert inner.system is not system


def test_app_and_middleware_are_freed_when_dropped() -> None:
    class App:
        def __call__(self, environ: Any, start_response: Any) -> Any:
            return app(environ, start_response)

    gc.disable()
    try:
        inner = App()
        middleware = PerfkitMiddleware(inner, environment="testing")
        exchange(middleware, environ_of("GET", "/"))
        system = middleware.system
        weak = weakref.ref(inner), weakref.ref(middleware)
        del inner, middleware
        assert [each() for each in weak] == [None, None]
    finally:
        gc.enable()
    system.stop()


def test_exchanges_are_freed_without_the_collector(system: PerformanceSystem) -> None:
    def streaming(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"one"
        yield b"two"

    def in_parts(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"one", b"two"]

    def alive() -> int:
        return sum(type(one) is Exchange for one in gc.get_objects())  # isinstance would wake lazy objects of others

    gc.collect()
    before = alive()
    gc.disable()
    try:
        for each in (app, streaming, in_parts):
            for leave_after in (None, 1):
                exchange(PerfkitMiddleware(each, system=system), environ_of("GET", "/"), leave_after)
            assert alive() <= before, each
    finally:
        gc.enable()


def test_many_threads_at_once_are_counted_exactly() -> None:
    middleware = PerfkitMiddleware(app, environment="testing")
    barrier, wrong = threading.Barrier(8), list[bytes]()

    def run() -> None:
        barrier.wait()
        bodies = {exchange(middleware, environ_of("GET", "/x")).body for _ in range(250)}
        wrong.extend(bodies - {b"/x"})

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert count(middleware.system) == 2000
    assert middleware.system.store.in_flight() == 0
    middleware.system.stop()


def test_a_system_of_ones_own_is_not_stopped_and_counts_for_several_apps(system: PerformanceSystem) -> None:
    for _ in range(2):
        middleware = PerfkitMiddleware(app, system=system)
        exchange(middleware, environ_of("GET", "/"))
        assert middleware.system is system
        del middleware
    gc.collect()
    assert count(system) == 2
    assert system.is_running


def test_an_app_built_twice_counts_in_two_systems() -> None:
    first, second = (PerfkitMiddleware(app, environment="testing") for _ in range(2))
    exchange(first, environ_of("GET", "/"))
    for _ in range(2):
        exchange(second, environ_of("GET", "/"))
    assert (count(first.system), count(second.system)) == (1, 2)
    first.system.stop()
    second.system.stop()


def test_nothing_is_made_before_the_first_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = PerformanceSystem.__init__
    monkeypatch.setattr(
        PerformanceSystem,
        "__init__",
        lambda self, *args, **named: (made.append(self), original(self, *args, **named))[1],
    )
    middleware = PerfkitMiddleware(app, environment="testing")
    assert not made
    Server().run(middleware, environ_of("GET", "/"))
    assert made == [middleware.system]
    middleware.system.stop()


def test_the_server_of_the_standard_library_serves_it(system: PerformanceSystem) -> None:
    from http.client import HTTPConnection
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with make_server("127.0.0.1", 0, PerfkitMiddleware(app, system=system), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
            connection.request("GET", "/hello")
            answer = connection.getresponse()
            assert (answer.status, answer.headers["content-length"], answer.read()) == (200, "6", b"/hello")
            assert count(system) == 1
            connection.close()
        finally:
            server.shutdown()
            thread.join(20)

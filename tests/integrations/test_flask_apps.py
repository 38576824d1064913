"""Flask apps as people write them: routes of every kind, middlewares around, several apps, their life and their end."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi_peer import internal_errors
from flask import Blueprint, Flask, Response, abort, current_app, redirect, send_file, stream_with_context
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from wsgi_driver import Server, environ_of, exchange

from perfkit.core.errors import LifecycleError
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_flask import Perfkit


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem(environment="testing")
    yield system
    system.stop()


def measured(system: PerformanceSystem, **options: Any) -> Flask:
    app = Flask(__name__, **options)
    Perfkit(app, system=system)
    return app


def counts(system: PerformanceSystem) -> dict[tuple[str, str], int]:
    """Return how many exchanges were recorded by route and status."""
    found: dict[tuple[str, str], int] = {}
    for each in recorded(system):
        found[each.route, each.status] = found.get((each.route, each.status), 0) + each.count
    assert system.store.in_flight() == 0
    return found


def text(**arguments: Any) -> str:
    return "text"


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/plain", "/plain"),
        ("/items/<int:item_id>", "/items/7"),
        ("/items/<item_id>/parts/<float:size>", "/items/x/parts/1.5"),
        ("/files/<path:name>", "/files/a/b/c.txt"),
        ("/ids/<uuid:number>", "/ids/12345678-1234-5678-1234-567812345678"),
        ("/<any(about, help):page>", "/help"),
        ("/<string(length=2):language>/start", "/de/start"),
        ("/slash/", "/slash/"),
        ("/caf\u00e9/<name>", "/caf\u00e9/x"),
    ],
)
def test_a_route_is_the_rule_as_it_is_written(rule: str, path: str, system: PerformanceSystem) -> None:
    app = measured(system)
    app.add_url_rule(rule, "view", text)
    for _ in range(2):
        assert exchange(app, environ_of("GET", path)).status == 200
    assert counts(system) == {(rule, "200"): 2}


def test_blueprints_in_blueprints_keep_their_prefixes(system: PerformanceSystem) -> None:
    outer, middle = Blueprint("outer", __name__, url_prefix="/v1/<region>"), Blueprint("middle", __name__)
    inner = Blueprint("inner", __name__, url_prefix="/items")
    inner.add_url_rule("/<item_id>", "item", text)
    middle.register_blueprint(inner)
    outer.register_blueprint(middle, url_prefix="/middle")
    app = measured(system)
    app.register_blueprint(outer)
    assert app.test_client().get("/v1/eu/middle/items/3").status_code == 200
    assert counts(system) == {("/v1/<region>/middle/items/<item_id>", "200"): 1}


def test_what_no_rule_fits_has_no_route(system: PerformanceSystem) -> None:
    client = measured(system).test_client()
    for path in ("/nowhere", "/wp-login.php", "/static/gone.css"):
        assert client.get(path).status_code == 404
    assert counts(system) == {("", "404"): 2, ("/static/<path:filename>", "404"): 1}


@pytest.mark.parametrize("host_matching", [False, True])
def test_a_method_that_is_not_allowed_keeps_the_route(host_matching: bool, system: PerformanceSystem) -> None:
    app = measured(system, host_matching=host_matching, static_folder=None)
    app.add_url_rule("/items/<int:item_id>", "item", text, **({"host": "localhost"} if host_matching else {}))
    app.add_url_rule(
        "/carts/<cart>", "cart", text, methods=["POST"], **({"host": "localhost"} if host_matching else {})
    )
    client = app.test_client()
    assert client.post("/items/7").status_code == 405
    assert client.delete("/items/8").status_code == 405
    assert client.get("/carts/8").status_code == 405
    assert counts(system) == {("/items/<int:item_id>", "405"): 2, ("/carts/<cart>", "405"): 1}
    assert internal_errors(system) == {}


def test_a_view_that_refuses_keeps_the_route(system: PerformanceSystem) -> None:
    app = measured(system)
    app.add_url_rule("/secret/<name>", "secret", lambda name: abort(int(name)))
    for code in (401, 403, 404, 405, 410, 500, 503):
        assert app.test_client().get(f"/secret/{code}").status_code == code
    assert set(counts(system)) == {("/secret/<name>", str(code)) for code in (401, 403, 404, 405, 410, 500, 503)}
    assert {one.error for one in recorded(system)} == {"", "500", "503"}


def test_redirects_are_counted(system: PerformanceSystem) -> None:
    app = measured(system)
    app.add_url_rule("/old/<n>", "old", lambda n: redirect("/new/"))
    app.add_url_rule("/new/", "new", text)
    assert app.test_client().get("/old/1").status_code == 302
    assert app.test_client().get("/new").status_code == 308
    assert counts(system) == {("/old/<n>", "302"): 1, ("", "308"): 1}


def test_hosts_and_subdomains_share_the_route_of_their_rule(system: PerformanceSystem) -> None:
    app = Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "shop.example"
    Perfkit(app, system=system)
    app.add_url_rule("/items/<n>", "shop", text)
    app.add_url_rule("/items/<n>", "tenant", text, subdomain="<tenant>")
    for host in ("shop.example", "a.shop.example", "b.shop.example"):
        assert exchange(app, environ_of("GET", "/items/1", headers={"host": host})).status == 200
    assert counts(system) == {("/items/<n>", "200"): 3}


@pytest.mark.parametrize("handled", [ValueError, Exception, HTTPException, 500])
def test_an_error_that_the_app_handles_is_what_it_answers(handled: Any, system: PerformanceSystem) -> None:
    app = measured(system)

    @app.get("/fail/<how>")
    def fail(how: str) -> str:
        raise ValueError("broken")

    app.register_error_handler(handled, lambda error: ("handled", 422))
    answer = app.test_client().get("/fail/now")
    found = [(one.route, one.status, one.error) for one in recorded(system)]
    assert (answer.status_code, answer.text) == (422, "handled")
    assert found == [("/fail/<how>", "422", "")]


def test_an_unhandled_exception_is_known_by_its_name(system: PerformanceSystem) -> None:
    class Broken(Exception):
        pass

    app = measured(system)

    @app.get("/fail/<how>")
    def fail(how: str) -> str:
        raise Broken(how)

    for _ in range(2):
        assert app.test_client().get("/fail/now").status_code == 500
    (one,) = recorded(system)
    assert (one.route, one.status, one.count) == ("/fail/<how>", "500", 2)
    assert one.error.endswith("Broken")


@pytest.mark.parametrize("option", ["testing", "debug"])
def test_an_exception_that_flask_lets_through_keeps_route_and_name(option: str, system: PerformanceSystem) -> None:
    app = measured(system)
    setattr(app, option, True)
    app.add_url_rule("/divide/<int:n>", "divide", lambda n: str(1 // n))
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/divide/0")
    (one,) = recorded(system)
    assert (one.route, one.status, one.error) == ("/divide/<int:n>", "500", "ZeroDivisionError")


def test_an_error_in_a_hook_of_flask_is_an_error_of_the_route(system: PerformanceSystem) -> None:
    app = measured(system)
    app.add_url_rule("/x/<n>", "x", text)
    app.before_request(lambda: 1 // 0)
    assert app.test_client().get("/x/1").status_code == 500
    (one,) = recorded(system)
    assert (one.route, one.error) == ("/x/<n>", "ZeroDivisionError")


def test_streams_with_the_context_pass_chunk_by_chunk(system: PerformanceSystem) -> None:
    app = measured(system)
    seen = []

    @app.get("/stream/<n>")
    def stream(n: str) -> Response:
        def chunks() -> Iterator[str]:
            for number in range(3):
                seen.append(counts_so_far(system))
                yield f"{current_app.name}{number}"

        return Response(stream_with_context(chunks()))

    answer = exchange(app, environ_of("GET", "/stream/1"))
    assert len(answer.chunks) == 3
    assert seen == [0, 0, 0]
    assert counts(system) == {("/stream/<n>", "200"): 1}


def counts_so_far(system: PerformanceSystem) -> int:
    return sum(each.count for each in recorded(system))


def test_a_stream_that_a_client_leaves_is_closed_and_known(system: PerformanceSystem) -> None:
    app, closed = measured(system), []

    @app.get("/stream")
    def stream() -> Response:
        def chunks() -> Iterator[bytes]:
            try:
                while True:
                    yield b"more"
            finally:
                closed.append(True)

        return Response(chunks())

    exchange(app, environ_of("GET", "/stream"), leave_after=3)
    assert closed == [True]
    assert [(one.status, one.error) for one in recorded(system)] == [("200", "client_disconnected")]


@pytest.mark.parametrize("conditional", [False, True])
def test_a_file_is_sent_by_the_servers_own_wrapper(
    conditional: bool, system: PerformanceSystem, tmp_path: Path
) -> None:
    from wsgiref.util import FileWrapper

    file = tmp_path / "file.txt"
    file.write_text("content")
    app = measured(system)
    app.add_url_rule("/file", "file", lambda: send_file(file, conditional=conditional))
    server = Server()
    assert server.run(app, environ_of("GET", "/file", **{"wsgi.file_wrapper": FileWrapper})) is None
    assert isinstance(server.result, FileWrapper)
    assert server.answer.body == b"content"
    assert counts(system) == {("/file", "200"): 1}


def test_a_part_of_a_file_and_an_unchanged_one_are_counted(system: PerformanceSystem, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("content")
    app = measured(system)
    app.add_url_rule("/file", "file", lambda: send_file(file))
    answer = exchange(app, environ_of("GET", "/file", headers={"range": "bytes=1-3"}))
    assert (answer.status, answer.body) == (206, b"ont")
    assert exchange(app, environ_of("GET", "/file", headers={"if-none-match": answer.headers["etag"]})).status == 304
    assert counts(system) == {("/file", "206"): 1, ("/file", "304"): 1}
    assert {one.error for one in recorded(system)} == {""}


# Middlewares around, and several apps.


@pytest.mark.parametrize("is_before", [True, False])
def test_a_proxys_prefix_is_not_in_the_route(is_before: bool, system: PerformanceSystem) -> None:
    app = Flask(__name__)
    app.add_url_rule("/items/<n>", "item", text)
    if is_before:
        Perfkit(app, system=system)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    if not is_before:
        Perfkit(app, system=system)
    headers = {"x-forwarded-prefix": "/shop"}
    assert exchange(app, environ_of("GET", "/items/1", headers=headers)).status == 200
    assert exchange(app, environ_of("GET", "/health", headers=headers)).status == 200
    assert counts(system) == {("/items/<n>", "200"): 1}


def test_a_mounted_app_counts_without_the_path_of_its_mount(system: PerformanceSystem) -> None:
    app = measured(system)
    app.config["APPLICATION_ROOT"] = "/shop"
    app.add_url_rule("/items/<n>", "item", text)
    mounts = DispatcherMiddleware(Flask("front"), {"/shop": app, "/store": app})
    for path in ("/shop/items/1", "/store/items/2", "/items/3"):
        exchange(mounts, environ_of("GET", path))
    assert exchange(mounts, environ_of("GET", "/shop/health")).status == 200
    assert exchange(mounts, environ_of("GET", "/health")).status == 404
    assert counts(system) == {("/items/<n>", "200"): 2}


def test_an_app_mounted_inside_is_counted_by_the_outer_one(system: PerformanceSystem) -> None:
    inner = Flask("inner")
    inner.add_url_rule("/items/<n>", "item", text)
    inner_perfkit = PerformanceSystem(environment="testing")
    Perfkit(inner, system=inner_perfkit)
    app = Flask(__name__)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/inner": inner})  # type: ignore[method-assign]
    Perfkit(app, system=system)
    assert exchange(app, environ_of("GET", "/inner/items/1")).status == 200
    assert counts(system) == {("/items/<n>", "200"): 1}
    assert recorded(inner_perfkit) == []


def test_what_is_no_flask_inside_has_no_route(system: PerformanceSystem) -> None:
    def plain(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"plain"]

    app = Flask(__name__)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/plain": plain})  # type: ignore[method-assign]
    Perfkit(app, system=system)
    assert exchange(app, environ_of("GET", "/plain/x")).body == b"plain"
    assert counts(system) == {("", "200"): 1}


def test_one_extension_serves_several_apps_each_with_its_own_system() -> None:
    extension = Perfkit(environment="testing", service="shop")
    apps = [Flask(name) for name in ("one", "two")]
    for app in apps:
        extension.init_app(app)
        app.add_url_rule("/x", "x", text)
    apps[0].test_client().get("/x")
    systems = [app.extensions["perfkit"].system for app in apps]
    assert [counts_so_far(system) for system in systems] == [1, 0]
    for system in systems:
        system.stop()


def test_an_app_factory_may_be_called_again() -> None:
    perfkit = Perfkit(environment="testing")

    def create_app() -> Flask:
        app = Flask(__name__)
        app.add_url_rule("/x", "x", text)
        perfkit.init_app(app)
        return app

    for _ in range(3):
        app = create_app()
        assert app.test_client().get("/x").text == "text"
        system = app.extensions["perfkit"].system
        assert counts(system) == {("/x", "200"): 1}
        system.stop()


def test_a_second_perfkit_around_one_app_is_an_error() -> None:
    app = Flask(__name__)
    perfkit = Perfkit(app, environment="testing")
    with pytest.raises(LifecycleError, match="already"):
        perfkit.init_app(app)


def test_the_test_client_keeps_its_manners(system: PerformanceSystem) -> None:
    app = measured(system)
    app.secret_key = "for tests only"
    app.add_url_rule("/x/<n>", "x", text)
    with app.test_client() as client:
        from flask import request

        assert client.get("/x/1?a=b").text == "text"
        assert request.args["a"] == "b"
        with client.session_transaction() as session:
            session["k"] = "v"
    with app.test_request_context("/x/2"):
        assert app.dispatch_request() == "text"
    assert counts(system) == {("/x/<n>", "200"): 1}


# The app's life.


def test_a_dropped_app_is_freed_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        app = Flask(__name__)
        Perfkit(app, environment="testing")
        weak = weakref.ref(app)
        del app
        assert weak() is None
        served = Flask(__name__)
        Perfkit(served, environment="testing")
        exchange(served, environ_of("GET", "/health"))
        system, weak = served.extensions["perfkit"].system, weakref.ref(served)
        del served
        assert weak() is None
    finally:
        gc.enable()
    system.stop()


def test_a_wsgi_app_whose_flask_app_was_dropped_says_so() -> None:
    app = Flask(__name__)
    Perfkit(app, environment="testing")
    left = app.wsgi_app
    del app
    error = Server().run(left, environ_of("GET", "/"))
    assert isinstance(error, LifecycleError)
    assert "keep a name for it" in str(error)


@pytest.mark.parametrize(("debug", "environment"), [(True, "development"), (False, "production")])
def test_debug_mode_is_development_even_if_it_is_set_after_init(
    debug: bool, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERFKIT_ENVIRONMENT", raising=False)
    app = Flask(__name__)
    Perfkit(app, store={"mode": "memory"})
    app.debug = debug
    local = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:5000"}
    status = exchange(app, environ_of("GET", "/metrics", **local)).status
    system = app.extensions["perfkit"].system
    assert (system.config.environment, status) == (environment, 200 if debug else 404)
    system.stop()


def test_nothing_runs_before_the_first_request() -> None:
    app = Flask(__name__)
    Perfkit(app, environment="testing")
    assert not app.extensions["perfkit"].system.is_running
    app.test_client().get("/")
    assert app.extensions["perfkit"].system.is_running
    app.extensions["perfkit"].system.stop()


HOOKS = {
    "the app cannot be looked at": "perfkit_flask.middleware.FlaskMiddleware.look",
    "the settings cannot be read again": "perfkit_flask.middleware.settings_of",
    "the route is not found": "perfkit_flask.middleware.FlaskMiddleware.route_of",
    "the rule of a refused method is not found": "perfkit_flask.middleware.FlaskMiddleware._refusing",
    "the exception has no name": "perfkit_flask.middleware.error_name",
    "learn fails": "perfkit.http.instrumentation.Instrumentation.learn",
    "record fails": "perfkit_flask.middleware.bisect_left",
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_perfkit_failing_inside_is_not_noticed_by_the_app(
    hook: str, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("inside perfkit")

    def make() -> Flask:
        app = Flask(__name__)
        app.add_url_rule("/divide/<int:n>", "divide", lambda n: str(1 // n))
        return app

    app, bare = make(), make()
    Perfkit(app, system=system)
    monkeypatch.setattr(hook, failing)
    for method, path in (("GET", "/divide/1"), ("GET", "/divide/0"), ("POST", "/divide/1"), ("GET", "/nowhere")):
        for _ in range(2):
            answer, expected = (exchange(each, environ_of(method, path)) for each in (app, bare))
            assert (answer.status, answer.headers, answer.body) == (expected.status, expected.headers, expected.body)
    assert system.store.in_flight() == 0
    assert internal_errors(system)

"""Responses of Flask views that are kept, and the cache as a dependency of FastAPI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from flask import Flask, Response, abort, jsonify, make_response, request, session
from starlette.testclient import TestClient

from perfkit import PerformanceSystem
from perfkit.cache import Namespace
from perfkit.cache.http.request import Identity
from perfkit.core.errors import CacheError, LifecycleError
from perfkit_asgi import PerfkitMiddleware, cache_of
from perfkit_asgi.caching import _request_of
from perfkit_flask import Perfkit, cached

Products = Annotated[Namespace, Depends(cache_of("products"))]
Whole = Annotated[Namespace, Depends(cache_of())]


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing") as system:
        yield system


class Shop:
    """An app whose views count how often they run."""

    def __init__(self, system: PerformanceSystem) -> None:
        self.app = Flask(__name__)
        self.app.secret_key = "of a test"
        self.runs = 0
        self.system = system
        Perfkit(self.app, system=system)

    def view(self, function: Callable[..., Any], path: str = "/page", methods: Any = ("GET",), **options: Any) -> None:
        def counting(**arguments: Any) -> Any:
            self.runs += 1
            return function(**arguments)

        self.app.add_url_rule(path, "page", cached(**options)(counting), methods=list(methods))

    def get(self, path: str = "/page", **options: Any) -> Any:
        return self.app.test_client(use_cookies=False).get(path, **options)


@pytest.fixture
def shop(system: PerformanceSystem) -> Shop:
    return Shop(system)


def test_a_view_runs_once_and_the_response_is_the_same(shop: Shop) -> None:
    shop.view(lambda: (jsonify(a=1), 200, {"X-Own": "yes"}))
    answers = [shop.get() for _ in range(3)]
    assert shop.runs == 1
    assert {answer.data for answer in answers} == {answers[0].data}
    assert [answer.headers["X-Own"] for answer in answers] == ["yes"] * 3
    assert {answer.content_type for answer in answers} == {"application/json"}
    assert shop.system.cache.get_stats().hits == 2


def test_host_path_and_query_tell_responses_apart(shop: Shop) -> None:
    shop.view(lambda name: f"{name} {request.host} {request.query_string.decode()}", "/<name>")
    for path in ("/a", "/b", "/a?x=1", "/a?x=2", "/a?x=1&y=2"):
        assert shop.get(path).text == shop.get(path).text
    assert shop.runs == 5
    shop.get("/a?y=2&x=1")
    assert shop.runs == 5
    shop.get("/a", headers={"Host": "other"})
    assert shop.runs == 6


def test_the_order_of_values_of_one_name_tells_responses_apart(shop: Shop) -> None:
    shop.view(lambda: request.args["id"])
    assert [shop.get(f"/page?{query}").text for query in ("id=1&id=2", "id=2&id=1")] == ["1", "2"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "user=ann"},
        {"X-Api-Key": "of ann"},
        {"X-Forwarded-User": "ann"},
        {"X-Ms-Client-Principal": "ann"},
        {"Authorization": "Bearer ann"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_who_says_who_asks_neither_fills_the_cache_nor_gets_from_it(shop: Shop, headers: dict[str, str]) -> None:
    name = next(iter(headers))
    shop.view(lambda: f"for {request.headers.get(name, 'anybody')}")
    own = f"for {headers[name]}"
    assert shop.get(headers=headers).text == own
    assert shop.get().text == "for anybody"
    assert shop.get(headers=headers).text == own
    assert shop.get().text == "for anybody"
    assert shop.runs == 3


@pytest.mark.parametrize("name", ["REMOTE_USER", "SSL_CLIENT_S_DN", "SSL_CLIENT_CERT"])
@pytest.mark.parametrize("settings", [{}, {"http_cache": {"GET /page": 30}}], ids=["cached", "http_cache"])
def test_a_user_that_the_server_names_gets_nothing_kept(name: str, settings: dict[str, Any]) -> None:
    with PerformanceSystem({"cache": settings}, environment="testing") as system:
        shop = Shop(system)
        shop.view(lambda: f"for {request.environ.get(name)}")
        assert shop.get(environ_overrides={name: "ann"}).text == "for ann"
        assert shop.get().text == "for None"
        assert shop.get(environ_overrides={name: "ann"}).text == "for ann"


def test_the_session_s_cookie_alone_does_not_keep_a_view_that_ignores_it_from_being_kept(shop: Shop) -> None:
    shop.view(lambda: "the same for all")
    for _ in range(3):
        shop.get(headers={"Cookie": "session=of-ann"})
    assert shop.runs == 1


def test_cookies_that_the_settings_name_do_not_count() -> None:
    with PerformanceSystem({"cache": {"http": {"ignored_cookies": ["_ga*"]}}}, environment="testing") as system:
        shop = Shop(system)
        shop.view(lambda: "the same for all")
        for visitor in ("1", "2"):
            shop.get(headers={"Cookie": f"_ga_x={visitor}"})
        assert shop.runs == 1


def test_a_host_that_a_proxy_names_is_part_of_the_key(shop: Shop) -> None:
    shop.view(lambda: request.headers.get("X-Forwarded-Host", request.host))
    assert shop.get(headers={"X-Forwarded-Host": "evil.example"}).text == "evil.example"
    assert shop.get().text == "localhost"


def test_tags_make_responses_invalid(shop: Shop) -> None:
    shop.view(lambda number: f"{number} {shop.runs}", "/<number>", tags=lambda number: [f"product:{number}"])
    assert [shop.get(path).text for path in ("/1", "/2", "/1")] == ["1 1", "2 2", "1 1"]
    shop.system.cache.invalidate_tags(["product:1"])
    assert [shop.get(path).text for path in ("/1", "/2")] == ["1 3", "2 2"]
    with shop.app.app_context():
        shop.app.view_functions["page"].cache_clear()  # type: ignore[attr-defined]
    assert shop.get("/2").text == "2 4"


def set_cookie() -> Response:
    response = make_response("x")
    response.set_cookie("a", "b")
    return response


def use_session() -> str:
    session["user"] = 1
    return "x"


def read_session() -> str:
    return str(session.get("user"))


def with_header(name: str, value: str) -> Callable[[], Any]:
    return lambda: ("x", 200, {name: value})


NOT_KEPT: dict[str, Callable[[], Any]] = {
    "cookie": set_cookie,
    "session written": use_session,
    "session read": read_session,
    "private": with_header("Cache-Control", "private"),
    "no-store": with_header("Cache-Control", "no-store"),
    "no-cache": with_header("Cache-Control", "max-age=9, no-cache"),
    "vary cookie": with_header("Vary", "Cookie"),
    "vary star": with_header("Vary", "*"),
    "part": with_header("Content-Range", "bytes 0-1/9"),
    "encoded": with_header("Content-Encoding", "gzip"),
    "error": lambda: ("x", 500),
    "redirect": lambda: ("x", 302, {"Location": "/"}),
    "abort": lambda: abort(404),
    "stream": lambda: (part for part in ("x", "y")),
}


@pytest.mark.parametrize("view", NOT_KEPT.values(), ids=NOT_KEPT)
def test_what_may_be_somebodys_own_is_not_kept(shop: Shop, view: Callable[[], Any]) -> None:
    shop.view(view)
    first, second = shop.get(), shop.get()
    assert shop.runs == 2
    assert (first.status_code, first.data) == (second.status_code, second.data)


@pytest.mark.parametrize("options", [{"headers": {"Authorization": "Bearer x"}}, {"method": "POST"}])
def test_some_requests_are_not_for_the_cache(shop: Shop, options: dict[str, Any]) -> None:
    shop.view(lambda: "x", methods=("GET", "POST"))
    for _ in range(2):
        shop.app.test_client().open("/page", **{"method": "GET", **options})
    assert shop.runs == 2


def test_a_key_of_ones_own_may_tell_users_apart(shop: Shop) -> None:
    shop.view(lambda: f"{request.headers['X-User']} {session.get('a')}", key=lambda: request.headers["X-User"])
    texts = [shop.get(headers={"X-User": user, "Authorization": "x"}).text for user in ("ada", "bob", "ada")]
    assert texts == ["ada None", "bob None", "ada None"]
    assert shop.runs == 2


def test_head_has_its_own(shop: Shop) -> None:
    shop.view(lambda: request.method)
    client = shop.app.test_client()
    assert client.head("/page").data == b""
    assert client.get("/page").text == "GET"


def test_many_at_once_run_the_view_once_but_nobody_gets_another_ones_cookie(shop: Shop) -> None:
    at_once = threading.Barrier(8)
    entered = threading.Event()

    def slow() -> Any:
        entered.wait(0.3)
        if request.args.get("cookie"):
            response = make_response("x")
            response.set_cookie("user", request.headers["X-User"])
            return response
        return "x"

    shop.view(slow)

    def ask(path: str, user: str) -> Any:
        at_once.wait(30)
        return shop.get(path, headers={"X-User": user})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, ["/page"] * 8, map(str, range(8))))
        assert shop.runs == 1
        assert [answer.text for answer in answers] == ["x"] * 8
        answers = list(pool.map(ask, ["/page?cookie=1"] * 8, map(str, range(8))))
    assert [answer.headers["Set-Cookie"] for answer in answers] == [f"user={user}; Path=/" for user in range(8)]


def test_coroutine_views_are_kept_too(shop: Shop) -> None:
    pytest.importorskip("asgiref")

    async def view() -> str:
        shop.runs += 1
        return "x"

    shop.app.add_url_rule("/later", "later", cached()(view))
    assert [shop.get("/later").text for _ in range(2)] == ["x", "x"]
    assert shop.runs == 1


def test_without_perfkit_around_the_app_it_is_told_what_to_do() -> None:
    app = Flask(__name__)
    app.testing = True
    app.add_url_rule("/", "page", cached()(lambda: "x"))
    with pytest.raises(LifecycleError, match=r"Call Perfkit\(app\) first"):
        app.test_client().get("/")


def test_fastapi_injects_the_cache(system: PerformanceSystem) -> None:
    app = FastAPI()
    app.add_middleware(PerfkitMiddleware, system=system)
    runs: list[int] = []

    @app.get("/products/{number}")
    async def product(number: int, products: Products) -> dict[str, int]:
        async def find() -> dict[str, int]:
            runs.append(number)
            return {"number": number}

        found: dict[str, int] = await products.amemoize(number, find, ttl=60)
        return found

    @app.get("/whole")
    def whole(cache: Whole) -> bool:
        return cache is system.cache

    @app.websocket("/live")
    async def live(websocket: WebSocket, products: Products) -> None:
        await websocket.accept()
        await websocket.send_json(await products.aget(7))
        await websocket.close()

    with TestClient(app) as client:
        assert [client.get("/products/7").json() for _ in range(2)] == [{"number": 7}] * 2
        assert client.get("/whole").json() is True
        with client.websocket_connect("/live") as socket:
            assert socket.receive_json() == {"number": 7}
    assert runs == [7]


def test_fastapi_without_perfkit_is_told_what_to_do() -> None:
    app = FastAPI()

    @app.get("/")
    def page(cache: Whole) -> str:
        return cache.namespace_name

    with TestClient(app) as client, pytest.raises(LifecycleError, match="add_middleware"):
        client.get("/")


def test_a_certificate_of_the_connection_says_who_asks() -> None:
    scope = {"method": "GET", "path": "/", "headers": [], "extensions": {"tls": {"client_cert_chain": ["of ann"]}}}
    assert Identity().of(_request_of(scope).headers) == "identity"
    assert Identity().of(_request_of({**scope, "extensions": {"tls": {"client_cert_chain": []}}}).headers) == ""
    assert Identity().of(_request_of({**scope, "extensions": None}).headers) == ""


WRONG: list[tuple[dict[str, Any], str]] = [
    # A class of Python's, to be called: the name of the case is the same in every process.
    *(({"ttl": ttl}, "ttl is") for ttl in ("5", -1, dict)),
    *(({"tags": tags}, "tags is") for tags in ("products", 5, [5])),
    *(({"key": key}, "key is") for key in ("id", 5)),
    *(({"namespace": name}, "namespace is") for name in ("", 5)),
]


@pytest.mark.parametrize(("options", "said"), WRONG, ids=str)
def test_wrong_options_are_told_where_the_view_is_decorated(options: dict[str, Any], said: str) -> None:
    with pytest.raises(CacheError) as caught:
        cached(**options)
    assert str(caught.value).startswith(said)
    assert str(caught.value).count(". ") >= 2


def test_a_dependency_has_a_text_for_the_name_of_its_namespace() -> None:
    with pytest.raises(CacheError, match="namespace is 5"):
        cache_of(5)  # type: ignore[arg-type] # that is the mistake

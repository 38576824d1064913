"""Messages and scopes as servers and apps really make them: extensions, what is left out, proxies' prefixes."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

import pytest
from asgi_driver import exchange, scope_of
from asgi_peer import call, one, text_of
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware

pytestmark = pytest.mark.anyio

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}
MORE = {"type": "http.response.body", "body": b"x", "more_body": True}
PATH = {"type": "http.response.pathsend", "path": "/etc/hostname"}
HINT = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
PUSH = {"type": "http.response.push", "path": "/style.css", "headers": []}
DEBUG = {"type": "http.response.debug", "info": {"template": "page.html"}}
TRAILED = {**START, "trailers": True}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"checksum", b"1")], "more_trailers": False}


def zerocopy(**changes: Any) -> dict[str, Any]:
    return {"type": "http.response.zerocopysend", "file": 1, **changes}


COMPLETE = {
    "a body": [START, BODY],
    "a body in pieces": [START, MORE, MORE, BODY],
    "a body whose end is empty": [START, MORE, {"type": "http.response.body"}],
    "a path for the server to send": [START, PATH],
    "a file for the server to send": [START, zerocopy()],
    "a file in pieces": [START, zerocopy(count=5, more_body=True), zerocopy(offset=5, more_body=False)],
    "a file and a last body": [START, zerocopy(more_body=True), BODY],
    "trailers after the body": [TRAILED, MORE, BODY, {**TRAILERS, "more_trailers": True}, TRAILERS],
    "early hints": [HINT, HINT, START, BODY],
    "server push": [PUSH, START, BODY],
    "debug information": [DEBUG, START, BODY],
    "something unheard of": [START, {"type": "http.response.hologram", "more_body": False}, BODY],
    "a body after the end": [START, BODY, BODY],
}

INCOMPLETE = {
    "no answer": ([], "500", "no_response"),
    "only hints": ([HINT], "500", "no_response"),
    "a start": ([START], "200", "incomplete_response"),
    "a body without its end": ([START, MORE, MORE], "200", "incomplete_response"),
    "a file without its end": ([START, zerocopy(more_body=True)], "200", "incomplete_response"),
    "something unheard of at the end": ([START, {"type": "http.response.hologram"}], "200", "incomplete_response"),
}


def sending(messages: list[dict[str, Any]]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


@pytest.mark.parametrize("messages", COMPLETE.values(), ids=COMPLETE)
async def test_an_answer_passes_as_it_is_and_is_recorded_once(
    messages: list[dict[str, Any]], system: PerformanceSystem
) -> None:
    assert await call(PerfkitMiddleware(sending(messages), system=system), "GET", "/") == messages
    assert (one(system).status, one(system).error) == ("200", "")


@pytest.mark.parametrize(("messages", "status", "error"), INCOMPLETE.values(), ids=INCOMPLETE)
async def test_an_answer_without_its_end_is_an_error(
    messages: list[dict[str, Any]], status: str, error: str, system: PerformanceSystem
) -> None:
    assert await call(PerfkitMiddleware(sending(messages), system=system), "GET", "/") == messages
    assert (one(system).status, one(system).error) == (status, error)


@pytest.mark.parametrize("last", [BODY, PATH, zerocopy()], ids=lambda message: message["type"])
async def test_an_exchange_is_recorded_before_its_last_piece_is_sent(
    last: dict[str, Any], system: PerformanceSystem
) -> None:
    counts = []

    async def send(message: Any) -> None:
        counts.append(sum(each.count for each in recorded(system)))

    await PerfkitMiddleware(sending([START, last]), system=system)(scope_of("GET", "/"), None, send)  # type: ignore[arg-type]
    assert counts == [0, 1]


async def test_messages_are_the_very_objects_that_the_app_sent(system: PerformanceSystem) -> None:
    messages, got = [dict(START), dict(MORE), dict(BODY)], []

    async def send(message: Any) -> None:
        got.append(message)

    await PerfkitMiddleware(sending(messages), system=system)(scope_of("GET", "/"), None, send)  # type: ignore[arg-type]
    assert [id(each) for each in got] == [id(each) for each in messages]


async def test_the_request_reaches_the_app_through_the_servers_own_receive(system: PerformanceSystem) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(receive)
        await PlainTextResponse("x")(scope, receive, send)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    await PerfkitMiddleware(app, system=system)(scope_of("GET", "/"), receive, send)
    assert seen == [receive]


async def test_a_file_response_with_pathsend_is_complete(system: PerformanceSystem, tmp_path: Any) -> None:
    file = tmp_path / "file.txt"
    file.write_text("content")

    async def download(request: Request) -> Response:
        return FileResponse(file)

    app = Starlette(routes=[Route("/file", download)])
    app.add_middleware(PerfkitMiddleware, system=system)
    extensions = {"http.response.pathsend": {}}
    messages = await call(app, "GET", "/file", extensions=extensions)
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.pathsend"]
    assert (one(system).route, one(system).status, one(system).error) == ("/file", "200", "")


async def test_http_2_is_like_any_other(system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(sending([START, BODY]), system=system)
    changes = {"http_version": "2", "scheme": "https", "extensions": {"http.response.push": {}}}
    assert await call(app, "GET", "/", **changes) == [START, BODY]
    assert one(system).scheme == "https"


@pytest.mark.parametrize("left_out", ["state", "client", "server", "scheme", "root_path", "raw_path", "query_string"])
@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/perfkit/"])
async def test_what_a_server_may_leave_out_of_the_scope_is_not_needed(
    left_out: str, path: str, system: PerformanceSystem
) -> None:
    app = PerfkitMiddleware(sending([START, BODY]), system=system)
    status, _ = text_of(await call(app, "GET", path, **{left_out: None}))
    assert status == 200
    assert sum(each.count for each in recorded(system)) == (0 if path == "/health" else 1)
    if path != "/health":
        assert one(system).scheme == "http"


@pytest.mark.parametrize(("scheme", "label"), [("http", "http"), ("https", "https"), ("gopher", "_other")])
async def test_unknown_schemes_share_one_series(scheme: str, label: str, system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(sending([START, BODY]), system=system)
    for _ in range(2):
        await call(app, "GET", "/", scheme=scheme)
    assert [(each.scheme, each.count) for each in recorded(system)] == [(label, 2)]


@pytest.mark.parametrize("client", [None, ("203.0.113.9", 5), ("", 0), ["::1", 1], ("unix:/run/app.sock", None)])
async def test_any_peer_may_ask_for_a_probe(client: object, system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(sending([START, BODY]), system=system)
    assert text_of(await call(app, "GET", "/health/live", client=client))[0] == 200


@pytest.mark.parametrize(
    ("root_path", "path"),
    [
        ("", "/health/live"),
        ("/api", "/api/health/live"),
        ("/api", "/health/live"),
        ("/api/v1", "/api/v1/health/live"),
        ("/", "//health/live"),
        ("/api/", "/api//health/live"),
        ("/api/", "/api/health/live"),
    ],
    ids=[
        "none",
        "kept by the proxy",
        "stripped by the proxy",
        "of two parts",
        "a slash",
        "with a slash at its end",
        "with a slash, once",
    ],
)
async def test_our_own_paths_lie_below_the_root_path(root_path: str, path: str, system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(sending([START, BODY]), system=system)
    assert (await call(app, "GET", path, root_path=root_path))[0]["status"] == 200
    assert recorded(system) == []


@pytest.mark.parametrize(
    ("root_path", "path"), [("/api", "/apihealth/live"), ("/api", "/other/health/live"), ("", "/api/health/live")]
)
async def test_a_path_that_only_looks_like_ours_goes_to_the_app(
    root_path: str, path: str, system: PerformanceSystem
) -> None:
    app = PerfkitMiddleware(sending([START, BODY]), system=system)
    assert await call(app, "GET", path, root_path=root_path) == [START, BODY]
    assert one(system).count == 1


@pytest.mark.parametrize("path", ["/api/items/7", "/items/7"], ids=["kept by the proxy", "stripped by the proxy"])
async def test_the_route_is_without_the_proxys_prefix(path: str, system: PerformanceSystem) -> None:
    app = Starlette(routes=[Route("/items/{item_id}", lambda request: PlainTextResponse("item"))])
    app.add_middleware(PerfkitMiddleware, system=system)
    answer = await exchange(app, scope_of("GET", path, root_path="/api"))
    assert (answer.status, one(system).route) == (200, "/items/{item_id}")


async def test_header_bytes_that_are_no_utf8_do_not_trouble_our_own_paths(system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(sending([START, BODY]), system=system)
    headers = [(b"host", b"\xff\xfe"), (b"accept", b"\x80"), (b"authorization", b"Bearer \xff"), (b"x", b"")]
    for path in ("/health", "/metrics", "/perfkit/"):
        assert text_of(await call(app, "GET", path, headers=headers))[0] == 200
    assert sum(each.count for each in recorded(system)) == 2


async def test_a_slow_answer_lasts_until_its_end_and_not_until_the_apps(system: PerformanceSystem) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await asyncio.sleep(0.03)
        await send(BODY)
        await asyncio.sleep(0.1)

    system.start()
    began = perf_counter()
    await call(PerfkitMiddleware(slow, system=system), "GET", "/")
    assert 0.029 <= one(system).seconds <= perf_counter() - began - 0.099


async def test_a_megabyte_of_headers_of_one_name_does_not_hold_up_the_loop() -> None:
    # Appended one by one they would be copied for minutes, longer than a test may take.
    system = PerformanceSystem(environment="production")
    app = PerfkitMiddleware(Starlette(), system)
    scope = scope_of("GET", "/health")
    scope["headers"] += [(b"a", b"b" * 16)] * 300_000
    with system:
        answer = await exchange(app, scope)
    assert answer.status == 200

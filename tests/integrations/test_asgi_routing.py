"""The route of a request, whole and bounded, in the many ways in which Starlette and FastAPI can be put together."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from asgi_driver import exchange, scope_of
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse as FastAPIText
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from perfkit.core.spans import Span, add_span
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Answer, recorded
from perfkit_asgi import PerfkitMiddleware

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("spans_expected")]

Counts = dict[tuple[str, str], int]


async def text(request: Request) -> Response:
    return PlainTextResponse("text")


async def item(item_id: str) -> FastAPIText:
    return FastAPIText(item_id)


def endpoint_of_its_own() -> Any:
    async def text(request: Request) -> Response:
        return PlainTextResponse("text")

    return text


async def get(app: Any, path: str, method: str = "GET", **headers: str) -> Answer:
    return await exchange(app, scope_of(method, path, headers=headers))


def counts(system: PerformanceSystem) -> Counts:
    """Return how many requests were recorded by route and status."""
    assert system.store.in_flight() == 0
    result: Counts = {}
    for one in recorded(system):
        key = one.route, one.status
        result[key] = result.get(key, 0) + one.count
    return result


def measured(app: Starlette, system: PerformanceSystem) -> Starlette:
    app.add_middleware(PerfkitMiddleware, system=system)
    return app


async def test_a_path_parameter_with_slashes_is_one_route(system: PerformanceSystem) -> None:
    app = measured(Starlette(routes=[Route("/files/{path:path}", text)]), system)
    for path in ("/files/a", "/files/a/b/c", "/files/x.txt"):
        await get(app, path)
    assert counts(system) == {("/files/{path:path}", "200"): 3}


async def test_an_endpoint_class_is_a_route(system: PerformanceSystem) -> None:
    class Page(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("page")

    app = measured(Starlette(routes=[Route("/page", Page)]), system)
    await get(app, "/page")
    await get(app, "/page", "DELETE")
    assert counts(system) == {("/page", "200"): 1, ("/page", "405"): 1}


async def test_mounts_in_mounts_are_in_the_route(system: PerformanceSystem) -> None:
    inner = Starlette(routes=[Route("/leaf/{leaf}", text)])
    middle = Starlette(routes=[Mount("/middle/{m}", inner)])
    app = measured(Starlette(routes=[Mount("/outer/{o}", middle), Mount("/list", routes=[Route("/x", text)])]), system)
    await get(app, "/outer/1/middle/2/leaf/3")
    await get(app, "/outer/4/middle/5/leaf/6")
    await get(app, "/list/x")
    assert counts(system) == {("/outer/{o}/middle/{m}/leaf/{leaf}", "200"): 2, ("/list/x", "200"): 1}


async def test_a_path_below_a_mount_that_nobody_serves_is_bounded(system: PerformanceSystem) -> None:
    app = measured(Starlette(routes=[Mount("/sub/{tenant}", Starlette(routes=[Route("/x", text)]))]), system)
    for tenant in range(50):
        assert (await get(app, f"/sub/{tenant}/nowhere-{tenant}")).status == 404
    assert len(counts(system)) == 1
    (((route, status), count),) = counts(system).items()
    assert (route, status, count) == ("", "404", 50)


async def test_one_router_mounted_twice_has_two_routes(system: PerformanceSystem) -> None:
    router = Router(routes=[Route("/x/{n}", text)])
    app = measured(Starlette(routes=[Mount("/a", router), Mount("/b/{b}", router)]), system)
    for path in ("/a/x/1", "/b/1/x/2", "/b/2/x/3", "/a/x/4"):
        await get(app, path)
    assert counts(system) == {("/a/x/{n}", "200"): 2, ("/b/{b}/x/{n}", "200"): 2}


async def test_one_router_mounted_twice_behind_a_proxys_prefix(system: PerformanceSystem) -> None:
    router = Router(routes=[Route("/x/{n}", text)])
    app = measured(Starlette(routes=[Mount("/a", router), Mount("/b/{b}", router)]), system)
    for path in ("/api/a/x/1", "/api/b/1/x/2"):
        answer = await exchange(app, scope_of("GET", path, root_path="/api"))
        assert answer.status == 200
    assert counts(system) == {("/a/x/{n}", "200"): 1, ("/b/{b}/x/{n}", "200"): 1}


async def test_hosts_share_their_routes_and_are_no_label(system: PerformanceSystem) -> None:
    api = Router(routes=[Route("/users/{user}", text)])
    site = Router(routes=[Route("/about", text)])
    app = measured(Starlette(routes=[Host("api.example.org", api), Host("{sub}.example.org", site)]), system)
    await get(app, "/users/1", host="api.example.org")
    for n in range(20):
        await get(app, "/about", host=f"tenant-{n}.example.org")
    await get(app, "/about", host="elsewhere.example.net")
    assert counts(system) == {("/users/{user}", "200"): 1, ("/about", "200"): 20, ("", "404"): 1}


async def test_a_redirect_to_the_path_with_a_slash_has_no_route(system: PerformanceSystem) -> None:
    app = measured(Starlette(routes=[Route("/page/", text)]), system)
    for n in range(3):
        answer = await get(app, f"/page?{n}")
        assert answer.status == 307
    assert counts(system) == {("", "307"): 3}


async def test_a_folder_of_files_is_one_route(system: PerformanceSystem, tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.css").write_text("body {}")
    app = FastAPI()
    app.mount("/static", StaticFiles(directory=tmp_path), name="static")
    app = measured(app, system)
    for n in range(5):
        assert (await get(app, f"/static/{n}.css")).status == 200
    assert (await get(app, "/static/none.css")).status == 404
    assert counts(system) == {("/static/{path}", "200"): 5, ("/static/{path}", "404"): 1}


async def test_a_mounted_app_that_is_not_starlettes_is_one_route(system: PerformanceSystem) -> None:
    async def foreign(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("foreign")(scope, receive, send)

    app = measured(Starlette(routes=[Mount("/old/{site}", foreign)]), system)
    for n in range(5):
        assert (await get(app, f"/old/{n}/page/{n}")).body == b"foreign"
    assert counts(system) == {("/old/{site}/{path}", "200"): 5}


async def test_the_apps_middleware_inside_sees_every_request_and_changes_nothing(system: PerformanceSystem) -> None:
    seen = []

    async def adding(request: Request, call_next: Any) -> Any:
        seen.append(request.url.path)
        add_span(Span("python", "outside", 0.0, 0.001))
        response = await call_next(request)
        response.headers["x-added"] = "yes"
        return response

    async def spanning(request: Request) -> Response:
        return PlainTextResponse(str(add_span(Span("python", "inside", 0.0, 0.001))))

    app = Starlette(routes=[Route("/x/{n}", spanning)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=adding)])
    answer = await get(measured(app, system), "/x/1")
    assert (answer.body, answer.headers["x-added"]) == (b"True", "yes")
    assert seen == ["/x/1"]
    assert counts(system) == {("/x/{n}", "200"): 1}


async def test_compressed_answers_are_recorded_with_their_route(system: PerformanceSystem) -> None:
    async def long(request: Request) -> Response:
        return PlainTextResponse("long " * 1000)

    app = Starlette(routes=[Route("/long", long)], middleware=[Middleware(GZipMiddleware)])
    answer = await get(measured(app, system), "/long", **{"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert counts(system) == {("/long", "200"): 1}


async def test_a_middleware_that_answers_early_leaves_no_route(system: PerformanceSystem) -> None:
    app = Starlette(routes=[Route("/x", text)])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])
    measured(app, system)
    for n in range(3):
        assert (await get(app, "/x", host=f"evil-{n}.org")).status == 400
    assert (await get(app, "/x", host="example.org")).status == 200
    assert counts(system) == {("", "400"): 3, ("/x", "200"): 1}


async def test_exceptions_that_the_app_handles_have_the_status_of_its_answer(system: PerformanceSystem) -> None:
    async def teapot(request: Request, error: Exception) -> Response:
        return PlainTextResponse("a teapot", status_code=418)

    async def brewing(request: Request) -> Response:
        raise LookupError("no coffee")

    app = Starlette(routes=[Route("/coffee", brewing)], exception_handlers={LookupError: teapot})
    assert (await get(measured(app, system), "/coffee")).body == b"a teapot"
    assert counts(system) == {("/coffee", "418"): 1}
    assert [one.error for one in recorded(system)] == [""]


async def test_a_handler_for_everything_answers_the_client_and_the_error_is_counted(system: PerformanceSystem) -> None:
    async def sorry(request: Request, error: Exception) -> Response:
        return PlainTextResponse("sorry", status_code=500)

    async def boom(request: Request) -> Response:
        raise LookupError("boom")

    app = Starlette(routes=[Route("/boom", boom)], exception_handlers={Exception: sorry})
    answer = await get(measured(app, system), "/boom")
    assert (answer.status, answer.body) == (500, b"sorry")
    assert counts(system) == {("/boom", "500"): 1}
    assert [one.error for one in recorded(system)] == ["LookupError"]


@pytest.mark.parametrize(("status", "error"), [(404, ""), (429, ""), (500, "500"), (503, "503")])
async def test_an_http_exception_is_the_answer_it_stands_for(
    status: int, error: str, system: PerformanceSystem
) -> None:
    app = FastAPI()

    @app.get("/items/{item_id}")
    async def read(item_id: str) -> None:
        raise HTTPException(status)

    await get(measured(app, system), "/items/1")
    assert counts(system) == {("/items/{item_id}", str(status)): 1}
    assert [one.error for one in recorded(system)] == [error]


async def test_a_request_that_fails_validation_keeps_its_route(system: PerformanceSystem) -> None:
    app = FastAPI()

    @app.get("/numbers/{number}")
    async def read(number: int) -> int:
        return number

    measured(app, system)
    for n in range(3):
        assert (await get(app, f"/numbers/word-{n}")).status == 422
    assert counts(system) == {("/numbers/{number}", "422"): 3}


async def test_a_dependency_that_refuses_keeps_the_route(system: PerformanceSystem) -> None:
    async def refuse() -> None:
        raise HTTPException(401)

    app = FastAPI()
    app.add_api_route("/secret/{item_id}", item, dependencies=[Depends(refuse)])
    await get(measured(app, system), "/secret/1")
    assert counts(system) == {("/secret/{item_id}", "401"): 1}


async def test_routers_in_routers_keep_all_their_prefixes(system: PerformanceSystem) -> None:
    inner, middle, outer = APIRouter(prefix="/inner"), APIRouter(), APIRouter(prefix="/outer/{o}")
    inner.add_api_route("/{item_id}", item)
    middle.include_router(inner, prefix="/middle")
    outer.include_router(middle)
    app = FastAPI()
    app.include_router(outer, prefix="/v1")
    measured(app, system)
    assert (await get(app, "/v1/outer/1/middle/inner/2")).body == b"2"
    assert counts(system) == {("/v1/outer/{o}/middle/inner/{item_id}", "200"): 1}


async def test_one_router_included_twice_has_two_routes(system: PerformanceSystem) -> None:
    router = APIRouter(prefix="/items")
    router.add_api_route("/{item_id}", item)
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2/{region}")
    measured(app, system)
    for path in ("/v1/items/1", "/v2/eu/items/2", "/v2/us/items/3", "/v1/items/4", "/v1/items/5"):
        assert (await get(app, path)).status == 200
    assert counts(system) == {("/v1/items/{item_id}", "200"): 3, ("/v2/{region}/items/{item_id}", "200"): 2}


async def test_a_method_not_allowed_keeps_the_route_of_a_router(system: PerformanceSystem) -> None:
    router = APIRouter(prefix="/items")
    router.add_api_route("/{item_id}", item)
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    measured(app, system)
    assert (await get(app, "/v1/items/1", "DELETE")).status == 405
    assert counts(system) == {("/v1/items/{item_id}", "405"): 1}


async def test_a_router_in_a_mounted_app_has_mount_and_prefix(system: PerformanceSystem) -> None:
    router = APIRouter(prefix="/items")
    router.add_api_route("/{item_id}", item)
    sub = FastAPI()
    sub.include_router(router, prefix="/v1")
    app = FastAPI()
    app.mount("/sub/{tenant}", sub)
    measured(app, system)
    for tenant in ("acme", "umbrella"):
        assert (await get(app, f"/sub/{tenant}/v1/items/1")).status == 200
    assert counts(system) == {("/sub/{tenant}/v1/items/{item_id}", "200"): 2}


async def test_the_pages_that_fastapi_adds_are_routes(system: PerformanceSystem) -> None:
    app = measured(FastAPI(), system)
    for path in ("/docs", "/openapi.json"):
        assert (await get(app, path)).status == 200
    assert counts(system) == {("/docs", "200"): 1, ("/openapi.json", "200"): 1}


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
async def test_routes_added_while_the_app_runs_are_found(kind: type[Starlette], system: PerformanceSystem) -> None:
    app = measured(kind(), system)
    for n in range(5):
        app.add_route(f"/late-{n}/{{x}}", endpoint_of_its_own())
        assert (await get(app, f"/late-{n}/1")).status == 200
    if isinstance(app, FastAPI):
        router = APIRouter()
        router.add_api_route("/{item_id}", item)
        app.include_router(router, prefix="/later")
        assert (await get(app, "/later/1")).status == 200
    found = {route for route, _ in counts(system)}
    assert found >= {f"/late-{n}/{{x}}" for n in range(5)}
    assert "/later/{item_id}" in found or kind is Starlette


async def test_routes_taken_away_do_not_leave_their_name_to_others(system: PerformanceSystem) -> None:
    app = measured(Starlette(routes=[Route("/first", text)]), system)
    await get(app, "/first")
    for n in range(50):
        app.router.routes.append(Route(f"/known-{n}", text))
        await get(app, "/first" if n % 2 else f"/known-{n}")
        app.router.routes.pop()
        gc.collect(0)
        app.router.routes.append(Route(f"/other-{n}", text))
        await get(app, f"/other-{n}")
        app.router.routes.pop()
    routes = {route for route, _ in counts(system)}
    assert routes >= {f"/other-{n}" for n in range(50)}


async def test_a_route_that_no_tree_holds_is_no_series_of_its_own(system: PerformanceSystem) -> None:
    class Dynamic(Router):
        async def app(self, scope: Any, receive: Any, send: Any) -> None:
            scope["route"] = Route(scope["path"], text)
            await PlainTextResponse("made up")(scope, receive, send)

    app = Starlette(routes=[Route("/x", text)])
    app.router = Dynamic(routes=app.router.routes)
    measured(app, system)
    for n in range(50):
        await get(app, f"/made-up/{n}")
    assert counts(system) == {("", "200"): 50}


async def test_plain_routes_and_mounts_of_fastapi_are_told_apart_though_they_share_endpoints(
    system: PerformanceSystem, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.css").write_text("body {}")
    files = StaticFiles(directory=tmp_path)
    router, sub, app = APIRouter(), FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    for each in (router, sub, app):
        each.add_route("/one/{x}", text)
        each.add_route("/two/{x}", text)
        each.mount("/static", files)
    app.include_router(router, prefix="/included")
    app.mount("/sub/{tenant}", sub)
    measured(app, system)
    expected = {}
    for prefix, template in {"": "", "/included": "/included", "/sub/acme": "/sub/{tenant}"}.items():
        for path, route in {
            "/one/1": "/one/{x}",
            "/two/2": "/two/{x}",
            "/static/deep/a.css": "/static/{path}",
        }.items():
            for root_path in ("", "/api"):
                answer = await exchange(app, scope_of("GET", root_path + prefix + path, root_path=root_path))
                assert answer.status == 200
            expected[template + route, "200"] = 2
    assert counts(system) == expected


async def test_perfkit_in_a_mounted_app_alone_measures_that_app(system: PerformanceSystem) -> None:
    sub = measured(Starlette(routes=[Route("/x/{n}", text)]), system)
    app = Starlette(routes=[Mount("/sub", sub), Route("/x/{n}", text)])
    assert (await get(app, "/sub/x/1")).status == 200
    assert (await get(app, "/x/1")).status == 200
    assert (await get(app, "/sub/health/live")).status == 200
    assert (await get(app, "/health/live")).status == 404
    assert counts(system) == {("/x/{n}", "200"): 1}


@pytest.mark.parametrize("wrap", [True, False], ids=["wrapped", "added"])
async def test_an_app_wrapped_in_others_is_found_beneath_them(wrap: bool, system: PerformanceSystem) -> None:
    inner = Starlette(routes=[Mount("/t/{tenant}", Starlette(routes=[Route("/x/{n}", text)]))])
    app = PerfkitMiddleware(GZipMiddleware(inner), system=system) if wrap else measured(inner, system)
    await get(app, "/t/acme/x/1")
    assert counts(system) == {("/t/{tenant}/x/{n}", "200"): 1}

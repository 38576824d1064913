"""The adapter kit on Starlette, FastAPI and a plain ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgi_driver import exchange, scope_of
from fastapi import APIRouter, FastAPI, Request
from fastapi import Response as FastAPIResponse
from kept_routes import KEPT
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import AdapterKit, Answer
from perfkit_asgi import PerfkitMiddleware


async def chunks(*, breaks: bool = False) -> AsyncIterator[bytes]:
    for chunk in (b"one", b"two", b"three"):
        yield chunk
        if breaks:
            raise ValueError("broken")
        await asyncio.sleep(0.002)


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"hello {request.path_params['name']}")


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def empty(request: Request) -> Response:
    return Response(status_code=204)


async def refused(request: Request) -> Response:
    return Response(status_code=403)


async def unavailable(request: Request) -> Response:
    return Response(status_code=503)


async def boom(request: Request) -> Response:
    raise ValueError("boom")


async def stream(request: Request) -> Response:
    return StreamingResponse(chunks())


async def broken_stream(request: Request) -> Response:
    return StreamingResponse(chunks(breaks=True))


async def background(request: Request) -> Response:
    return Response(background=BackgroundTask(run_in_threadpool, AdapterKit.background_work))


async def state(request: Request) -> Response:
    return PlainTextResponse("yes" if isinstance(request.state.perfkit, PerformanceSystem) else "no")


async def spans(request: Request) -> Response:
    return PlainTextResponse(str(await run_in_threadpool(AdapterKit.add_spans)))


async def item(request: Request) -> Response:
    return PlainTextResponse(request.path_params["item_id"])


ENDPOINTS = {
    "/hello/{name}": (hello, "GET"),
    "/echo": (echo, "POST"),
    "/empty": (empty, "GET"),
    "/refused": (refused, "GET"),
    "/unavailable": (unavailable, "GET"),
    "/boom": (boom, "GET"),
    "/stream": (stream, "GET"),
    "/broken-stream": (broken_stream, "GET"),
    "/background": (background, "GET"),
    "/state": (state, "GET"),
    "/spans": (spans, "GET"),
}


class ASGIKit(AdapterKit):
    @pytest.fixture(autouse=True)
    def loop(self) -> Iterator[None]:
        self.runner = asyncio.Runner()
        yield
        self.runner.close()

    def exchange(
        self,
        app: Any,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        root_path: str = "",
        leave_after: int | None = None,
    ) -> Answer:
        scope = scope_of(method, path, headers=headers, root_path=root_path)
        return self.runner.run(exchange(app, scope, body, leave_after))

    def wrap_again(self, app: Any, system: PerformanceSystem) -> Any:
        return PerfkitMiddleware(app, system=system)


class TestStarlette(ASGIKit):
    def make_app(self, system: PerformanceSystem) -> Any:
        sub_app = Starlette(routes=[Route("/items/{item_id}", item)])
        app = Starlette(
            routes=[
                *(Route(path, endpoint, methods=[method]) for path, (endpoint, method) in ENDPOINTS.items()),
                Mount("/v1", sub_app),
                Mount("/t/{tenant}", sub_app),
            ]
        )
        app.add_middleware(PerfkitMiddleware, system=system)
        return app


class TestStarletteWrapped(TestStarlette):
    error_of_an_exception = "500"

    def make_app(self, system: PerformanceSystem) -> Any:
        app = super().make_app(system)
        app.user_middleware.clear()
        return PerfkitMiddleware(app, system=system)


class TestFastAPI(ASGIKit):
    def make_app(self, system: PerformanceSystem) -> Any:
        app = FastAPI(openapi_url=None)
        router = APIRouter()
        for path, (endpoint, method) in ENDPOINTS.items():
            router.add_api_route(path, endpoint, methods=[method])
        app.include_router(router)
        sub_app = FastAPI(openapi_url=None)
        sub_app.include_router(items_router())
        app.mount("/v1", sub_app)
        app.mount("/t/{tenant}", sub_app)
        app.add_middleware(PerfkitMiddleware, system=system)
        return app


def items_router() -> APIRouter:
    router = APIRouter(prefix="/items")

    @router.get("/{item_id}")
    async def read_item(item_id: str) -> FastAPIResponse:
        return FastAPIResponse(item_id)

    return router


async def plain_app(scope: Any, receive: Any, send: Any) -> None:
    """The kit's app without any framework."""
    path = scope["path"].removeprefix(scope["root_path"])
    method = scope["method"]
    name = path.removeprefix("/hello/") if path.startswith("/hello/") else None
    known = {path: endpoint for path, (endpoint, _) in ENDPOINTS.items()}
    if name:
        scope["path_params"] = {"name": name}
    endpoint = hello if name else known.get(path)
    if endpoint is None:
        await PlainTextResponse("not found", status_code=404)(scope, receive, send)
        return
    if method == "OPTIONS":
        await Response(status_code=204)(scope, receive, send)
        return
    response = await endpoint(Request(scope, receive))
    await response(scope, receive, send)


class TestPlainASGI(ASGIKit):
    has_routes = False
    test_mounts_are_in_the_route_and_their_parameters_are_not = None

    def make_app(self, system: PerformanceSystem) -> Any:
        return PerfkitMiddleware(plain_app, system=system)


class TestStarletteWithAResponseCache(TestStarlette):
    http_cache = KEPT


class TestFastAPIWithAResponseCache(TestFastAPI):
    http_cache = KEPT


class TestPlainASGIWithAResponseCache(TestPlainASGI):
    http_cache = KEPT

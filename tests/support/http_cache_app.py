"""A service of one value, for the tests of its response cache in several workers."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from perfkit_asgi import PerfkitMiddleware

VALUE = Path(os.environ.get("HTTP_CACHE_VALUE", "value"))


def read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(VALUE.read_text(), headers={"x-pid": str(os.getpid())})


def write(request: Request) -> PlainTextResponse:
    VALUE.write_text(request.query_params["is"])
    return PlainTextResponse("written")


async def refresh(request: Request) -> PlainTextResponse:
    request.state.perfkit.cache.invalidate_tags(["GET /value"])
    return PlainTextResponse("refreshed")


app = Starlette(
    routes=[
        Route("/value", read),
        Route("/value", write, methods=["PUT"]),
        Route("/refresh", refresh, methods=["POST"]),
    ]
)
app.add_middleware(PerfkitMiddleware, service="values", cache={"http_cache": {"GET /value": 3600}})

"""An app whose pages could be kept: each takes its time, and says the same for as long as the server runs."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from perfkit import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware

TAKES = 0.06
system = PerformanceSystem({"service": "foretold-cache"}, environment="testing")


async def item(request: Request) -> Response:
    await asyncio.sleep(TAKES)
    return PlainTextResponse(f"item {request.path_params['item']}")


async def numbers(request: Request) -> Response:
    """Return what is found, and what the route took, as the server itself counted it."""
    routes = system.performance.snapshot().routes
    return JSONResponse(
        {
            "found": msgspec.to_builtins(system.get_optimization_recommendations()),
            "route": next((msgspec.to_builtins(each) for each in routes if each.route == "/items/{item}"), None),
        }
    )


app = Starlette(routes=[Route("/items/{item}", item), Route("/numbers", numbers)])
app.add_middleware(PerfkitMiddleware, system=system)

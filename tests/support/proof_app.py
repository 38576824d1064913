"""The app of the hard proofs: a mount, a few statuses, requests of a known length. perfkit is added in one line."""

from __future__ import annotations

import asyncio
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from perfkit_asgi import PerfkitMiddleware

FAST, SLOW = 0.02, 0.15
"""Seconds that a request to ``/work/{number}`` takes; every fifth is slow, so that the 95th percentile is."""


async def work(request: Request) -> Response:
    await asyncio.sleep(FAST if request.path_params["number"] % 5 else SLOW)
    return PlainTextResponse("done")


async def answer_with(request: Request) -> Response:
    return PlainTextResponse("as you like", status_code=request.path_params["status"])


async def pid(request: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"]

app = Starlette(
    routes=[
        Route("/work/{number:int}", work),
        Route("/status/{status:int}", answer_with, methods=METHODS),
        Route("/pid", pid),
        Mount("/t/{tenant}", routes=[Route("/items/{item}", pid)]),
    ]
)
app.add_middleware(PerfkitMiddleware, service=os.environ.get("PROOF_SERVICE", "proof"))

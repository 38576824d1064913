"""An app whose endpoints block the loop for as long as they are told, and say how long they really did."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import FastAPI, Request

from perfkit_asgi import PerfkitMiddleware

app = FastAPI()


@app.get("/block/{milliseconds}")
async def block(milliseconds: int) -> dict[str, float]:
    began = time.monotonic()
    time.sleep(milliseconds / 1000)  # noqa: ASYNC251 - the line that the reports must name
    return {"seconds": time.monotonic() - began}


@app.get("/wait/{milliseconds}")
async def wait(milliseconds: int) -> dict[str, int]:
    await asyncio.sleep(milliseconds / 1000)
    return {"waited": milliseconds}


@app.get("/blocked")
async def blocked(request: Request) -> list[dict[str, Any]]:
    """Return what is known in the worker that answers, of all workers."""
    return [
        {
            "site": each.site,
            "function": each.function,
            "count": each.count,
            "longest": each.longest,
            "workers": each.workers,
            "code": each.last.code,
            "route": each.last.route,
            "victims": [victim.route for victim in each.last.victims],
        }
        for each in request.state.perfkit.performance.blocked_loops()
    ]


app.add_middleware(PerfkitMiddleware, environment="testing")

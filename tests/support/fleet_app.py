"""The app that the fleets serve: small, with perfkit added in one line."""

from __future__ import annotations

import os

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from perfkit_asgi import PerfkitMiddleware

app = FastAPI(openapi_url=None)


@app.get("/items/{item_id}")
async def read_item(item_id: str) -> PlainTextResponse:
    return PlainTextResponse(item_id)


@app.get("/pid")
async def pid() -> PlainTextResponse:
    return PlainTextResponse(str(os.getpid()))


app.add_middleware(PerfkitMiddleware, service=os.environ.get("FLEET_SERVICE", "fleet"))

"""The applications under measurement and the way requests reach them: ASGI calls in one event loop, without a server.

Both applications have the same four routes, three of them with a path parameter, and answer small JSON bodies. Each
handler calls `touch` once, which does nothing unless a contestant wants work inside the request (spans).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

__all__ = ["Driver", "fastapi_app", "scopes", "starlette_app"]

Scope = dict[str, Any]
Touch = Callable[[], None]


def _nothing() -> None:
    return None


def starlette_app(touch: Touch = _nothing) -> Any:
    """Return the application in Starlette."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def home(request: Request) -> JSONResponse:
        touch()
        return JSONResponse({"name": "shop"})

    async def item(request: Request) -> JSONResponse:
        touch()
        return JSONResponse({"id": request.path_params["item_id"], "price": 12.5})

    async def orders(request: Request) -> JSONResponse:
        touch()
        return JSONResponse({"user": request.path_params["user_id"], "orders": [1, 2, 3]})

    async def add(request: Request) -> JSONResponse:
        touch()
        return JSONResponse({"cart": request.path_params["cart_id"]}, status_code=201)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/items/{item_id}", item),
            Route("/users/{user_id}/orders", orders),
            Route("/carts/{cart_id}/lines", add, methods=["POST"]),
        ]
    )


def fastapi_app(touch: Touch = _nothing, **settings: Any) -> Any:
    """Return the application in FastAPI."""
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None, **settings)

    @app.get("/")
    async def home() -> dict[str, Any]:
        touch()
        return {"name": "shop"}

    @app.get("/items/{item_id}")
    async def item(item_id: str) -> dict[str, Any]:
        touch()
        return {"id": item_id, "price": 12.5}

    @app.get("/users/{user_id}/orders")
    async def orders(user_id: str) -> dict[str, Any]:
        touch()
        return {"user": user_id, "orders": [1, 2, 3]}

    @app.post("/carts/{cart_id}/lines", status_code=201)
    async def add(cart_id: str) -> dict[str, Any]:
        touch()
        return {"cart": cart_id}

    return app


def scopes(count: int = 200) -> list[Scope]:
    """Return *count* requests as a server would announce them: half of them items, every tenth a POST."""
    return [_scope(*_kind(number)) for number in range(count)]


def _kind(number: int) -> tuple[str, str]:
    last = number % 10
    if last < 5:
        return "GET", f"/items/{number}"
    if last < 8:
        return "GET", f"/users/{number}/orders"
    return ("GET", "/") if last == 8 else ("POST", f"/carts/{number}/lines")


def _scope(method: str, path: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 40000),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"shop.example"),
            (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64)"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"connection", b"keep-alive"),
        ],
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    return None


class Driver:
    """Calls one application in an event loop of the calling thread, through its whole life.

    A request is one awaited call of the application with a fresh copy of its scope: no server, no socket, no task. So
    what is measured is the application and its layers, nothing else.
    """

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Start *app* by its lifespan and see that it answers every request rightly."""
        self._app, self._loop = app, loop
        self._scopes = scopes()
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._state: dict[str, Any] = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        self._life = loop.create_task(app(scope, self._inbox.get, self._outbox.put))
        self._loop.run_until_complete(self._pass("startup"))
        self._loop.run_until_complete(self._check())
        self.calls = len(self._scopes)

    def run(self, count: int) -> None:
        """Make *count* requests."""
        self._loop.run_until_complete(self._requests(count))
        self.calls += count

    def close(self) -> None:
        """End the application by its lifespan."""
        self._loop.run_until_complete(self._pass("shutdown"))
        self._loop.run_until_complete(self._life)

    async def _requests(self, count: int) -> None:
        app, receive, send, state = self._app, _receive, _send, self._state
        for known in islice(cycle(self._scopes), count):
            scope = known.copy()
            scope["state"] = state.copy()
            await app(scope, receive, send)

    async def _pass(self, phase: str) -> None:
        await self._inbox.put({"type": f"lifespan.{phase}"})
        answer = await asyncio.wait_for(self._outbox.get(), 30)
        if answer["type"] != f"lifespan.{phase}.complete":
            raise RuntimeError(f"The application answered {answer} to lifespan.{phase}. It must complete the {phase}.")

    async def _check(self) -> None:
        for scope in self._scopes:
            messages: list[Any] = []

            async def send(message: Any, messages: list[Any] = messages) -> None:
                messages.append(message)

            await self._app({**scope, "state": self._state.copy()}, _receive, send)
            status = messages[0]["status"]
            if status != (201 if scope["method"] == "POST" else 200) or not messages[-1]["body"].startswith(b"{"):
                raise RuntimeError(f"{scope['method']} {scope['path']} was answered with {messages}.")

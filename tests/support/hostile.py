"""Requests of somebody who wants perfkit to grow: random paths, methods, headers, hosts, peers, tokens, in process.

`Attack` drives an app without a server, so that a million requests take minutes; nothing is sent anywhere.
"""

from __future__ import annotations

import asyncio
import gc
import random
import string
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from perfkit.core.names import ERRORS, REQUEST_DURATION
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock
from perfkit_asgi import PerfkitMiddleware

__all__ = ["Attack", "Expected", "assert_bounded", "attacked", "bare_app", "pass_second", "resident", "slope"]

KNOWN = ("GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY")
OURS = (
    "/metrics",
    "/health",
    "/health/live",
    "/health/ready",
    "/perfkit",
    "/perfkit/",
    "/perfkit/api/overview",
    "/perfkit/static/",
)
STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503)
LETTERS = string.ascii_letters + string.digits + "-._~%/?&=+;:@!$'()*, \x00\x7f\u00e9\u2603\U0001f4a3"


MOST_SERIES = 1_200
"""Methods times routes times statuses times schemes that the attacked app can show; each of them is its own choice."""


class Expected(Exception):
    """What the attacked app raises itself."""


async def item(request: Request) -> Response:
    return PlainTextResponse("item")


async def status(request: Request) -> Response:
    return PlainTextResponse("", status_code=STATUSES[hash(request.path_params["what"]) % len(STATUSES)])


async def boom(request: Request) -> Response:
    raise Expected(request.path_params["what"])


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamingResponse(chunks())


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def bare_app() -> Starlette:
    """Return an app with routes, mounts and a WebSocket."""
    everything = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY"]
    return Starlette(
        routes=[
            Route("/items/{item}", item),
            Route("/status/{what:path}", status, methods=everything),
            Route("/boom/{what:path}", boom, methods=everything),
            Route("/stream/{what}", stream),
            Mount("/t/{tenant}", routes=[Route("/items/{item}", item), Route("/status/{what}", status)]),
            WebSocketRoute("/talk/{what}", talk),
        ]
    )


def attacked_app(directory: Path | None) -> tuple[Starlette, PerformanceSystem, FakeClock]:
    """Return the same app under perfkit, its system and its clock; the store in memory or in *directory*.

    Its time stands still until `pass_second`, so that what grows with time (the history) does so as told.
    """
    app, clock = bare_app(), FakeClock()
    store = {"mode": "memory"} if directory is None else {"directory": str(directory)}
    system = PerformanceSystem({"service": "attacked", "store": store}, environment="production", clock=clock)
    app.add_middleware(PerfkitMiddleware, system=system)
    return app, system, clock


@contextmanager
def attacked(directory: Path | None) -> Iterator[tuple[Starlette, PerformanceSystem, FakeClock]]:
    """Give `attacked_app`; its system is stopped at the end."""
    app, system, clock = attacked_app(directory)
    try:
        yield app, system, clock
    finally:
        system.stop()


def assert_bounded(app: Starlette, system: PerformanceSystem, attack: Attack) -> None:
    """All that *attack* sent was counted, without an error, and left no more behind than the app's own choices."""
    families = {family.definition.name: family for family in system.store.families()}
    requests, life = families[REQUEST_DURATION.name].points, perfkit_of(app)._life
    assert attack.raised == []
    assert ERRORS.name not in families
    assert sum(point.value.count for point in requests) == attack.measured > 0.9 * attack.sent
    assert 100 < len(requests) < MOST_SERIES
    assert system.store.in_flight() == 0
    assert len(life.instrumentation.rows) <= 1.25 * len(requests)
    held = life.instrumentation._held
    assert held.keys() <= life.instrumentation.rows.keys()
    assert len({id(each) for objects in held.values() for each in objects}) < 20
    assert len(life.routes._places) < 20


def pass_second(system: PerformanceSystem, clock: FakeClock) -> None:
    """Let a second pass, and do what the scheduler does each second."""
    clock.advance(1.0)
    for job in (system.store, system.performance, system.health):
        job.tick(clock.monotonic())


def perfkit_of(app: Starlette) -> PerfkitMiddleware:
    """Return the middleware that lies around *app*; made with the first request."""
    found: Any = app.middleware_stack
    while not isinstance(found, PerfkitMiddleware):
        found = found.app
    return found


class Attack:
    """A stream of hostile requests against one app.

    Attributes:
        answers: Statuses that came back, how often.
        measured: Requests that perfkit had to count: all but those that it answered itself.
        sent: Requests and connections, measured or not.
        raised: Errors that reached the server and that *bare* alone does not raise.
    """

    def __init__(self, app: Any, bare: Any, *, seed: int) -> None:
        """Attack *app*, which is *bare* under perfkit; the same *seed* gives the same requests."""
        self._app, self._bare = app, bare
        self._chance = random.Random(seed)
        self.answers: Counter[int] = Counter()
        self.measured = 0
        self.sent = self.sockets = 0
        self.raised: list[BaseException] = []

    async def run(self, total: int) -> None:
        """Send *total* requests, one after the other; end early when errors come out, as one tells enough."""
        for _ in range(total):
            if len(self.raised) > 5:
                return
            self.sent += 1
            if self._chance.random() < 0.01:
                await self._socket()
            else:
                await self._exchange()

    async def _exchange(self) -> None:
        scope, statuses = self._scope(), []
        is_gone = self._chance.random() < 0.02

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"type": "http.disconnect"} if is_gone else {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        given = dict(scope, state={})
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            await self._compare(error, given, receive)
        self.measured += "perfkit" in scope
        if len(statuses) == 1:
            self.answers[statuses[0]] += 1
        else:
            self.raised.append(AssertionError(f"{len(statuses)} answers to {scope['path']!r}"))

    async def _compare(self, error: Exception, scope: dict[str, Any], receive: Any) -> None:
        """Keep *error* unless the bare app raises the same."""

        async def send(message: dict[str, Any]) -> None:
            pass

        try:
            await self._bare(scope, receive, send)
        except Exception as own:
            if type(own) is type(error) and str(own) == str(error):
                return
        self.raised.append(error)

    async def _socket(self) -> None:
        scope = {**self._scope(), "type": "websocket", "scheme": "ws", "subprotocols": []}
        scope["path"] = f"/talk/{self._word()}" if self._chance.random() < 0.5 else f"/{self._word()}"

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            pass

        self.sockets += 1
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            self.raised.append(error)

    def _word(self) -> str:
        chance = self._chance
        longest = 2_000 if chance.random() < 0.002 else 30
        return "".join(chance.choices(LETTERS, k=chance.randint(1, longest)))

    def _path(self) -> str:
        kind = self._chance.random()
        if kind < 0.45:
            return f"/{self._word()}"
        if kind < 0.50:
            return self._chance.choice(OURS) + (self._word() if self._chance.random() < 0.5 else "")
        if kind < 0.55:
            return f"/boom/{self._word()}"
        if kind < 0.70:
            return f"/items/{self._word()}"
        if kind < 0.80:
            return f"/status/{self._word()}"
        if kind < 0.85:
            return f"/stream/{self._word()}"
        return f"/t/{self._word()}/{self._chance.choice(('items', 'status', 'nothing'))}/{self._word()}"

    def _scope(self) -> dict[str, Any]:
        chance, path = self._chance, self._path()
        headers = [(b"host", self._word().encode("utf-8", "replace"))]
        headers += [(f"x-{self._word()}".encode(), self._word().encode()) for _ in range(chance.randint(0, 3))]
        if chance.random() < 0.1:
            name = chance.choice((b"authorization", b"cookie", b"accept", b"x-forwarded-for", b"transfer-encoding"))
            headers.append((name, chance.choice(("Bearer ", "Basic ", "perfkit-1=", "")).encode() + headers[0][1]))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": chance.choice(KNOWN) if chance.random() < 0.8 else self._word(),
            "scheme": chance.choice(("http", "https")) if chance.random() < 0.95 else self._word(),
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": f"t={self._word()}&name[]={self._word()}".encode() if chance.random() < 0.3 else b"",
            "root_path": f"/{self._word()}" if chance.random() < 0.02 else "",
            "headers": headers,
            "client": (f"{chance.randint(1, 223)}.{chance.randint(0, 255)}.0.{chance.randint(0, 255)}", 5),
            "server": ("127.0.0.1", 80),
            "state": {},
        }


def resident() -> int:
    """Return the resident bytes of this process, after a collection of garbage."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def slope(points: list[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of *points* (Theil and Sen): a single jump does not move it."""
    slopes = [
        (y2 - y1) / (x2 - x1) for index, (x1, y1) in enumerate(points) for x2, y2 in points[index + 1 :] if x2 != x1
    ]
    return sorted(slopes)[len(slopes) // 2]

"""Where the interpreter runs threads truly at once, hot paths count under the lock, and count the same."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from perfkit.store import exchanges
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware as WSGIPerfkit


class WatchedLock:
    """A lock that counts how often it was held."""

    def __init__(self) -> None:
        self.lock, self.times = threading.Lock(), 0

    def __enter__(self) -> None:
        self.lock.acquire()
        self.times += 1

    def __exit__(self, *error: object) -> None:
        self.lock.release()


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem(environment="testing")
    yield system
    system.stop()


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> WatchedLock:
    lock = WatchedLock()
    monkeypatch.setattr(exchanges, "UPDATE_LOCK", lock)
    for adapter in ("perfkit_asgi", "perfkit_wsgi", "perfkit_flask"):
        monkeypatch.setattr(f"{adapter}.middleware.IS_LOCKED", True)
    monkeypatch.setattr("perfkit.http.instrumentation.IS_LOCKED", True)
    return lock


def starlette_app(system: PerformanceSystem) -> Any:
    async def hello(request: Any) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/hello", hello)])
    app.add_middleware(PerfkitMiddleware, system=system)
    client = TestClient(app)
    return lambda: client.get("/hello")


def wsgi_app(system: PerformanceSystem) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"hello"]

    wrapped = WSGIPerfkit(app, system=system)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/hello", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO()}
    return lambda: wrapped(dict(environ), lambda *_: None)


def flask_app(system: PerformanceSystem) -> Any:
    app = Flask(__name__)
    app.add_url_rule("/hello", "hello", lambda: "hello")
    Perfkit(app, system=system)
    return lambda: app.test_client().get("/hello")


@pytest.mark.parametrize("make", [starlette_app, wsgi_app, flask_app])
def test_an_exchange_is_counted_once_and_under_the_lock(
    make: Any, system: PerformanceSystem, lock: WatchedLock
) -> None:
    call = make(system)
    for _ in range(5):
        call()
    assert lock.times == 10, "each begins and ends under it"
    (one,) = recorded(system)
    assert (one.count, one.status) == (5, "200")
    assert system.store.in_flight() == 0

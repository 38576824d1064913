"""One small app behind every adapter, with perfkit and bare, asked in process; and the table of perfkit's own paths."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import django_driver
import wsgi_driver
from asgi_driver import exchange, scope_of
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django_site import MIDDLEWARE, configured
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Answer
from perfkit_asgi import PerfkitMiddleware as ASGIMiddleware
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware as WSGIMiddleware

__all__ = ["ADAPTERS", "FORM", "Ask", "Door", "opened", "public_paths", "table"]

FORM = "application/x-www-form-urlencoded"
OUTSIDE = "203.0.113.9"

Ask = Callable[..., Answer]
"""``ask(method, path, headers=…, body=…, peer=…)``."""


class Door(NamedTuple):
    """One app.

    Attributes:
        ask: Sends a request to it with perfkit around it.
        ask_bare: Sends one to the same app without perfkit.
        own: What that has answered, by request.
    """

    ask: Ask
    ask_bare: Ask
    own: dict[object, Answer]

    def is_own(self, answer: Answer, method: str, path: str, headers: dict[str, str] | None = None) -> bool:
        """Return whether *answer* is, byte for byte, what the app says to the same request without perfkit."""
        key = (method, path, *sorted((headers or {}).items()))
        if key not in self.own:
            self.own[key] = self.ask_bare(method, path, headers)
        own = self.own[key]
        return (answer.status, answer.headers, answer.body) == (own.status, own.headers, own.body)


def table(system: PerformanceSystem) -> dict[str, tuple[str, ...]]:
    """Return every path that perfkit answers in *system*, with its methods: the very table that answers."""
    return {path: route.methods for path, route in Routes(Front(system))._table.items()}


def public_paths(system: PerformanceSystem) -> set[str]:
    return {path for path, route in Routes(Front(system))._table.items() if route.is_public}


@contextmanager
def opened(adapter: str, system: PerformanceSystem) -> Iterator[Door]:
    """Give the app behind *adapter*, perfkit's part of it being *system*."""
    yield from ADAPTERS[adapter](system)


def _of_asgi(app: Any, bare: Any) -> Iterator[Door]:
    def asker(asked: Any) -> Ask:
        def ask(
            method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", peer: str | None = OUTSIDE
        ) -> Answer:
            scope = scope_of(method, path, headers=headers)
            scope["client"] = (peer, 50000) if peer else None
            return asyncio.run(exchange(asked, scope, body))

        return ask

    yield Door(asker(app), asker(bare), {})


def _starlette(system: PerformanceSystem) -> Iterator[Door]:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    def make() -> Starlette:
        return Starlette(routes=[Route("/hello", hello)])

    app = make()
    app.add_middleware(ASGIMiddleware, system=system)
    yield from _of_asgi(app, make())


def _fastapi(system: PerformanceSystem) -> Iterator[Door]:
    def make() -> FastAPI:
        app = FastAPI()
        app.add_api_route("/hello", lambda: "hello")
        return app

    app = make()
    app.add_middleware(ASGIMiddleware, system=system)
    yield from _of_asgi(app, make())


def _environ(method: str, path: str, headers: dict[str, str] | None, body: bytes, peer: str | None) -> dict[str, Any]:
    given = {name.lower(): value for name, value in (headers or {}).items()}
    kind = given.pop("content-type", "")
    given.pop("content-length", None)
    environ = wsgi_driver.environ_of(method, path, body=body, headers=given)
    return {**environ, "CONTENT_TYPE": kind, "REMOTE_ADDR": peer or ""}


def _of_wsgi(
    app: Any, bare: Any, send: Callable[[Any, dict[str, Any]], Answer] = wsgi_driver.exchange
) -> Iterator[Door]:
    def asker(asked: Any) -> Ask:
        def ask(
            method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", peer: str | None = OUTSIDE
        ) -> Answer:
            return send(asked, _environ(method, path, headers, body, peer))

        return ask

    yield Door(asker(app), asker(bare), {})


def _wsgi(system: PerformanceSystem) -> Iterator[Door]:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        is_known = environ["PATH_INFO"] == "/hello"
        start_response("200 OK" if is_known else "404 Not Found", [("Content-Type", "text/plain")])
        return [b"hello" if is_known else b"nothing here"]

    yield from _of_wsgi(WSGIMiddleware(app, system=system), app)


def _flask(system: PerformanceSystem) -> Iterator[Door]:
    def make() -> Flask:
        app = Flask("door")
        app.add_url_rule("/hello", view_func=lambda: "hello", endpoint="hello")
        return app

    app = make()
    Perfkit(app, system=system)
    yield from _of_wsgi(app, make())


def _django(system: PerformanceSystem) -> Iterator[Door]:
    with configured(MIDDLEWARE=MIDDLEWARE[1:]):
        bare = WSGIHandler()
    with configured(PERFKIT=system):
        yield from _of_wsgi(WSGIHandler(), bare, django_driver.call)


def _django_async(system: PerformanceSystem) -> Iterator[Door]:
    with configured(MIDDLEWARE=MIDDLEWARE[1:]):
        bare = ASGIHandler()
    with configured(PERFKIT=system):

        def asker(asked: Any) -> Ask:
            def ask(
                method: str,
                path: str,
                headers: dict[str, str] | None = None,
                body: bytes = b"",
                peer: str | None = OUTSIDE,
            ) -> Answer:
                scope = scope_of(method, path, headers=headers)
                scope["client"] = (peer, 50000) if peer else None
                return asyncio.run(django_driver.acall(asked, scope, body))

            return ask

        yield Door(asker(ASGIHandler()), asker(bare), {})


ADAPTERS: dict[str, Callable[[PerformanceSystem], Iterator[Door]]] = {
    "starlette": _starlette,
    "fastapi": _fastapi,
    "wsgi": _wsgi,
    "flask": _flask,
    "django": _django,
    "django-async": _django_async,
}

"""The response cache in front of real apps of each framework."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import django_site  # noqa: F401 - configures Django
import pytest
from asgi_driver import exchange as asgi_exchange
from asgi_driver import scope_of
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path as django_path
from django.views.decorators.csrf import csrf_exempt
from django_driver import acall, call
from django_driver import environ_of as django_environ_of
from django_site import configured
from fastapi import FastAPI
from flask import Flask
from flask import Response as FlaskResponse
from flask import request as flask_request
from http_cache_kit import HttpCacheKit, Origin
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from wsgi_driver import environ_of, exchange

import perfkit_flask.middleware
import perfkit_wsgi.caching
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Answer
from perfkit_asgi import PerfkitMiddleware as ASGIMiddleware
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware as WSGIMiddleware

METHODS = ["GET", "POST", "PUT", "DELETE"]


async def pieces(given: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece
        await asyncio.sleep(0.001)


class ASGICacheKit(HttpCacheKit):
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
        headers: dict[str, str] | None = None,
        root_path: str = "",
        leave_after: int | None = None,
    ) -> Answer:
        async def run() -> Answer:
            answer = await self.one_exchange(
                app, scope_of(method, path, headers=headers, root_path=root_path), leave_after
            )
            await asyncio.sleep(0)
            return answer

        return self.runner.run(run())

    async def one_exchange(self, app: Any, scope: dict[str, Any], leave_after: int | None) -> Answer:
        return await asgi_exchange(app, scope, leave_after=leave_after)

    def at_once(self, ask: Any, count: int) -> list[bytes]:
        app = ask.__closure__[0].cell_contents

        async def run() -> list[Answer]:
            return await asyncio.gather(
                *(self.one_exchange(app, scope_of("GET", "/o/slow"), None) for _ in range(count))
            )

        return [answer.body for answer in self.runner.run(run())]


async def starlette_answer(origin: Origin, name: str, request: Request) -> Response:
    status, headers, body = origin.respond(name, request.headers)
    if name == "slow":
        await asyncio.sleep(0.1)
    if callable(body):
        return StreamingResponse(pieces(body()), status, headers)
    return Response(body, status, headers)


class TestStarlette(ASGICacheKit):
    def make_app(self, system: PerformanceSystem, origin: Origin) -> Any:
        async def answer(request: Request) -> Response:
            return await starlette_answer(origin, request.path_params["name"], request)

        async def other(request: Request) -> Response:
            return await starlette_answer(origin, "other", request)

        routes = [
            Route("/o/other", other),
            Route("/o/{name}", answer, methods=METHODS),
            Route("/free/{name}", answer),
        ]
        app = Starlette(routes=routes)
        app.add_middleware(ASGIMiddleware, system=system)
        return app


class TestFastAPI(ASGICacheKit):
    def make_app(self, system: PerformanceSystem, origin: Origin) -> Any:
        app = FastAPI()

        @app.get("/o/other")
        async def other(request: Request) -> Response:
            return await starlette_answer(origin, "other", request)

        @app.get("/free/{name}")
        @app.api_route("/o/{name}", methods=[*METHODS, "HEAD"])
        async def answer(name: str, request: Request) -> Response:
            return await starlette_answer(origin, name, request)

        app.add_middleware(ASGIMiddleware, system=system)
        return app


class TestPlainASGI(ASGICacheKit):
    has_routes = False

    def make_app(self, system: PerformanceSystem, origin: Origin) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            request = Request(scope, receive)
            await (await starlette_answer(origin, scope["path"].rpartition("/")[2], request))(scope, receive, send)

        return ASGIMiddleware(app, system=system)


class WSGICacheKit(HttpCacheKit):
    def exchange(
        self,
        app: Any,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        root_path: str = "",
        leave_after: int | None = None,
    ) -> Answer:
        return exchange(app, environ_of(method, path, headers=headers, root_path=root_path), leave_after)

    def test_who_comes_while_the_cache_is_put_around_the_app_waits_for_it(
        self, ask: Callable[..., Answer], origin: Origin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.overtake(perfkit_wsgi.caching, "CachedApp", ask, monkeypatch)
        assert origin.calls["slow"] == 1

    def overtake(self, place: Any, name: str, ask: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
        """Ask a second time while the first request is at *name* of *place*, and is held up there."""
        begun, taken = threading.Event(), getattr(place, name)

        def slowly(*given: Any) -> Any:
            begun.set()
            time.sleep(0.5)  # who does not wait is with the app by then
            return taken(*given)

        monkeypatch.setattr(place, name, slowly)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(ask, "/o/slow")
            assert begun.wait(20.0)
            second = pool.submit(ask, "/o/slow")
            assert {first.result(60.0).body, second.result(60.0).body} == {b"slow 1"}


def headers_of(environ: dict[str, Any]) -> dict[str, str]:
    return {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}


class TestPlainWSGI(WSGICacheKit):
    has_routes = False

    def make_app(self, system: PerformanceSystem, origin: Origin) -> Any:
        def app(environ: dict[str, Any], start_response: Any) -> Any:
            name = environ["PATH_INFO"].rpartition("/")[2]
            status, headers, body = origin.respond(name, headers_of(environ))
            if name == "slow":
                time.sleep(0.1)
            if not callable(body):
                headers.setdefault("Content-Length", str(len(body)))
            start_response(f"{status} Said", list(headers.items()))
            if environ["REQUEST_METHOD"] == "HEAD":
                return []
            return body() if callable(body) else [body]

        return WSGIMiddleware(app, system=system)


class TestFlask(WSGICacheKit):
    def route(self, template: str) -> str:
        return template.replace("{", "<").replace("}", ">")

    def make_app(self, system: PerformanceSystem, origin: Origin) -> Any:
        app = Flask("kept")

        @app.route("/o/other")
        def other() -> FlaskResponse:
            return answer("other")

        @app.route("/free/<name>")
        @app.route("/o/<name>", methods=METHODS)
        def answer(name: str) -> FlaskResponse:
            headers = {key.lower(): value for key, value in flask_request.headers.items()}
            status, given, body = origin.respond(name, headers)
            if name == "slow":
                time.sleep(0.1)
            return FlaskResponse(body() if callable(body) else body, status, given)

        Perfkit(app, system=system)
        return app

    def test_who_comes_before_flask_itself_is_surrounded_waits_too(
        self, ask: Callable[..., Answer], origin: Origin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.overtake(perfkit_flask.middleware, "finder", ask, monkeypatch)
        assert origin.calls["slow"] == 1


def django_given(origin: Origin, request: Any, name: str) -> Any:
    return origin.respond(name, {key.lower(): value for key, value in request.headers.items()})


def django_response(status: int, headers: dict[str, str], body: Any) -> Any:
    cookie = headers.pop("Set-Cookie", None)
    made = StreamingHttpResponse(body()) if callable(body) else HttpResponse(body)
    made.status_code = status
    for key, value in headers.items():
        made[key] = value
    if cookie is not None:
        made.set_cookie(*cookie.split("="))
    return made


class DjangoCacheKit(HttpCacheKit):
    raises_through = False
    keeps_streams = False

    @pytest.fixture(autouse=True)
    def settings(self) -> Iterator[None]:
        with ExitStack() as self.settings_in_force:
            yield

    def route(self, template: str) -> str:
        return template.replace("{name}", "<str:name>")

    def views(self, origin: Origin) -> Any:
        def answer(request: Any, name: str = "other") -> Any:
            given = django_given(origin, request, name)
            if name == "slow":
                time.sleep(0.1)
            return django_response(*given)

        return answer

    handler: Any

    def make_app(self, system: PerformanceSystem, origin: Origin) -> Any:
        view = csrf_exempt(self.views(origin))
        urls = (
            django_path("o/other", view),
            django_path("o/<str:name>", view),
            django_path("free/<str:name>", view),
        )
        middlewares = [
            "perfkit_django.PerfkitMiddleware",
            "django.middleware.common.CommonMiddleware",
        ]
        self.settings_in_force.enter_context(configured(PERFKIT=system, ROOT_URLCONF=urls, MIDDLEWARE=middlewares))
        return self.handler()


class TestDjangoSync(DjangoCacheKit):
    handler = WSGIHandler

    def exchange(
        self,
        app: Any,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        root_path: str = "",
        leave_after: int | None = None,
    ) -> Answer:
        return call(app, django_environ_of(method, path, headers=headers, root_path=root_path), leave_after=leave_after)


class TestDjangoAsync(DjangoCacheKit, ASGICacheKit):
    handler = ASGIHandler

    def exchange(self, *arguments: Any, **more: Any) -> Answer:
        """Of a stream that breaks, Django leaves the file of the request's body open, with or without a cache."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            return super().exchange(*arguments, **more)

    async def one_exchange(self, app: Any, scope: dict[str, Any], leave_after: int | None) -> Answer:
        answer = await acall(app, scope, leave_after=leave_after)
        answer.headers = {name.lower(): value for name, value in answer.headers.items()}
        return answer

    def views(self, origin: Origin) -> Any:
        async def answer(request: Any, name: str = "other") -> Any:
            status, headers, body = django_given(origin, request, name)
            if name == "slow":
                await asyncio.sleep(0.1)
            return django_response(status, headers, (lambda: pieces(body())) if callable(body) else body)

        return answer

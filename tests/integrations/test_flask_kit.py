"""The adapter kit on Flask: as an app, as an app factory's, under the validator, with async views, in debug mode."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
from flask import Blueprint, Flask, Response, current_app, request, stream_with_context
from kept_routes import KEPT
from wsgi_driver import environ_of, exchange

from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import AdapterKit, Answer
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware


def chunks(*, breaks: bool = False) -> Iterator[bytes]:
    for chunk in (b"one", b"two", b"three"):
        yield chunk
        if breaks:
            raise ValueError("broken")


def answers() -> Blueprint:
    pages = Blueprint("answers", __name__)

    @pages.get("/hello/<name>")
    def hello(name: str) -> str:
        return f"hello {name}"

    @pages.post("/echo")
    def echo() -> bytes:
        return request.get_data()

    @pages.get("/empty")
    def empty() -> Response:
        response = Response(status=204)
        del response.headers["Content-Type"]  # the validator wants none, Flask would send one
        return response

    @pages.get("/refused")
    def refused() -> tuple[str, int]:
        return "", 403

    @pages.get("/unavailable")
    def unavailable() -> tuple[str, int]:
        return "", 503

    @pages.get("/boom")
    def boom() -> str:
        raise ValueError("boom")

    @pages.get("/stream")
    def stream() -> Response:
        return Response(stream_with_context(chunks()))

    @pages.get("/broken-stream")
    def broken_stream() -> Response:
        return Response(chunks(breaks=True))

    @pages.get("/background")
    def background() -> Response:
        response = Response("done")
        response.call_on_close(AdapterKit.background_work)
        return response

    @pages.get("/state")
    def state() -> str:
        return "yes" if isinstance(current_app.extensions["perfkit"].system, PerformanceSystem) else "no"

    @pages.get("/spans")
    def spans() -> str:
        return str(AdapterKit.add_spans())

    return pages


def items() -> Blueprint:
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__, url_prefix="/items")

    @inner.get("/<item_id>")
    def item(item_id: str, tenant: str = "") -> str:
        return item_id

    outer.register_blueprint(inner)
    return outer


def kit_app() -> Flask:
    app = Flask(__name__)
    app.register_blueprint(answers())
    app.register_blueprint(items(), url_prefix="/v1")
    app.register_blueprint(items(), url_prefix="/t/<tenant>", name="tenants")
    return app


class TestFlask(AdapterKit):
    raises_through = False

    def make_app(self, system: PerformanceSystem) -> Any:
        app = kit_app()
        Perfkit(app, system=system)
        return app

    def exchange(
        self,
        app: Any,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        root_path: str = "",
        leave_after: int | None = None,
    ) -> Answer:
        return exchange(app, environ_of(method, path, body=body, headers=headers, root_path=root_path), leave_after)

    def wrap_again(self, app: Any, system: PerformanceSystem) -> Any:
        return PerfkitMiddleware(app, system=system)

    def route(self, template: str) -> str:
        return re.sub(r"\{(\w+)\}", r"<\1>", template)


class TestFlaskFromAFactory(TestFlask):
    def make_app(self, system: PerformanceSystem) -> Any:
        app = kit_app()
        Perfkit(system=system).init_app(app)
        return app


class TestFlaskThatPropagates(TestFlask):
    """As in debug mode and under test: Flask lets exceptions through, and its request is gone by then."""

    raises_through = True

    def make_app(self, system: PerformanceSystem) -> Any:
        app = super().make_app(system)
        app.testing = True
        return app


class TestFlaskValidated(TestFlask):
    """The same, with `wsgiref.validate` on both sides: what Flask sees and what the server sees is WSGI."""

    pytestmark = pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")

    def make_app(self, system: PerformanceSystem) -> Any:
        app = kit_app()
        app.wsgi_app = validator(app.wsgi_app)  # type: ignore[method-assign]
        Perfkit(app, system=system)
        return app

    def exchange(self, app: Any, method: str, path: str, **given: Any) -> Answer:
        return super().exchange(validator(app), method, path, **given)


class TestFlaskWithAsyncViews(TestFlask):
    def make_app(self, system: PerformanceSystem) -> Any:
        app = super().make_app(system)
        for endpoint, view in app.view_functions.items():
            app.view_functions[endpoint] = app.ensure_sync(in_a_loop(app.ensure_sync(view)))
        return app


def in_a_loop(view: Any) -> Any:
    async def waiting(**arguments: Any) -> Any:
        await asyncio.sleep(0)
        return view(**arguments)

    return waiting


class TestFlaskWithAResponseCache(TestFlask):
    http_cache = KEPT


class TestFlaskThatPropagatesWithAResponseCache(TestFlaskThatPropagates):
    http_cache = KEPT


class TestFlaskValidatedWithAResponseCache(TestFlaskValidated):
    http_cache = KEPT

"""The page of a route names the function that answers it, whatever the framework and however it is decorated."""

from __future__ import annotations

import gc
import json
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from asgi_driver import exchange, scope_of
from django_driver import call, environ_of
from django_site import configured
from fastapi import APIRouter, FastAPI
from flask import Blueprint, Flask
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from perfkit.core.code.handlers import Handlers, site_of_handler
from perfkit.core.errors import ErrorLog
from perfkit.system import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware
from perfkit_flask import Perfkit

HERE = Path(__file__).name


def named(system: PerformanceSystem, method: str, route: str) -> tuple[str, bool]:
    """Return the handler's name without its module, and whether its line lies in this file."""
    found = system.handlers.of(method, route)
    assert found is not None
    return found.function.removeprefix(f"{__name__}."), HERE in found.text


def line_of(function: Any) -> int:
    return int(function.__code__.co_firstlineno)


def noisy(function: Any) -> Any:
    @wraps(function)
    def told(*given: Any, **more: Any) -> Any:
        return function(*given, **more)

    return told


async def listing() -> dict[str, str]:
    return {}


async def creating() -> dict[str, str]:
    return {}


async def text(request: Request) -> Response:
    return PlainTextResponse("text")


class Page(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("page")


@pytest.mark.anyio
async def test_fastapi_tells_endpoints_also_of_included_routers(tmp_path: Path) -> None:
    api = FastAPI()
    router = APIRouter()
    router.get("/items")(listing)
    router.post("/items")(creating)
    api.include_router(router, prefix="/v1")
    api.mount("/files", StaticFiles(directory=tmp_path))
    system = PerformanceSystem(environment="testing")
    await exchange(PerfkitMiddleware(api, system=system), scope_of("GET", "/v1/items"))
    assert named(system, "GET", "/v1/items") == ("listing", True)
    assert named(system, "POST", "/v1/items") == ("creating", True)
    assert named(system, "GET", "/files/{path}") == ("starlette.staticfiles.StaticFiles.__call__", False)
    assert system.handlers.of("GET", "/nowhere") is None
    system.stop()


@pytest.mark.anyio
async def test_starlette_tells_endpoints_below_mounts_and_the_method_of_a_class() -> None:
    inner = Starlette(routes=[Route("/text", partial(text)), Route("/page", Page)])
    outer, system = Starlette(routes=[Mount("/in", inner)]), PerformanceSystem(environment="testing")
    app = PerfkitMiddleware(outer, system=system)
    await exchange(app, scope_of("GET", "/in/text"))
    assert named(system, "GET", "/in/text") == ("text", True)
    assert named(system, "HEAD", "/in/page") == ("Page.get", True)
    del app, outer, inner
    gc.collect()
    assert system.handlers.of("GET", "/in/text") is None, "the app is held by nobody else"
    system.stop()


def test_flask_tells_views_of_blueprints_decorated_ones_and_classes() -> None:
    class Things(MethodView):
        def get(self) -> str:
            return "things"

    part = Blueprint("part", __name__, url_prefix="/part")
    part.add_url_rule("/<int:number>", view_func=noisy(seen_by_flask), endpoint="seen")
    app = Flask(__name__)
    app.register_blueprint(part)
    app.add_url_rule("/things", view_func=Things.as_view("things"))
    system = PerformanceSystem(environment="testing")
    Perfkit(app, system=system)
    assert app.test_client().get("/part/7").status_code == 200
    assert named(system, "GET", "/part/<int:number>") == ("seen_by_flask", True)
    assert named(system, "GET", "/things")[0].endswith("Things.get")
    assert system.handlers.of("POST", "/things") is None, "no rule allows it"
    found = system.handlers.of("GET", "/part/<int:number>")
    assert found is not None
    assert found.text.endswith(f":{line_of(seen_by_flask)}")
    system.stop()


def seen_by_flask(number: int) -> str:
    return str(number)


def test_django_tells_views_by_the_template_that_is_counted() -> None:
    from django.core.handlers.wsgi import WSGIHandler

    system = PerformanceSystem(environment="testing")
    with configured(PERFKIT=system):
        assert call(WSGIHandler(), environ_of("GET", "/hello/ann")).status == 200
        for route in ("/hello/<name>", "/"):
            found = system.handlers.of("GET", route)
            assert found is not None
            assert found.function == "django_pages.hello"
            assert "django_pages.py:" in found.text
        language = system.handlers.of("GET", "/<language>/about/<int:page>/")
        assert language is not None
        assert language.function == "django_pages.language"
        assert system.handlers.of("GET", "/nowhere") is None
    system.stop()


def test_the_page_and_the_document_of_a_route_tell_it() -> None:
    app = Flask(__name__)
    app.add_url_rule("/seen/<int:number>", view_func=seen_by_flask)
    Perfkit(app, environment="development")
    client = app.test_client()
    assert client.get("/seen/7").status_code == 200
    here = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1"}
    page = client.get("/perfkit/route?r=GET+/seen/<int:number>", environ_base=here)
    assert "answered by" in page.text
    assert f"{__name__}.seen_by_flask" in page.text
    told = json.loads(client.get("/perfkit/api/route?r=GET+/seen/<int:number>", environ_base=here).text)["handler"]
    assert told["name"] == f"{__name__}.seen_by_flask"
    assert told["site"].endswith(f"{HERE}:{line_of(seen_by_flask)}")


def test_what_fails_or_is_no_python_function_is_nobody() -> None:
    def broken(method: str, route: str) -> object:
        raise ValueError(route)

    handlers = Handlers(ErrorLog())
    handlers.find_with(broken)
    handlers.find_with(lambda _method, _route: len)
    assert handlers.of("GET", "/") is None

    assert site_of_handler(len, "GET") is None
    assert site_of_handler(object(), "GET") is None

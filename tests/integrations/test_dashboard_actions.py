"""The forms of the dashboard through every adapter: ours are read and done, the bodies of all others reach the app."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from django_site import configured
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from werkzeug.test import Client as WSGIClient
from werkzeug.wrappers import Request as WSGIRequest
from werkzeug.wrappers import Response as WSGIResponse

from perfkit.system import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware as ASGIMiddleware
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware as WSGIMiddleware

TOKEN = "a-token-for-the-actions"
SETTINGS: dict[str, Any] = {"environment": "testing", "access": {"token": TOKEN}}
FORM = "application/x-www-form-urlencoded"

Ask = Callable[[str, str, dict[str, str], bytes], tuple[int, str]]
"""Sends method, path, headers and body; returns status and body, or where a redirect leads."""


def _echo(body: bytes) -> str:
    return f"the app read {len(body)} bytes"


def _of_asgi(system: PerformanceSystem) -> Iterator[Ask]:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(_echo(await request.body()))

    inner = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    app = ASGIMiddleware(inner, system=system)
    with TestClient(app, follow_redirects=False) as client:

        def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
            answer = client.request(method, path, headers=headers, content=body)
            return answer.status_code, answer.headers.get("location", answer.text)

        yield ask


def _of_werkzeug(app: Any) -> Ask:
    client = WSGIClient(app)

    def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        answer = client.open(path, method=method, headers=headers, data=body)
        return answer.status_code, answer.headers.get("location", answer.text)

    return ask


def _of_wsgi(system: PerformanceSystem) -> Iterator[Ask]:
    @WSGIRequest.application
    def app(request: WSGIRequest) -> WSGIResponse:
        return WSGIResponse(_echo(request.get_data()))

    yield _of_werkzeug(WSGIMiddleware(app, system=system))


def _of_flask(system: PerformanceSystem) -> Iterator[Ask]:
    app = Flask("shop")

    @app.route("/<path:path>", methods=["GET", "POST"])
    def echo(path: str) -> str:
        return _echo(request.get_data())

    Perfkit(app, system=system)
    yield _of_werkzeug(app)


def _of_django(system: PerformanceSystem) -> Iterator[Ask]:
    from django.test import Client
    from django.urls import path

    _Urls.urlpatterns = [path("<path:path>", _echo_of_django)]
    with configured(PERFKIT=system, ROOT_URLCONF=_Urls):
        client = Client()

        def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
            kind = headers.get("content-type", "text/plain")
            rest = {name: value for name, value in headers.items() if name not in ("content-type", "content-length")}
            answer: Any = client.generic(method, path, body, content_type=kind, headers=rest)
            return answer.status_code, answer.headers.get("location", answer.content.decode())

        yield ask


class _Urls:
    """The URLs of the Django site."""

    urlpatterns: ClassVar[list[Any]] = []


def _echo_of_django(request: Any, **_: str) -> Any:
    from django.http import HttpResponse

    return HttpResponse(_echo(request.body))


SHELLS = {"asgi": _of_asgi, "wsgi": _of_wsgi, "flask": _of_flask, "django": _of_django}


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(SETTINGS) as system:
        yield system


@pytest.fixture(params=SHELLS)
def ask(request: pytest.FixtureRequest, system: PerformanceSystem) -> Iterator[Ask]:
    yield from SHELLS[request.param](system)


def form(ask: Ask, **fields: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form of our own page."""
    _, page = ask("GET", "/perfkit/actions", {"authorization": f"Bearer {TOKEN}"}, b"")
    token = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert token
    body = urlencode({"token": token[1], **fields}).encode()
    headers = {"content-type": FORM, "content-length": str(len(body)), "sec-fetch-site": "same-origin"}
    return {**headers, "authorization": f"Bearer {TOKEN}"}, body


def test_a_form_of_ours_is_read_and_done(ask: Ask, system: PerformanceSystem) -> None:
    headers, body = form(ask, do="service-drain", back="routes")
    status, location = ask("POST", "/perfkit/act", headers, body)
    assert status == 303
    assert re.fullmatch(r"\./routes\?done=[0-9a-f]{12}", location)
    assert system.health.snapshot().is_draining
    _, page = ask("GET", f"/perfkit/{location.removeprefix('./')}", headers, b"")
    assert "The service says that it is not ready" in page
    _, listed = ask("GET", "/perfkit/api/actions", headers, b"")
    assert '"what":"service-drain"' in listed


def test_the_body_of_a_stranger_reaches_the_app_whole(ask: Ask, system: PerformanceSystem) -> None:
    headers, body = form(ask, do="service-drain")
    del headers["authorization"]
    assert ask("POST", "/perfkit/act", headers, body) == (200, f"the app read {len(body)} bytes")
    assert ask("POST", "/elsewhere", headers, b"x" * 9000)[1] == "the app read 9000 bytes"
    assert not system.health.snapshot().is_draining


def test_a_form_that_is_too_long_is_not_read(ask: Ask, system: PerformanceSystem) -> None:
    headers, body = form(ask, do="service-drain", padding="x" * 9000)
    assert ask("POST", "/perfkit/act", headers, body)[0] == 403
    assert not system.health.snapshot().is_draining

"""What an app tells of its own load: the header on its responses, and the path for probes, whatever the framework."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import django_site  # noqa: F401 - configures Django
import pytest
from asgi_driver import exchange as asgi_exchange
from asgi_driver import scope_of
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path as django_path
from django_driver import acall, call
from django_driver import environ_of as django_environ_of
from django_site import configured
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from wsgi_driver import environ_of, exchange

from perfkit.load_balancer.reports.orca import parse, parse_headers
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Answer
from perfkit_asgi import PerfkitMiddleware as ASGIMiddleware
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware as WSGIMiddleware

HEADER = "endpoint-load-metrics"
TOKEN = "of-those-who-balance"
OWN = "TEXT cpu_utilization=0.5"
Ask = Callable[..., Answer]


def starlette_app(system: PerformanceSystem) -> Ask:
    routes = [
        Route("/page", lambda request: PlainTextResponse("page")),
        Route("/own", lambda request: PlainTextResponse("own", headers={HEADER: OWN})),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(ASGIMiddleware, system=system)
    return lambda path, **headers: asyncio.run(asgi_exchange(app, scope_of("GET", path, headers=headers)))


def wsgi_app(system: PerformanceSystem) -> Ask:
    def answer(environ: Any, start_response: Any) -> list[bytes]:
        own = [(HEADER.title(), OWN)] if environ["PATH_INFO"] == "/own" else []
        start_response("404 Not Found" if environ["PATH_INFO"] == "/load" else "200 OK", own)
        return [environ["PATH_INFO"][1:].encode()]

    app = WSGIMiddleware(answer, system=system)
    return lambda path, **headers: exchange(app, environ_of("GET", path, headers=headers))


def flask_app(system: PerformanceSystem) -> Ask:
    app = Flask(__name__)
    app.add_url_rule("/page", "page", lambda: "page")
    app.add_url_rule("/own", "own", lambda: ("own", {HEADER: OWN}))
    Perfkit(app, system=system)
    return lambda path, **headers: exchange(app, environ_of("GET", path, headers=headers))


class Urls:
    """The URLs of the Django site."""

    urlpatterns = (
        django_path("page", lambda request: HttpResponse("page")),
        django_path("own", lambda request: HttpResponse("own", headers={HEADER: OWN})),
    )


def django_app(system: PerformanceSystem) -> Ask:
    app = WSGIHandler()
    return lambda path, **headers: call(app, django_environ_of("GET", path, headers=headers))


def async_django_app(system: PerformanceSystem) -> Ask:
    app = ASGIHandler()
    return lambda path, **headers: asyncio.run(acall(app, scope_of("GET", path, headers=headers)))


APPS = [starlette_app, wsgi_app, flask_app, django_app, async_django_app]


@pytest.fixture(params=APPS, ids=lambda make: make.__name__)
def asked(request: pytest.FixtureRequest) -> Iterator[Callable[..., Ask]]:
    """Makes an app with settings of the balancer and of our paths."""
    systems: list[PerformanceSystem] = []
    contexts: list[Any] = []

    def make(form: str = "off", **settings: Any) -> Ask:
        sections = {"load_balancer": {"report_header": form}, "access": {"token": TOKEN}, **settings}
        system = PerformanceSystem(sections, environment="testing")
        systems.append(system)
        if "django" in request.param.__name__:
            contexts.append(configured(PERFKIT=system, ROOT_URLCONF=Urls))
            contexts[-1].__enter__()
        ask: Ask = request.param(system)
        return ask

    yield make
    for context in contexts:
        context.__exit__(None, None, None)
    for system in systems:
        system.stop()


def told(answer: Answer) -> dict[str, str]:
    return {name.lower(): value for name, value in dict(answer.headers).items() if name.lower() == HEADER}


@pytest.mark.parametrize(("form", "begin"), [("text", "TEXT "), ("json", "JSON ")])
def test_each_response_tells_the_load_in_the_form_that_is_wanted(
    asked: Callable[..., Ask], form: str, begin: str
) -> None:
    ask = asked(form)
    for _ in range(3):
        answer = ask("/page")
        assert (answer.status, answer.body) == (200, b"page")
        assert told(answer)[HEADER].startswith(begin)
        report = parse_headers(told(answer))
        assert report is not None
        assert report.in_flight is not None


def test_nothing_is_told_unless_it_is_wanted(asked: Callable[..., Ask]) -> None:
    ask = asked()
    assert told(ask("/page")) == {}
    assert ask("/load", authorization=f"Bearer {TOKEN}").status == 404


def test_a_report_of_the_app_s_own_stays_alone(asked: Callable[..., Ask]) -> None:
    assert told(asked("text")("/own")) == {HEADER: OWN}


def test_a_response_out_of_the_cache_tells_the_load_once(asked: Callable[..., Ask]) -> None:
    ask = asked("text", cache={"http_cache": {"GET /page": 30}})
    ask("/page")
    answer = ask("/page")
    found = [value for name, value in answer.headers.items() if name.lower() == HEADER]
    assert "hit" in str(dict(answer.headers))
    assert len(found) == 1
    assert parse(found[0]) is not None


def test_a_probe_with_the_token_gets_the_load_and_a_stranger_the_app_s_own_404(asked: Callable[..., Ask]) -> None:
    ask = asked(http={"load_path": "/load"})
    answer = ask("/load", authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    report = parse(answer.body)
    assert report is not None
    assert report.in_flight == 0.0
    assert ask("/load").status == 404

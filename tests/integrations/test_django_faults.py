"""perfkit failing inside, at each place where it touches an exchange of Django: the site must not notice."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_driver import scope_of
from asgi_peer import internal_errors
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django_driver import acall, call, environ_of
from django_site import MIDDLEWARE, configured

from perfkit.core.spans import expect_spans
from perfkit.http.attachment import RETRY_AFTER
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Answer, recorded

REQUEST_HOOKS = {
    "the store cannot be opened": "perfkit.store.Store.open",
    "the system cannot start": "perfkit.system.PerformanceSystem.start",
    "begin fails": "perfkit_django.middleware.set_exchange",
    "record fails": "perfkit_django.middleware.bisect_left",
    "record fails the first time": "perfkit.http.instrumentation.bisect_left",
    "learn fails": "perfkit.http.instrumentation.Instrumentation.learn",
    "a row cannot be made": "perfkit.store.Store.row",
    "the route is not found": "perfkit_django.exchange.template",
    "a stream cannot be watched": "perfkit_django.exchange.watch",
    "an error has no name": "perfkit_django.exchange.error_name",
}

ATTACH_HOOKS = {
    "the settings module is not found": "perfkit_django.site._origin",
    "our own routes cannot be made": "perfkit.http.routes.Routes.__init__",
    "the instrumentation cannot be made": "perfkit.http.instrumentation.Instrumentation.__init__",
}

HOOKS = REQUEST_HOOKS | ATTACH_HOOKS | {"the address is not found": "perfkit_django.lifecycle.base_url"}

PATHS = ("/hello/ann", "/nowhere", "/stream", "/broken-stream", "/boom", "/unavailable", "/native")


class OurFault(Exception):
    """What fails inside perfkit in these tests."""


def failing(*arguments: Any, **named: Any) -> Any:
    raise OurFault("inside perfkit")


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    expect_spans("these tests")
    system = PerformanceSystem(environment="testing")
    with configured(PERFKIT=system):
        yield system
    system.stop()


def outcome(answer: Answer) -> Any:
    return answer.status, answer.headers, answer.chunks, repr(answer.error)


class Site:
    """The site behind one handler, sync or async."""

    def __init__(self, *, is_async: bool) -> None:
        self.handler: Any = ASGIHandler() if is_async else WSGIHandler()
        self.is_async = is_async

    def get(self, path: str) -> Answer:
        if self.is_async:
            return asyncio.run(acall(self.handler, scope_of("GET", path)))
        return call(self.handler, environ_of("GET", path))


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def site(system: PerformanceSystem, is_async: bool) -> Site:
    return Site(is_async=is_async)


def bare(is_async: bool, path: str) -> Any:
    with configured(MIDDLEWARE=MIDDLEWARE[1:]):
        answer = Site(is_async=is_async).get(path)
    return (answer.status, answer.chunks) if path == "/native" else outcome(answer)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.name == "perfkit" and record.levelno >= logging.WARNING]
    return [record.getMessage() for record in records]


@pytest.mark.parametrize("path", ["/hello/ann", "/nowhere", "/stream", "/broken-stream", "/boom", "/unavailable"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_the_answer_is_the_sites_own(
    hook: str, path: str, site: Site, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bare(is_async, path)
    monkeypatch.setattr(hook, failing)
    for _ in range(3):
        assert outcome(site.get(path)) == expected


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_no_exchange_is_in_flight_for_ever_and_recording_goes_on_afterwards(
    hook: str, site: Site, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hook, failing)
        for path in PATHS:
            site.get(path)
    assert system.store.in_flight() == 0
    monkeypatch.setattr("perfkit.http.attachment.monotonic", lambda: time.monotonic() + RETRY_AFTER)
    site.get("/empty")
    assert [(one.route, one.count) for one in recorded(system) if one.route == "/empty"] == [("/empty", 1)]


@pytest.mark.parametrize(
    "hook",
    [
        "perfkit_django.middleware.set_exchange",
        "perfkit.http.instrumentation.Instrumentation.learn",
        "perfkit_django.exchange.template",
    ],
)
def test_an_internal_error_is_counted_each_time_and_logged_once(
    hook: str,
    site: Site,
    system: PerformanceSystem,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hook, failing)
        for _ in range(5):
            site.get("/hello/ann")
    assert internal_errors(system) == {("django", "OurFault"): 5}
    assert len(warnings(caplog)) == 1
    assert "inside perfkit" in warnings(caplog)[0]


@pytest.mark.parametrize("hook", ATTACH_HOOKS.values(), ids=ATTACH_HOOKS)
def test_a_site_that_could_not_be_attached_to_is_tried_again_later_not_with_each_request(
    hook: str,
    site: Site,
    system: PerformanceSystem,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hook, failing)
        for _ in range(5):
            site.get("/hello/ann")
    assert len(warnings(caplog)) == 1
    assert recorded(system) == []


@pytest.mark.parametrize(
    "hook",
    [
        "perfkit.http.routes.Routes.respond",
        "perfkit.http.routes.Routes.arespond",
        "perfkit.http.routes.Routes.holds_secret",
        "perfkit.http.front.Front.health_snapshot",
        "perfkit_django.site.request_of",
        "perfkit_django.site.response_of",
        "perfkit_django.site.hide_token",
        "perfkit.store.Store.open",
    ],
)
@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics?t=x", "/perfkit/", "/perfkit/api/overview"])
def test_our_own_paths_answer_something_or_leave_it_to_the_site(
    hook: str, path: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, failing)
    answer = site.get(path)
    assert answer.error is None
    assert answer.status in (200, 404, 500, 503)


def test_an_error_that_the_signal_cannot_tell_of_is_an_error_all_the_same(
    site: Site, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.signals import got_request_exception

    receivers = got_request_exception.receivers
    monkeypatch.setattr(got_request_exception, "receivers", [])
    got_request_exception.sender_receivers_cache.clear()
    try:
        site.get("/boom")
    finally:
        got_request_exception.receivers = receivers
        got_request_exception.sender_receivers_cache.clear()
    assert [(one.status, one.error) for one in recorded(system)] == [("500", "500")]

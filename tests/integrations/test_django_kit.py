"""The adapter kit on Django, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import django_site
import pytest
from asgi_driver import scope_of
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django_driver import acall, call, environ_of
from django_site import configured
from kept_routes import KEPT

from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import AdapterKit, Answer
from perfkit_asgi import PerfkitMiddleware as ASGIMiddleware
from perfkit_wsgi import PerfkitMiddleware as WSGIMiddleware


class DjangoKit(AdapterKit):
    raises_through = False
    ignores_case_of_methods = True
    handler: type

    def route(self, template: str) -> str:
        return template.replace("{", "<").replace("}", ">")

    @pytest.fixture(autouse=True)
    def settings(self) -> Iterator[None]:
        with ExitStack() as self.settings_in_force:
            yield

    def make_app(self, system: PerformanceSystem) -> Any:
        self.settings_in_force.enter_context(configured(PERFKIT=system))
        return self.handler()


class TestDjangoSync(DjangoKit):
    handler = WSGIHandler

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
        environ = environ_of(method, path, body=body, headers=headers, root_path=root_path)
        return call(app, environ, leave_after=leave_after)

    def wrap_again(self, app: Any, system: PerformanceSystem) -> Any:
        return WSGIMiddleware(app, system=system)


class TestDjangoAsync(DjangoKit):
    handler = ASGIHandler

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
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        root_path: str = "",
        leave_after: int | None = None,
    ) -> Answer:
        scope = scope_of(method, path, headers=headers, root_path=root_path)
        return self.runner.run(acall(app, scope, body, leave_after))

    def wrap_again(self, app: Any, system: PerformanceSystem) -> Any:
        return ASGIMiddleware(app, system=system)


class TestDjangoSyncTwiceInTheMiddlewares(TestDjangoSync):
    def make_app(self, system: PerformanceSystem) -> Any:
        self.settings_in_force.enter_context(
            configured(MIDDLEWARE=[django_site.MIDDLEWARE[0], *django_site.MIDDLEWARE])
        )
        return super().make_app(system)


class TestDjangoUnderASGIWithASyncMiddleware(TestDjangoAsync):
    """A middleware that is only sync makes Django run all that lie around it sync, in a thread; also ours."""

    def make_app(self, system: PerformanceSystem) -> Any:
        self.settings_in_force.enter_context(
            configured(MIDDLEWARE=[*django_site.MIDDLEWARE, "django_pages.SyncOnlyMiddleware"])
        )
        return super().make_app(system)


class TestDjangoSyncWithAResponseCache(TestDjangoSync):
    http_cache = KEPT


class TestDjangoAsyncWithAResponseCache(TestDjangoAsync):
    http_cache = KEPT


class TestDjangoUnderASGIWithASyncMiddlewareWithAResponseCache(TestDjangoUnderASGIWithASyncMiddleware):
    http_cache = KEPT

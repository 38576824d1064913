"""The pages of the Django site of the tests; import `django_site` before."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import get_user_model
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import AdapterKit
from perfkit_django import PerfkitMiddleware


def hello(request: HttpRequest, name: str = "nobody") -> HttpResponse:
    return HttpResponse(f"hello {name}", content_type="text/plain")


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def refused(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=403)


def unavailable(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=503)


def boom(request: HttpRequest) -> HttpResponse:
    raise ValueError("boom")


def chunks(*, breaks: bool = False) -> Iterator[bytes]:
    for chunk in (b"one", b"two", b"three"):
        yield chunk
        if breaks:
            raise ValueError("broken")


async def achunks(*, breaks: bool = False) -> AsyncIterator[bytes]:
    for chunk in chunks(breaks=breaks):
        yield chunk
        await asyncio.sleep(0.002)


def is_async(request: Any) -> bool:
    return hasattr(request, "scope")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(achunks() if is_async(request) else chunks())


def broken_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(achunks(breaks=True) if is_async(request) else chunks(breaks=True))


def background(request: HttpRequest) -> HttpResponse:
    response = HttpResponse()
    response._resource_closers.append(AdapterKit.background_work)
    return response


def state(request: Any) -> HttpResponse:
    return HttpResponse("yes" if isinstance(request.perfkit, PerformanceSystem) else "no")


def spans(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(AdapterKit.add_spans()))


def item(request: HttpRequest, **named: Any) -> HttpResponse:
    return HttpResponse(str(sorted(named.items())))


async def native(request: HttpRequest) -> HttpResponse:
    """An async view; says in which thread it runs."""
    await asyncio.sleep(0)
    return HttpResponse(f"{threading.get_ident()}")


async def waiting(request: Any) -> HttpResponse:
    request.scope["in_view"].set()
    await asyncio.sleep(3600)
    return HttpResponse()


async def native_boom(request: HttpRequest) -> HttpResponse:
    raise KeyError("native")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(b"x" * 10_000), filename="ten.bin")


def session(request: Any) -> HttpResponse:
    request.session["seen"] = request.session.get("seen", 0) + 1
    return HttpResponse(str(request.session["seen"]))


def users(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(get_user_model().objects.count()))


def language(request: HttpRequest, **named: Any) -> HttpResponse:
    return HttpResponse(get_language() or "")


ITEMS = [path("items/<item_id>", item)]

urlpatterns = [
    path("", hello),
    path("hello/<name>", require_http_methods(["GET", "HEAD", "OPTIONS", "FOO", "BAR"])(hello)),
    path("echo", echo),
    path("empty", empty),
    path("refused", refused),
    path("unavailable", unavailable),
    path("boom", boom),
    path("stream", stream),
    path("broken-stream", broken_stream),
    path("background", background),
    path("state", state),
    path("spans", spans),
    path("v1/", include(ITEMS)),
    path("t/<tenant>/", include(ITEMS)),
    path("native", native),
    path("native-boom", native_boom),
    path("waiting", waiting),
    path("file", file),
    path("session", session),
    path("users", users),
    path("shop/<int:shop_id>/", include([re_path(r"^lines/(?P<line>\d+)/$", item)])),
    re_path(r"^articles/(?P<year>[0-9]{4})(?:/(?P<slug>[\w-]+))?/$", item),
    re_path(r"^raw/(\d+)/v1\.0/$", lambda request, number: hello(request)),
    re_path(r"^plain/", include([re_path(r"^deep/(?P<kind>a|b)/?$", item)])),
    path("slashed/", hello),
    *i18n_patterns(
        path("about/<int:page>/", language),
    ),
]


class SyncOnlyMiddleware:
    """A middleware of the old kind."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)


class OwnPerfkit(PerfkitMiddleware):
    """A middleware of a user's, made of ours."""


class Forbidding(SyncOnlyMiddleware):
    """Lets nobody in."""

    def __call__(self, request: HttpRequest) -> Any:
        return HttpResponse(status=403)


class Breaking(SyncOnlyMiddleware):
    """Fails."""

    def __call__(self, request: HttpRequest) -> Any:
        raise ZeroDivisionError


class Leaving(SyncOnlyMiddleware):
    """Ends the process, as a server's timeout does."""

    def __call__(self, request: HttpRequest) -> Any:
        raise SystemExit(1)

"""The Django site under measurement, and the way requests reach it: as WSGI or ASGI calls, without a server.

The same four routes and answers as the other applications have. A process can configure Django once, so both handlers,
the contestant's and the bare one, are of one site: they differ in the middlewares that were in force when they were
made.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Any

from benchmarks.overhead.apps import scopes

__all__ = ["AsyncDriver", "SyncDriver", "configure", "inner_app", "touched"]

touched: list[Callable[[], None]] = []
"""What the views call, which is nothing unless a contestant wants work inside the request."""


def configure(*, apps: Sequence[str] = (), is_async: bool = False, **settings: Any) -> None:
    """Set the site up; its views are sync or async."""
    import django
    from django.conf import settings as django_settings

    django_settings.configure(
        SECRET_KEY="not secret",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=_urls(is_async),
        INSTALLED_APPS=list(apps),
        MIDDLEWARE=[],
        LOGGING_CONFIG=None,
        USE_TZ=True,
        **settings,
    )
    django.setup()


def _urls(is_async: bool) -> tuple[Any, ...]:
    from django.http import JsonResponse
    from django.urls import path

    def answer(status: int, make: Callable[[str], dict[str, Any]]) -> Any:
        def view(request: Any, key: str = "") -> JsonResponse:
            for touch in touched:
                touch()
            return JsonResponse(make(key), status=status)

        async def async_view(request: Any, key: str = "") -> JsonResponse:
            return view(request, key)

        return async_view if is_async else view

    return (
        path("", answer(200, lambda key: {"name": "shop"})),
        path("items/<key>", answer(200, lambda key: {"id": key, "price": 12.5})),
        path("users/<key>/orders", answer(200, lambda key: {"user": key, "orders": [1, 2, 3]})),
        path("carts/<key>/lines", answer(201, lambda key: {"cart": key})),
    )


class SyncDriver:
    """Calls one WSGI handler: a fresh environ, the whole body, `close`."""

    def __init__(self, handler: Any) -> None:
        """See that *handler* answers every request rightly."""
        self._handler = handler
        self._environs = [_environ(scope) for scope in scopes()]
        for environ in self._environs:
            self._check(environ)
        self.calls = len(self._environs)

    def run(self, count: int) -> None:
        """Make *count* requests."""
        handler = self._handler
        for known in islice(cycle(self._environs), count):
            body = handler(known.copy(), _start_response)
            for _ in body:
                pass
            body.close()
        self.calls += count

    def _check(self, environ: dict[str, Any]) -> None:
        said: list[str] = []
        body = self._handler(environ.copy(), lambda status, headers: said.append(status))
        content = b"".join(body)
        body.close()
        wanted = "201" if environ["REQUEST_METHOD"] == "POST" else "200"
        if not said[0].startswith(wanted) or not content.startswith(b"{"):
            raise RuntimeError(f"{environ['PATH_INFO']} was answered with {said} and {content!r}.")


def _environ(scope: dict[str, Any]) -> dict[str, Any]:
    headers = {f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in scope["headers"]}
    return {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"],
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **headers,
    }


def _start_response(status: str, headers: list[tuple[str, str]]) -> None:
    return None


class AsyncDriver:
    """Calls one ASGI handler in an event loop; the client stays until it has its answer."""

    def __init__(self, handler: Any, loop: asyncio.AbstractEventLoop) -> None:
        """See that *handler* answers every request rightly."""
        self._handler, self._loop = handler, loop
        self._scopes = scopes()
        loop.run_until_complete(self._check())
        self.calls = len(self._scopes)

    def run(self, count: int) -> None:
        """Make *count* requests."""
        self._loop.run_until_complete(self._requests(count))
        self.calls += count

    async def _requests(self, count: int) -> None:
        async def send(message: Any) -> None:
            return None

        handler = self._handler
        for known in islice(cycle(self._scopes), count):
            await handler(known.copy(), _client(), send)

    async def _check(self) -> None:
        for scope in self._scopes:
            messages: list[Any] = []

            async def send(message: Any, messages: list[Any] = messages) -> None:
                messages.append(message)

            await self._handler(scope.copy(), _client(), send)
            status = messages[0]["status"]
            if status != (201 if scope["method"] == "POST" else 200) or not messages[-1]["body"].startswith(b"{"):
                raise RuntimeError(f"{scope['method']} {scope['path']} was answered with {messages}.")


def _client() -> Any:
    """Return a `receive`: the request without a body, then nothing, as Django listens whether the client leaves."""
    is_asked = False

    async def receive() -> dict[str, Any]:
        nonlocal is_asked
        if not is_asked:
            is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return await asyncio.get_running_loop().create_future()

    return receive


def inner_app(handler: Any) -> Any:
    """Return an ASGI app that does what *handler* awaits, and nothing that it needs threads for."""
    from django.core.handlers.asgi import ASGIRequest

    empty = io.BytesIO()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        response = await handler.get_response_async(ASGIRequest(scope, empty))
        await send({"type": "http.response.start", "status": response.status_code})
        await send({"type": "http.response.body", "body": response.content})

    return app

"""The adapter kit on plain WSGI, bare and under the validator of the standard library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
from kept_routes import KEPT
from wsgi_driver import environ_of, exchange

from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import AdapterKit, Answer
from perfkit_wsgi import PerfkitMiddleware


class Background:
    """A body whose `close` does more work, as WSGI has no other place for it."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"done"

    def close(self) -> None:
        AdapterKit.background_work()


def chunks(*, breaks: bool = False) -> Iterator[bytes]:
    for chunk in (b"one", b"two", b"three"):
        yield chunk
        if breaks:
            raise ValueError("broken")


def plain_app(environ: dict[str, Any], start_response: Any) -> Any:
    """The kit's app without any framework."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]

    def answer(body: Any, status: str = "200 OK") -> Any:
        is_text = isinstance(body, bytes)
        headers = [("Content-Type", "text/plain")] if status[:3] != "204" else []
        start_response(status, headers + ([("Content-Length", str(len(body)))] if is_text and headers else []))
        return ([] if method == "HEAD" or not headers else [body]) if is_text else body

    if path.startswith("/hello/"):
        return answer(f"hello {path[7:]}".encode()) if method != "OPTIONS" else answer(b"", "204 No Content")
    if path == "/echo":
        return answer(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if path == "/boom":
        raise ValueError("boom")
    texts = {
        "/empty": (b"", "204 No Content"),
        "/refused": (b"", "403 Forbidden"),
        "/unavailable": (b"", "503 Service Unavailable"),
        "/stream": (chunks(),),
        "/broken-stream": (chunks(breaks=True),),
        "/background": (Background(),),
        "/state": (b"yes" if isinstance(environ["perfkit.system"], PerformanceSystem) else b"no",),
    }
    if path == "/spans":
        return answer(str(AdapterKit.add_spans()).encode())
    return answer(*texts.get(path, (b"not found", "404 Not Found")))


class WSGIKit(AdapterKit):
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


class TestPlainWSGI(WSGIKit):
    has_routes = False
    test_mounts_are_in_the_route_and_their_parameters_are_not = None

    def make_app(self, system: PerformanceSystem) -> Any:
        return PerfkitMiddleware(plain_app, system=system)


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
class TestValidated(TestPlainWSGI):
    """The same, with `wsgiref.validate` on both sides: what the app sees and what the server sees is WSGI."""

    def make_app(self, system: PerformanceSystem) -> Any:
        return PerfkitMiddleware(validator(plain_app), system=system)

    def exchange(self, app: Any, method: str, path: str, **given: Any) -> Answer:
        return super().exchange(validator(app), method, path, **given)


class TestPlainWSGIWithAResponseCache(TestPlainWSGI):
    http_cache = KEPT


class TestValidatedWithAResponseCache(TestValidated):
    http_cache = KEPT

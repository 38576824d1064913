"""The dashboard below any prefix: none, one that the app knows, one that a proxy cut off; WSGI and ASGI."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import uvicorn
from ports import reserved_port
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from visits import Visit

from perfkit_asgi import PerfkitMiddleware as ASGIMiddleware
from perfkit_wsgi import PerfkitMiddleware as WSGIMiddleware

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(600)]

SETTINGS: dict[str, Any] = {"environment": "development", "service": "shop"}


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@contextmanager
def wsgi(prefix: str) -> Iterator[int]:
    """A WSGI app that knows its *prefix*; yield its port."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    inner = WSGIMiddleware(app, **SETTINGS)

    def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"].startswith(f"{prefix}/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = prefix, environ["PATH_INFO"][len(prefix) :]
        return inner(environ, start_response)

    with make_server("127.0.0.1", 0, outer, server_class=Threads, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
    inner.system.stop()


@contextmanager
def asgi(prefix: str) -> Iterator[int]:
    """An ASGI app that knows its *prefix*; yield its port."""

    async def hello(request: Any) -> PlainTextResponse:
        return PlainTextResponse("hello")

    inner = ASGIMiddleware(Starlette(routes=[Route("/{path:path}", hello)]), **SETTINGS)
    app: Any = Starlette(routes=[Mount(prefix, app=inner)]) if prefix else inner
    with reserved_port() as port:
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.05)
            assert thread.is_alive()
        yield port
        server.should_exit = True
        thread.join(30)
    inner.system.stop()


@contextmanager
def cut_off(prefix: str, port: int) -> Iterator[int]:
    """A proxy that cuts *prefix* off and tells nobody; yield its port."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path.startswith(f"{prefix}/"), self.path
            length = int(self.headers.get("content-length") or 0)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as upstream:
                upstream.request(self.command, self.path[len(prefix) :], self.rfile.read(length), headers)
                answer = upstream.getresponse()
                body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "server", "date"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def base_of(kind: Callable[[str], Any], setup: str) -> Iterator[str]:
    known = "/shop" if setup == "known" else ""
    with kind(known) as port:
        if setup == "cut off":
            with cut_off("/a/b", port) as outside:
                yield f"http://127.0.0.1:{outside}/a/b"
        else:
            yield f"http://127.0.0.1:{port}{known}"


@pytest.mark.parametrize("setup", ["none", "known", "cut off"])
@pytest.mark.parametrize("kind", [wsgi, asgi])
def test_every_link_and_every_form_works_below_any_prefix(browser: Any, kind: Callable[[str], Any], setup: str) -> None:
    with base_of(kind, setup) as base, closing(Visit(browser, f"{base}/perfkit")) as visit:
        page = visit.page
        assert page.url == f"{base}/perfkit/"
        page.request.get(f"{base}/hello")
        visit.wait("document.querySelector('.tools') !== null")
        for name in ("Routes", "Requests", "Actions"):
            page.locator(".pages").get_by_role("link", name=name).click()
            page.wait_for_url(f"{base}/perfkit/{name.lower()}")
            visit.wait("document.querySelector('.tools') !== null")
        page.get_by_role("button", name="Drain the service").click()
        page.wait_for_url(f"{base}/perfkit/actions?done=*")
        page.get_by_text("The service says that it is not ready; requests are still served.").first.wait_for()
        page.get_by_role("button", name="Take traffic again").click()
        page.get_by_text("The service takes traffic again.").first.wait_for()
        page.goto(f"{base}/perfkit/routes")
        page.locator("tbody th a").first.click()
        page.wait_for_url(f"{base}/perfkit/route?r=*")
        assert visit.complaints == []

"""The Flask and the plain WSGI application under measurement, and how requests reach them: as calls, without a server.

The same four routes and answers as the other applications have.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from benchmarks.overhead.apps import scopes

__all__ = ["Driver", "flask_app", "plain_app"]

Touch = Callable[[], None]


def _nothing() -> None:
    return None


def flask_app(touch: Touch = _nothing) -> Any:
    """Return the application in Flask."""
    from flask import Flask

    app = Flask(__name__)

    @app.get("/")
    def home() -> dict[str, Any]:
        touch()
        return {"name": "shop"}

    @app.get("/items/<item_id>")
    def item(item_id: str) -> dict[str, Any]:
        touch()
        return {"id": item_id, "price": 12.5}

    @app.get("/users/<user_id>/orders")
    def orders(user_id: str) -> dict[str, Any]:
        touch()
        return {"user": user_id, "orders": [1, 2, 3]}

    @app.post("/carts/<cart_id>/lines")
    def add(cart_id: str) -> tuple[dict[str, Any], int]:
        touch()
        return {"cart": cart_id}, 201

    return app


def plain_app(touch: Touch = _nothing) -> Any:
    """Return the application without a framework."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        touch()
        words = environ["PATH_INFO"].split("/")
        if words[1] == "items":
            status, answer = "200 OK", {"id": words[2], "price": 12.5}
        elif words[1] == "users":
            status, answer = "200 OK", {"user": words[2], "orders": [1, 2, 3]}
        elif words[1] == "carts":
            status, answer = "201 Created", {"cart": words[2]}
        else:
            status, answer = "200 OK", {"name": "shop"}
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return app


class Driver:
    """Calls one application as a server would: a fresh environ, the whole body, `close` where there is one."""

    def __init__(self, app: Any) -> None:
        """See that *app* answers every request rightly."""
        self._app = app
        self._environs = [_environ(scope) for scope in scopes()]
        for environ in self._environs:
            self._check(environ)
        self.calls = len(self._environs)

    def run(self, count: int) -> None:
        """Make *count* requests."""
        app = self._app
        for known in islice(cycle(self._environs), count):
            body = app(known.copy(), _start_response)
            for _ in body:
                pass
            if hasattr(body, "close"):
                body.close()
        self.calls += count

    def _check(self, environ: dict[str, Any]) -> None:
        said: list[str] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
            said.append(status)
            return _write

        body = self._app(environ.copy(), start_response)
        content = b"".join(body)
        if hasattr(body, "close"):
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


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
    return _write


def _write(data: bytes) -> None:
    raise RuntimeError("The applications under measurement do not write.")

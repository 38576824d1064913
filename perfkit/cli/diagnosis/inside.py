"""Requests to an app in this process, by the interface that it has: no server and no socket."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Any

from perfkit.cli.probing import Reply

__all__ = ["Inside"]

CLIENT, STRANGER = "127.0.0.1", "192.0.2.1"
"""Who asks; the second is an address that is nobody's (RFC 5737)."""

IN_SCOPE, IN_ENVIRON = "perfkit", "perfkit.system"
"""Where the adapters leave the system for user code, at a request that goes on to the app."""

NOWHERE = "/perfkit-doctor-looks-for-nothing"
"""A path that neither perfkit nor an app has."""

RAISED = 500
"""What a server makes of an app that raises."""


class Inside:
    """Asks an app as a server would, with the token that it takes."""

    def __init__(self, app: Any, interface: str, token: str) -> None:
        """Ask *app*, which is called by *interface*."""
        self._app, self._interface, self._token = app, interface, token
        self._system: Any = None

    def stop(self) -> None:
        """Stop the system that the questions have started; only a request that goes on to the app shows it."""
        if self._system is None:
            self.get(NOWHERE, as_stranger=True)
        if self._system is not None:
            self._system.stop()

    def get(self, path: str, *, as_stranger: bool = False) -> Reply:
        """Return the answer to *path*."""
        ask = self._ask_asgi if self._interface == "asgi" else self._ask_wsgi
        try:
            return ask(path, as_stranger)
        except Exception:  # noqa: BLE001 - what the app does with a path that it does not have is its own affair
            return Reply(RAISED, (), b"")

    def _ask_asgi(self, path: str, as_stranger: bool) -> Reply:
        headers = [(b"host", b"127.0.0.1"), (b"accept", b"text/html")]
        if not as_stranger:
            headers.append((b"authorization", f"Bearer {self._token}".encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": (STRANGER if as_stranger else CLIENT, 1234),
            "server": ("127.0.0.1", 80),
        }
        sent: list[dict[str, Any]] = []

        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:  # a client that stays until it has its answer
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        try:
            asyncio.run(self._app(scope, receive, send))
        finally:
            self._system = scope.get(IN_SCOPE, self._system)
        nothing: dict[str, Any] = {"status": 0, "headers": ()}
        start = next((each for each in sent if each["type"] == "http.response.start"), nothing)
        told = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
        body = b"".join(each.get("body", b"") for each in sent if each["type"] == "http.response.body")
        return Reply(int(start["status"]), told, body)

    def _ask_wsgi(self, path: str, as_stranger: bool) -> Reply:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": STRANGER if as_stranger else CLIENT,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_ACCEPT": "text/html",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": True,
        }
        if not as_stranger:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self._token}"
        told: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            told.append((int(status[:3]), headers))
            return _write

        try:
            result = self._app(environ, start_response)
        finally:
            self._system = environ.get(IN_ENVIRON, self._system)
        try:
            body = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        status, headers = told[-1]
        return Reply(status, tuple((name.lower(), value) for name, value in headers), body)


def _write(data: bytes) -> None:
    """Be what WSGI calls write: what is written so is no page of perfkit's."""

"""Calls a WSGI app as a server would, and keeps what came back."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from perfkit.testing.adapter_kit import Answer

__all__ = ["Server", "environ_of", "exchange"]


def environ_of(
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    root_path: str = "",
    **changes: Any,
) -> dict[str, Any]:
    """Return the environ of a request to *path*, which may have a query; a change of None leaves a key out."""
    raw_path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": root_path,
        "PATH_INFO": raw_path.removeprefix(root_path).encode().decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "testserver",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()},
        **changes,
    }
    return {name: value for name, value in environ.items() if value is not None}


@dataclass
class Server:
    """One exchange as a server keeps it: headers go out with the first bytes of the body, `close` comes last.

    Attributes:
        starts: What `start_response` was called with, each time.
        sent: Everything that went out, in order: status, headers and each piece of the body.
        result: What the app returned.
    """

    starts: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    result: Any = None
    is_gone: bool = False

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        if exc_info is not None and self.sent:
            raise exc_info[1].with_traceback(exc_info[2])
        assert exc_info is not None or not self.starts, "the headers are set already"
        self.starts.append((status, headers))
        return self.write

    def write(self, data: bytes) -> None:
        assert self.starts, "write before start_response"
        if self.is_gone:
            raise BrokenPipeError("the client is gone")
        if data:
            if not self.sent:
                self.sent.append(self.starts[-1])
            self.sent.append(data)

    def run(self, app: Any, environ: dict[str, Any], leave_after: int | None = None) -> Exception | None:
        """Run one exchange as PEP 3333 has it; return what the app raised. A client leaves after so many pieces."""
        try:
            self.result = app(environ, self.start_response)
            try:
                self._take(self.result, leave_after)
            finally:
                if hasattr(self.result, "close"):
                    self.result.close()
        except Exception as error:
            if not self.sent:
                self.sent.append(("500 Internal Server Error", []))
            return error
        return None

    def _take(self, result: Iterable[bytes], leave_after: int | None) -> None:
        for taken, chunk in enumerate(result, 1):
            self.write(chunk)
            if leave_after is not None and taken >= leave_after:
                return
        if not self.sent:
            assert self.starts, "no start_response"
            self.sent.append(self.starts[-1])

    @property
    def answer(self) -> Answer:
        """What the client got."""
        status, headers = self.sent[0] if self.sent else ("0", [])
        named = {name.lower(): value for name, value in headers}
        return Answer(
            int(status[:3]), named, [piece for piece in self.sent[1:] if isinstance(piece, bytes | bytearray)]
        )


def exchange(app: Any, environ: dict[str, Any], leave_after: int | None = None) -> Answer:
    """Run one exchange; after *leave_after* pieces of the body the client is gone."""
    server = Server()
    error = server.run(app, environ, leave_after)
    server.result = None  # it may hold the server, as does wsgiref's until it is closed
    answer = server.answer
    answer.error = error
    return answer

"""Calls a handler of Django as a server would, and keeps what came back."""

from __future__ import annotations

import gc
import io
import warnings
from typing import Any

from asgi_driver import exchange

from perfkit.testing.adapter_kit import Answer

__all__ = ["acall", "call", "environ_of"]


def environ_of(
    method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None, root_path: str = ""
) -> dict[str, Any]:
    """Return what a server says of a request from afar; *root_path* stands in front of *path*."""
    raw_path, _, query = path.partition("?")
    given = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": root_path,
        "PATH_INFO": raw_path.removeprefix(root_path),
        "QUERY_STRING": query,
        "RAW_URI": path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/octet-stream",
        "HTTP_HOST": "testserver",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **given,
    }


def call(app: Any, environ: dict[str, Any], *, leave_after: int | None = None, is_closed: bool = True) -> Answer:
    """Run one exchange; after *leave_after* chunks the client is gone, and the server closes what it has."""
    answer = Answer()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        answer.status = int(status[:3])
        answer.headers = {name.lower(): value for name, value in headers}

    body: Any = None
    try:
        body = app(environ, start_response)
        for chunk in body:
            answer.chunks.append(chunk)
            if leave_after is not None and len(answer.chunks) >= leave_after:
                break
    except Exception as error:
        answer.error = error
    finally:
        if is_closed and hasattr(body, "close"):
            body.close()
    return answer


async def acall(app: Any, scope: dict[str, Any], body: bytes = b"", leave_after: int | None = None) -> Answer:
    """Run one exchange of an ASGI handler; of one that raises, Django leaves the file of the request's body open."""
    answer = await exchange(app, scope, body, leave_after)
    if answer.error is not None:
        answer.error = answer.error.with_traceback(None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    return answer

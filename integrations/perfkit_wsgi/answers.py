"""Our own paths over WSGI: environ to request, response to status line and headers."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from perfkit.core.message import Request, Response
from perfkit.http.credentials import without_token
from perfkit_wsgi.types import Environ, StartResponse

if TYPE_CHECKING:
    from perfkit.http.attachment import Attachment

__all__ = ["answered", "as_sent", "base_url", "hide_token", "request_of", "send_response"]

WHOLE_TARGETS = ("RAW_URI", "REQUEST_URI")
"""Keys under which gunicorn, Werkzeug and uWSGI keep the request target as it came, query included."""

UNNAMED = ("CONTENT_TYPE", "CONTENT_LENGTH")
"""Headers whose keys lack the `HTTP_` of the others."""


def as_sent(path: str) -> str:
    """Return *path* as it stands in `PATH_INFO`: its UTF-8 bytes, each read as a character of latin-1 (PEP 3333)."""
    return path.encode().decode("latin-1")


def request_of(environ: Environ) -> Request:
    """Return the request of *environ* to one of our own paths."""
    headers = {
        (key[5:] if key.startswith("HTTP_") else key).replace("_", "-").lower(): value
        for key, value in environ.items()
        if isinstance(value, str) and (key.startswith("HTTP_") or (key in UNNAMED and value))
    }
    return Request(
        method=environ["REQUEST_METHOD"],
        path=_text(environ.get("PATH_INFO", "")),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        peer=environ.get("REMOTE_ADDR") or None,
        scheme=environ["wsgi.url_scheme"],
        root_path=_text(environ.get("SCRIPT_NAME", "")).rstrip("/"),
    )


def hide_token(environ: Environ) -> None:
    """Take a token out of *environ*: servers write the query into their access log when the answer is over."""
    query = environ.get("QUERY_STRING")
    if not query:
        return
    environ["QUERY_STRING"] = without_token(query)
    for key in WHOLE_TARGETS:
        path, mark, query = str(environ.get(key) or "").partition("?")
        if mark:
            rest = without_token(query)
            environ[key] = f"{path}?{rest}" if rest else path


def answered(attachment: Attachment, environ: Environ, start_response: StartResponse) -> Iterable[bytes] | None:
    """Answer a request to one of our own paths; None if it is refused: the app shall answer."""
    response = None
    with attachment.errors.guarded(attachment.adapter, "could not read a request"):
        request = request_of(environ)
        response = attachment.respond(request, environ["wsgi.input"].read)
        if response is not None or attachment.holds_secret(request):
            hide_token(environ)
    return None if response is None else send_response(response, start_response)


def send_response(response: Response, start_response: StartResponse) -> Iterable[bytes]:
    """Send *response* as it is."""
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", list(response.headers))
    return [response.body] if response.body else []


def base_url(environ: Environ) -> str:
    """Return the URL that our paths lie below; of a server on a unix socket only the path."""
    root = _text(environ.get("SCRIPT_NAME", "")).rstrip("/")
    host, port = str(environ.get("SERVER_NAME", "")), str(environ.get("SERVER_PORT", ""))
    if not port.isdecimal() or host.startswith(("unix:", "/")):
        return root
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    return f"{environ['wsgi.url_scheme']}://{host}:{port}{root}"


def _text(sent: str) -> str:
    return sent.encode("latin-1", "replace").decode("utf-8", "replace")

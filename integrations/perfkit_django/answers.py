"""Our own paths in Django: its request to ours, our response to its."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from perfkit.core.message import Request, Response
from perfkit.http.credentials import without_token

__all__ = ["base_url", "hide_token", "request_of", "response_of"]

UNNAMED = ("CONTENT_TYPE", "CONTENT_LENGTH")
"""Headers whose keys lack the `HTTP_` of the others."""


def request_of(request: Any) -> Request:
    """Return *request*, which is to one of our own paths."""
    meta = request.META
    headers = {
        (key[5:] if key.startswith("HTTP_") else key).replace("_", "-").lower(): value
        for key, value in meta.items()
        if isinstance(value, str) and (key.startswith("HTTP_") or (key in UNNAMED and value))
    }
    return Request(
        method=request.method,
        path=request.path_info,
        query=meta.get("QUERY_STRING", ""),
        headers=headers,
        peer=meta.get("REMOTE_ADDR") or None,
        scheme=request.scheme,
        root_path=meta.get("SCRIPT_NAME", "").rstrip("/"),
    )


def response_of(response: Response) -> HttpResponse:
    """Return *response* as Django's. It does not log it: a 503 of a probe is no error to be mailed to anybody."""
    made = HttpResponse(response.body, status=response.status, headers=dict(response.headers))
    made._has_been_logged = True  # type: ignore[attr-defined]  # the mark of django.utils.log.log_response
    return made


def hide_token(request: Any) -> None:
    """Take a token out of the query of *request*: servers write that into their access log."""
    scope = getattr(request, "scope", None)
    if scope is None:
        from perfkit_wsgi.answers import hide_token as hide

        hide(request.META)
    else:
        from perfkit_asgi.answers import hide_token as hide_in_scope

        hide_in_scope(scope)
        request.META["QUERY_STRING"] = without_token(request.META["QUERY_STRING"])


def base_url(request: Any) -> str:
    """Return the URL that our paths lie below; of a server on a unix socket only the path."""
    meta = request.META
    root, host, port = meta.get("SCRIPT_NAME", "").rstrip("/"), meta.get("SERVER_NAME", ""), meta.get("SERVER_PORT", "")
    if not meta.get("REMOTE_ADDR") or not str(port).isdecimal():
        return str(root)
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    return f"{request.scheme}://{host}:{port}{root}"

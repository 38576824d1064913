"""Answers of ours, built whole: every one carries the security headers and its length."""

from __future__ import annotations

import hashlib

import msgspec

from perfkit.core.message import Request, Response
from perfkit.dashboard import ASSET_HEADERS, SECURITY_HEADERS

__all__ = ["FAILED", "METHODS", "NOT_ALLOWED", "entity_tag", "is_unchanged", "reply", "text", "without_body"]

METHODS = ("GET", "HEAD")
"""All that our paths answer to."""

_BODILESS = (304, 308, 303)


def reply(
    body: bytes, *, content_type: str, status: int = 200, headers: tuple[tuple[str, str], ...] = (), fixed: bool = False
) -> Response:
    """Return an answer; *fixed* lets a browser keep it for ever, otherwise nobody may keep it."""
    own = () if status in _BODILESS else (("content-type", content_type),)
    length = () if status == 304 else (("content-length", str(len(body))),)
    guards = ASSET_HEADERS if fixed else SECURITY_HEADERS
    return Response(status=status, headers=(*own, *length, *headers, *guards), body=body)


def text(message: str, *, status: int, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return an answer of one line for people."""
    body = f"{message}\n".encode("utf-8", "replace") if message else b""
    return reply(body, content_type="text/plain; charset=utf-8", status=status, headers=headers)


def without_body(response: Response) -> Response:
    """Return what HEAD gets: the same headers, the length of the whole body among them."""
    return msgspec.structs.replace(response, body=b"")


def entity_tag(body: bytes) -> str:
    """Return the ETag of *body*; weak, as it is the same for the compressed form."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def is_unchanged(request: Request, tag: str) -> bool:
    """Return True if ``If-None-Match`` names *tag*, weakly compared as RFC 9110 section 13.1.2 says."""
    given, wanted = request.headers.get("if-none-match", ""), tag.removeprefix("W/")
    return any(each.strip().removeprefix("W/") in (wanted, "*") for each in given[:4096].split(","))


NOT_ALLOWED = text("Use GET or HEAD.", status=405, headers=(("allow", ", ".join(METHODS)),))
FAILED = text("perfkit could not answer. The application's log says why.", status=500)

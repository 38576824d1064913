"""The page /demo: a button for each problem that mends it while the shop runs, and seeds it again.

It is there in development only, as `perfkit demo` runs it, and only for a browser on this very machine whose own page
sent it: a page elsewhere can neither read it nor press its buttons.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from perfkit import PerformanceSystem
from perfkit_demo.shop.fixes import Fixes
from perfkit_demo.shop.problems import FIXABLE, PROBLEMS

__all__ = ["MOST_BYTES", "is_ours", "page", "press"]

MOST_BYTES = 200
"""Bytes of a form that are read."""

_LOCAL = ("127.0.0.1", "localhost", "::1")


def is_ours(headers: Mapping[str, str]) -> bool:
    """Return whether a request with *headers* (names in lower case) comes from this machine's own pages."""
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in _LOCAL:
        return False
    if "forwarded" in headers or "x-forwarded-for" in headers:
        return False
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin == f"http://{host}"


def press(fixes: Fixes, form: bytes, system: PerformanceSystem | None) -> HTTPStatus:
    """Do what a *form* says; return the status of the answer: back to the page, or wrong.

    Args:
        fixes: The switches.
        form: With ``fix`` and ``on``, and perhaps the ``release`` with which that came.
        system: What is told of the release.
    """
    fields = parse_qs(form[:MOST_BYTES].decode("utf-8", "replace"))
    name, wanted = fields.get("fix", [""])[0], fields.get("on", [""])[0]
    release = fields.get("release", [""])[0]
    if name not in FIXABLE or wanted not in ("0", "1") or not (release.isascii() and release.isprintable()):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    fixes.flip(name, on=wanted == "1")
    if release and system is not None:
        system.mark_release(release)
    return HTTPStatus.SEE_OTHER


def page(fixes: Fixes) -> str:
    """Return the page with its buttons."""
    mended = fixes.on()
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>The shop: fix it</title><h1>Fix it</h1>'
        "<p>Each button mends a problem while the visitors come. After 100 requests without it "
        "<a href='perfkit/'>perfkit</a> says what that gained.</p>"
        "<table><tr><th>#<th>Where<th>What<th>Now<th>"
        + "".join(_row(each.number, each.route, each.title, each.name, each.name in mended) for each in PROBLEMS)
        + "</table>"
    )


def _row(number: int, route: str, title: str, name: str, is_mended: bool) -> str:
    told = f"<tr><td>{number}<td>{escape(route or 'the process')}<td>{escape(title)}"
    if name not in FIXABLE:
        return f"{told}<td>healthy<td>"
    said = "Break it again" if is_mended else "Fix it"
    return (
        f"{told}<td>{'mended' if is_mended else 'broken'}<td>"
        f'<form method="post" action="demo"><input type="hidden" name="fix" value="{name}">'
        f'<input type="hidden" name="on" value="{0 if is_mended else 1}"><button>{said}</button></form>'
    )

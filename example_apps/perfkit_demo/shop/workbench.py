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
from perfkit_demo.shop.answers import document
from perfkit_demo.shop.fixes import Fixes
from perfkit_demo.shop.problems import FIXABLE, PROBLEMS, Problem

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
    """Return the page with its buttons; where scripts run it shows what perfkit says, every two seconds."""
    mended = fixes.on()
    rows = "".join(_row(each, is_mended=each.name in mended) for each in PROBLEMS)
    return document(
        "The shop: fix it",
        "<h1>Fix it</h1>"
        "<p>Each button mends a problem while the visitors come. When 100 requests of its route went well, "
        "<a href='perfkit/'>perfkit</a> says what that gained; its score looks back one minute.</p>"
        "<p class='score' hidden>Score <strong id='score'></strong> of 100</p>"
        "<div class='wide'><table><tr><th>#<th>Where<th>What<th>Now<th><th class='says'>perfkit says"
        f"{rows}</table></div><script>{_SCRIPT}</script>",
    )


def _row(problem: Problem, *, is_mended: bool) -> str:
    where = f"<code>{escape(problem.route)}</code>" if problem.route else "the process"
    told = f"<tr><td>{problem.number}<td>{where}<td>{escape(problem.title)}"
    if problem.name not in FIXABLE:
        return f"{told}<td><span class='ok'>healthy</span><td><td>"
    said = "Break it again" if is_mended else "Fix it"
    state = "<span class='ok'>mended</span>" if is_mended else "<span class='ill'>broken</span>"
    return (
        f"{told}<td>{state}<td>"
        f'<form method="post" action="demo"><input type="hidden" name="fix" value="{problem.name}">'
        f'<input type="hidden" name="on" value="{0 if is_mended else 1}"><button>{said}</button></form>'
        f'<td class="says" data-code="{problem.code}">'
    )


_SCRIPT = """
const short = (site) => site ? site.split("/").pop() : "";
const say = (cell, told) => {
  const code = cell.dataset.code, found = told.recommendations.find((each) => each.code === code);
  const fixed = told.fixed.find((each) => each.code === code);
  if (!code) cell.textContent = "see its route: no profiler looks into functions yet";
  else if (found) cell.textContent = `${code} at ${short(found.site) || found.route || found.object}`;
  else cell.textContent = fixed ? `fixed: ${fixed.proof || "not met any more"}` : "nothing yet";
};
const ask = async () => {
  try {
    const answer = await fetch("perfkit/api/overview");
    if (!answer.ok) return;
    const told = await answer.json();
    document.querySelectorAll("[data-code]").forEach((cell) => say(cell, told));
    document.querySelector(".score").hidden = !told.score;
    document.querySelector("#score").textContent = told.score ? told.score.value : "";
  } finally {
    setTimeout(ask, 2000);
  }
};
ask();
"""

"""What perfkit's own paths answer, asked of an app in this process or of a running service: the same looks at both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Protocol

from perfkit.cli.diagnosis.note import Note, fine, warned, wrong
from perfkit.cli.probing import Reply

__all__ = ["Asker", "dashboard", "strangers"]

POLICY = "content-security-policy"


class Asker(Protocol):
    """Whoever can be asked for a path."""

    def get(self, path: str, *, as_stranger: bool = False) -> Reply:
        """Return the answer to *path*; as a stranger without any token."""
        ...


def dashboard(asker: Asker, mount: str) -> Iterator[Note]:
    """Look at the page at *mount*: whether it answers, has one policy, and finds its own files below any prefix."""
    reply = asker.get(f"{mount}/")
    if reply.code != 200:
        yield wrong(
            "dashboard",
            f"{mount}/ answers {reply.code} to its own token",
            "Put perfkit outermost, so that nothing answers before it",
        )
        return
    yield fine("dashboard", f"{mount}/ answers")
    policies = reply.all(POLICY)
    if len(policies) == 1 and "script-src 'self'" in policies[0]:
        yield fine("policy", "there is exactly one content security policy, perfkit's own")
    else:
        said = "none" if not policies else f"{len(policies)}" if len(policies) > 1 else "another than perfkit's"
        yield wrong(
            "policy",
            f"of content security policies there is {said}; browsers obey all of them together",
            "Put perfkit outside the middleware, or the proxy, that sends its own",
        )
    yield _files(asker, mount, reply.body.decode("utf-8", "replace"))


def strangers(asker: Asker, mount: str, *, is_development: bool) -> Iterator[Note]:
    """Look whether somebody without a token sees the dashboard."""
    code = asker.get(f"{mount}/", as_stranger=True).code
    if code != 200:
        yield fine("strangers", f"without a token {mount}/ answers {code}, as your app does to what it does not have")
    elif is_development:
        yield fine("strangers", "without a token this machine sees the dashboard, as it may in development")
    else:
        yield wrong("strangers", "without a token the dashboard is seen", "Look at access.access; set PERFKIT_TOKEN")


def _files(asker: Asker, mount: str, page: str) -> Note:
    """Look whether every address of the page is relative, and whether its style sheet is there."""
    found = _Addresses()
    found.feed(page)
    absolute = [each for each in found.addresses if re.match(r"/|[a-z][a-z0-9+.-]*:", each, re.IGNORECASE)]
    sheets = [each for each in found.addresses if ".css" in each]
    if absolute:
        return wrong("prefix", f"the page has addresses that are not relative, such as {absolute[0][:80]}", "Report it")
    for sheet in sheets:
        code = asker.get(f"{mount}/{sheet.removeprefix('./')}").code
        if code != 200:
            return warned(
                "prefix",
                f"the page's style sheet answers {code}",
                "Let the proxy pass on everything below the dashboard's path",
            )
    return fine("prefix", "all addresses of the page are relative, so it works below any prefix")


class _Addresses(HTMLParser):
    """Collects the addresses of our own that a page holds."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if "external" not in (named.get("rel") or "").split():
            self.addresses += [value for name, value in attrs if name in ("href", "src", "action") and value]

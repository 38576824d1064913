"""A check that another service answers over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from perfkit.core.checks import CheckResult
from perfkit.core.errors import ConfigurationError
from perfkit.core.status import Status
from perfkit.health.dependencies.asked import Asked
from perfkit.health.dependencies.tcp import TIMEOUT

__all__ = ["http_check"]

MOST_HOPS = 3
"""Redirects that are followed, on the same host."""

MOST_BODY = 64 * 1024
REDIRECTS = (301, 302, 303, 307, 308)


def http_check(
    url: str,
    *,
    expect: int | Collection[int] | None = None,
    timeout: float = TIMEOUT,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> Callable[[], Any]:
    """Return a check that asks *url*.

    Args:
        url: With http or https; redirects are followed on the same host alone.
        expect: The status, or the statuses, of a good answer; None: any from 200 to 299.
        timeout: Seconds to connect, and to wait for each part of the answer.
        headers: Sent along, such as a token; never shown.
        method: GET or HEAD, mostly.

    Raises:
        ConfigurationError: The URL cannot be asked, or a header not be sent.
    """
    parts = _split(url)
    _check_headers(headers or {})
    wanted = {expect} if isinstance(expect, int) else None if expect is None else set(expect)
    sent = {"user-agent": "perfkit-health", "connection": "close", **(headers or {})}

    def ask() -> CheckResult:
        began, target, hops = time.perf_counter(), parts, 0
        while True:
            status, location = _request(target, method, sent, timeout)
            following = _same_host(target, location) if status in REDIRECTS and not _is_wanted(status, wanted) else None
            if following is None or hops == MOST_HOPS:
                break
            target, hops = following, hops + 1
        seconds = time.perf_counter() - began
        word = Status.HEALTHY if _is_wanted(status, wanted) else Status.CRITICAL
        return CheckResult(word, f"{parts.hostname} answered {status}", seconds, "seconds")

    return Asked(f"{parts.scheme}://{parts.hostname}", ask)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, is_good = urlsplit(""), False
    if not is_good or any(ord(character) <= 32 for character in url):
        raise ConfigurationError(
            "The URL of an HTTP check cannot be asked. It must begin with http:// or https:// and name a host. "
            "Write it as in http_check('https://api.example.com/health')."
        )
    return parts


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse now what http.client would refuse at each run, with the value, which may be a secret, in its words."""
    for name, value in headers.items():
        if not name.isprintable() or not all(" " <= letter <= "\xff" and letter != "\x7f" for letter in value):
            raise ConfigurationError(
                f"The header {name[:80]!r} of an HTTP check cannot be sent. Its value must be one line of Latin "
                "letters; a file's line break at its end is a common mistake. Correct it."
            )


def _is_wanted(status: int, wanted: set[int] | None) -> bool:
    return 200 <= status < 300 if wanted is None else status in wanted


def _same_host(target: SplitResult, location: str | None) -> SplitResult | None:
    """Return where *location* leads if that is the same host, None otherwise."""
    if not location:
        return None
    try:
        following = urlsplit(urljoin(target.geturl(), location))
        is_same = (following.hostname, following.port) == (target.hostname, target.port)
    except ValueError:
        return None
    # To https of the same host is no other place; away from it would show what was to be hidden.
    is_safe = following.scheme == target.scheme or (target.scheme, following.scheme) == ("http", "https")
    return following if is_same and is_safe else None


def _request(target: SplitResult, method: str, headers: Mapping[str, str], timeout: float) -> tuple[int, str | None]:
    import base64
    from http.client import HTTPConnection, HTTPSConnection
    from urllib.parse import unquote

    kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=timeout)
    sent = dict(headers)
    if target.username is not None:
        secret = f"{unquote(target.username)}:{unquote(target.password or '')}".encode()
        sent.setdefault("authorization", f"Basic {base64.b64encode(secret).decode()}")
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    try:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        answer.read(MOST_BODY)
        return answer.status, answer.getheader("location")
    finally:
        connection.close()

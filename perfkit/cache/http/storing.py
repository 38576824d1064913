"""May a response be kept? The rules of RFC 9111 for a shared cache, and some that are stricter.

Sources: RFC 9111 sections 3 (what may be stored), 3.5 (Authorization), 4.1 (Vary), 5.2.2 (directives); RFC 9110
section 15.1 (status codes that a cache may keep without being told how long).

Stricter than the RFC: nothing with Set-Cookie, no-cache or private is kept, qualified or not; no 5xx; no 206; no stream
of events; nothing that a request with cookies or a name got, unless the response is called public. An error of the
client's is kept only where it says for how long, as strangers can provoke it, but for 404 and 410, for a short time.
"""

from __future__ import annotations

from collections.abc import Mapping

from perfkit.cache.http.fields import Directives, members
from perfkit.cache.http.rules import Rule

__all__ = ["MISSING", "is_public", "may_be_authorized", "refusal", "varying"]

KNOWN = frozenset({200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501})
"""Status codes that we know how to keep; of others the response is passed on."""

BY_DEFAULT = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
"""Those of them that the seconds of the settings apply to."""

MISSING = (404, 410)
"""Status codes of what is not there."""

MOST_VARYING = 10
"""Names in Vary up to which responses are kept."""


def refusal(
    status: int, fields: Mapping[str, str], given: Directives, *, rule: Rule, route: str, identity: str, lifetime: float
) -> str:
    """Return in a word why the response must not be kept; empty if it may.

    Args:
        given: Its directives.
        route: The template with which the app answered, empty where that is not known.
        identity: What of the request says who asks, see `Identity.of`.
        lifetime: Seconds that it would be fresh, stale time included.
    """
    if status not in KNOWN:
        return "status"
    if not rule.is_route(route):
        return "other-route"
    # must-understand (section 5.2.2.3): who knows the status code, and we do, is to ignore no-store.
    if "no-store" in given and "must-understand" not in given:
        return "no-store"
    for word in ("private", "no-cache"):
        if word in given:
            return word
    if "set-cookie" in fields:
        return "set-cookie"
    if identity and not _is_shareable(given, identity):
        return identity
    if status not in BY_DEFAULT and not _says_how_long(fields, given):
        return "status"
    if varying(fields) is None:
        return "vary"
    if fields.get("content-type", "").startswith(("text/event-stream", "multipart/x-mixed-replace")):
        return "stream"
    if "content-range" in fields or "trailer" in fields:
        return "partial"
    return "" if lifetime > 0.0 else "expired"


def _is_shareable(given: Directives, identity: str) -> bool:
    return may_be_authorized(given) if identity == "authorization" else is_public(given)


def is_public(given: Directives) -> bool:
    """Return whether the response says that it is for everybody."""
    return "public" in given or "s-maxage" in given


def may_be_authorized(given: Directives) -> bool:
    """Return whether what a request with Authorization got may serve others (RFC 9111 section 3.5).

    Stricter: must-revalidate says so only beside max-age. Alone it is often written for "ask me each time", and the
    seconds of the settings would give one user's response to all.
    """
    return is_public(given) or ("must-revalidate" in given and "max-age" in given)


def _says_how_long(fields: Mapping[str, str], given: Directives) -> bool:
    return "s-maxage" in given or "max-age" in given or "expires" in fields


def varying(fields: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the names of the request's fields that the response differs by, in order; None if that has no end.

    What is encoded differs by Accept-Encoding, even where the server forgot to say so.
    """
    names = {name.lower() for name in members(fields.get("vary", ""))}
    if "content-encoding" in fields:
        names.add("accept-encoding")
    if "*" in names or len(names) > MOST_VARYING:
        return None
    return tuple(sorted(names))

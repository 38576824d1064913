"""Header fields: names, lists, dates and the directives of Cache-Control, read as leniently as is safe.

Sources: RFC 9110 sections 5.6 (lists, tokens, quoted strings, dates) and 7.6.1 (fields of one connection), RFC 9111
sections 1.2.2 (seconds) and 5.2 (directives).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

__all__ = ["HOP_BY_HOP", "Directives", "Pairs", "directives", "http_date", "joined", "members", "seconds", "without"]

Pairs: TypeAlias = "tuple[tuple[str, str], ...]"
"""Fields as they were sent: name in lower case and value."""

Directives: TypeAlias = "Mapping[str, tuple[str, ...]]"
"""Name in lower case and what was given for it each time, an empty text for nothing."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields of one connection, which are never kept."""

LONGEST = 1000
"""Characters of a field that are looked at; nobody needs longer ones, and strangers send them."""

MOST_SECONDS = 2**31
"""What more seconds than this count as (RFC 9111 section 1.2.2)."""

DIRECTIVE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]*)))?\s*(?=,|$)")
BETWEEN = re.compile(r"[\s,]*")
REST = re.compile(r"(?:\"(?:[^\"\\]|\\.)*\"|[^,])*")

UNREADABLE: Directives = MappingProxyType({"no-store": ("",), "private": ("",)})
"""What stands for directives that are too long to be read: the most careful ones."""


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the fields of *pairs* by name, values of one name joined as a list."""
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def members(text: str) -> list[str]:
    """Return the members of the list *text* without the space around them; empty ones do not count."""
    return [member for each in text.split(",") if (member := each.strip())]


def directives(text: str | None) -> Directives:
    """Return the directives of a Cache-Control field; what cannot be read is left out up to the next comma."""
    if not text:
        return _NONE
    return UNREADABLE if len(text) > LONGEST else _directives(text)


_NONE: Directives = MappingProxyType({})


@lru_cache(256)
def _directives(text: str) -> Directives:
    found: dict[str, tuple[str, ...]] = {}
    at = BETWEEN.match(text).end()  # type: ignore[union-attr]  # it matches nothing, too
    while at < len(text):
        match = DIRECTIVE.match(text, at)
        if match is not None:
            quoted, plain = match[2], match[3]
            value = plain or "" if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            name = match[1].lower()
            found[name] = (*found.get(name, ()), value)
        at = REST.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        at = max(BETWEEN.match(text, at).end(), at)  # type: ignore[union-attr]
    return MappingProxyType(found)


def seconds(values: Iterable[str]) -> int | None:
    """Return the seconds that a directive gives, the least if it was given more than once; None where one is none.

    A field with contradictions is to be distrusted (RFC 9111 section 4.2.1).
    """
    given = [
        int(value) if value.isascii() and value.isdigit() and len(value) < 20 else _long(value) for value in values
    ]
    least = [each for each in given if each is not None]
    return min(min(least), MOST_SECONDS) if given and len(least) == len(given) else None


def _long(value: str) -> int | None:
    return MOST_SECONDS if value.isascii() and value.isdigit() else None


@lru_cache(256)
def _http_date(text: str) -> float | None:
    parsed = parsedate_tz(text)
    # Only asctime's form may lack the zone, which is always Greenwich's.
    if parsed is None or not (text.endswith("GMT") or re.fullmatch(r"[A-Z][a-z]{2} [A-Z][a-z]{2} .*\d{4}", text)):
        return None
    year, month, day, hour, minute, second = parsed[:6]
    try:
        datetime(year, month, day, hour, minute, min(second, 59))
        return float(mktime_tz(parsed))
    except (OverflowError, ValueError):
        return None


def http_date(text: str | None) -> float | None:
    """Return the Unix seconds of a date in one of HTTP's three forms; None if it is none."""
    return None if text is None or len(text) > 60 else _http_date(text.strip())


def without(pairs: Iterable[tuple[str, str]], names: Iterable[str]) -> Pairs:
    """Return *pairs* without those called one of *names*."""
    names = frozenset(names)
    return tuple(pair for pair in pairs if pair[0] not in names)

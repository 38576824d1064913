"""Conditional requests: does the client have it already?

Source: RFC 9110 sections 8.8.3.2 (weak comparison), 13.1.2, 13.1.3 and 13.2.2 (order); RFC 9111 section 4.3.2 for what
stands for Last-Modified where a response has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from perfkit.cache.http.fields import http_date

__all__ = ["CONDITIONAL", "NONE", "Conditions", "conditions_of", "is_unmodified", "validating"]

CONDITIONAL = ("if-none-match", "if-modified-since")
"""The fields that the cache answers to, and takes away where it needs the whole response."""

LONGEST = 4096
TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class Conditions(NamedTuple):
    """What a client has already.

    Attributes:
        tags: Opaque parts of the entity tags in If-None-Match, ``*`` for any; None where there is no such field.
        since: Unix seconds of If-Modified-Since, which counts only without entity tags; None where it is none.
    """

    tags: frozenset[str] | None = None
    since: float | None = None


NONE = Conditions()


def conditions_of(headers: Mapping[str, str]) -> Conditions:
    """Return the conditions of a request with *headers*."""
    given = headers.get("if-none-match")
    if given is not None:
        if given.strip() == "*":
            return Conditions(frozenset("*"))
        return Conditions(frozenset(tag.removeprefix("W/") for tag in TAG.findall(given[:LONGEST])))
    since = headers.get("if-modified-since")
    return Conditions(since=http_date(since)) if since is not None else NONE


def is_unmodified(conditions: Conditions, status: int, validators: Mapping[str, Any]) -> bool:
    """Return whether a client with *conditions* has a response with *validators* already.

    Args:
        status: Only a 200 is answered with a 304.
        validators: The fields ``etag``, ``last-modified`` and ``date`` as far as they are there, and ``received`` (Unix
            seconds), which stands for Date.
    """
    tags, since = conditions
    if status != 200 or (tags is None and since is None):
        return False
    if tags is not None:
        tag = validators.get("etag")
        return "*" in tags or (tag is not None and tag.removeprefix("W/") in tags)
    modified = http_date(validators.get("last-modified"))
    if modified is None and "last-modified" not in validators:
        modified = http_date(validators.get("date"))
        if modified is None:
            modified = validators.get("received")
    return modified is not None and since is not None and modified <= since


def validating(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the conditions with which the app is asked whether a response with *headers* is still the same."""
    asked = {"etag": "if-none-match", "last-modified": "if-modified-since"}
    return tuple((asked[name], value) for name, value in headers if name in asked)

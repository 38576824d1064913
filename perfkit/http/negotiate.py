"""What of ours a reader of the metrics gets: pure functions over the Accept headers and the query.

Sources: RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3; Prometheus, "Scrape protocol content negotiation". Deviation: a
reader who accepts nothing of ours is answered in Prometheus text all the same, never with 406, which would mark a
target as down. JSON and CSV are only given to who asks with ``?format=``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from urllib.parse import parse_qsl

import msgspec

from perfkit.metrics.exposition.formats import Escaping, Format, content_type

__all__ = [
    "VARY",
    "BadQuery",
    "Choice",
    "accepted",
    "accepts_gzip",
    "choose",
    "fields",
    "gzipped",
    "speaks",
    "wanted_names",
]

VARY = "Accept, Accept-Encoding"
"""The value of the header ``Vary`` of every answer that was negotiated here."""

MAX_ENTRIES = 64
"""Entries of an Accept header that are read; the rest is ignored."""

MAX_NAMES = 256
"""Names that ``?name[]=`` may give."""

MAX_FIELDS = 1_000
"""Fields of a query that are read; the rest is ignored."""

_OPENMETRICS = "application/openmetrics-text"
_TEXT = "text/plain"
_VERSIONS = {
    (_TEXT, ""): (Format.PROMETHEUS, "0.0.4"),
    (_TEXT, "0.0.4"): (Format.PROMETHEUS, "0.0.4"),
    (_TEXT, "1.0.0"): (Format.PROMETHEUS, "1.0.0"),
    (_OPENMETRICS, ""): (Format.OPENMETRICS, "1.0.0"),
    (_OPENMETRICS, "0.0.1"): (Format.OPENMETRICS, "0.0.1"),
    (_OPENMETRICS, "1.0.0"): (Format.OPENMETRICS, "1.0.0"),
}
_WILD = {"*/*": (_TEXT, _OPENMETRICS), "text/*": (_TEXT,), "application/*": (_OPENMETRICS,)}
_ANY_JSON = ("*/*", "application/*")
_weight = re.compile(r"0(?:\.[0-9]{0,9})?|1(?:\.0{0,9})?").fullmatch


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer with."""

    format: Format
    content_type: str
    escaping: Escaping = Escaping.UNDERSCORES


class BadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query that cannot be answered: its status and a text for the reader."""

    message: str
    status: int = 400


class _Entry(msgspec.Struct, frozen=True):
    value: str
    weight: float
    parameters: dict[str, str]


def choose(accept: str, query: str = "") -> Choice | BadQuery:
    """Return the format for a request; ``?format=`` in *query* (the raw one) overrides the header *accept*."""
    wanted = [value for key, value in fields(query) if key == "format"]
    if not wanted:
        return accepted(accept)
    try:
        chosen = Format(wanted[-1].lower())
    except ValueError:
        return BadQuery(
            message=f"The format {wanted[-1][:100]!r} is unknown. Known are: {', '.join(Format)}. "
            "Use one of these, or leave format= out to let the Accept header decide."
        )
    return Choice(format=chosen, content_type=content_type(chosen))


def accepted(accept: str) -> Choice:
    """Return the format for the header *accept*: the highest weight wins, of equal ones the earlier."""
    entries = list(_entries(accept))
    refused = {
        media
        for entry in entries
        if entry.weight == 0 and entry.value != "*/*" and not entry.parameters.get("version")
        for media in _WILD.get(entry.value, (entry.value,))
    }
    for entry in sorted(entries, key=lambda entry: -entry.weight):
        choice = _served(entry, refused) if entry.weight > 0 else None
        if choice is not None:
            return choice
    return Choice(format=Format.PROMETHEUS, content_type=content_type(Format.PROMETHEUS))


def _served(entry: _Entry, refused: set[str]) -> Choice | None:
    """Return what we have for *entry*, or None; a wildcard stands for the first of ours that is not *refused*."""
    if entry.value in _WILD:
        left = [media for media in _WILD[entry.value] if media not in refused]
        known = _VERSIONS[left[0], ""] if left else None
    else:
        known = _VERSIONS.get((entry.value, entry.parameters.get("version", "")))
    if known is None:
        return None
    chosen, version = known
    escaping = Escaping.UNDERSCORES
    if version == "1.0.0" and entry.parameters.get("escaping") in list(Escaping):
        escaping = Escaping(entry.parameters["escaping"])
    return Choice(
        format=chosen, content_type=content_type(chosen, version=version, escaping=escaping), escaping=escaping
    )


def _entries(header: str) -> Iterator[_Entry]:
    """Yield the entries of an Accept header; those with a malformed weight are ignored."""
    for text in header.split(",", MAX_ENTRIES)[:MAX_ENTRIES]:
        value, *rest = text.split(";")
        parameters = {}
        for pair in rest:
            name, _, content = pair.partition("=")
            parameters[name.strip().lower()] = content.strip().strip('"')
        weight = parameters.pop("q", "1")
        if value.strip() and _weight(weight):
            yield _Entry(value.strip().lower(), float(weight), parameters)


def accepts_gzip(accept_encoding: str) -> bool:
    """Return True if gzip is welcome and not less so than the plain body."""
    weights = {entry.value: entry.weight for entry in reversed(list(_entries(accept_encoding)))}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def speaks(accept: str, version: int) -> bool:
    """Return False if the header *accept* wants JSON in other versions alone, such as ``application/json; version=2``.

    Who names no version takes what there is, whatever else he accepts.
    """
    if "version" not in accept.lower():
        return True
    entries = [entry for entry in _entries(accept) if entry.weight > 0]
    asked = [entry.parameters.get("version") for entry in entries if entry.value == "application/json"]
    is_choosy = any(each is not None for each in asked)
    return not is_choosy or bool({None, str(version)} & {*asked}) or any(each.value in _ANY_JSON for each in entries)


def gzipped(body: bytes) -> bytes:
    """Return *body* as gzip at level 1: metrics shrink by 10 to 20 times, higher levels cost more than they save."""
    return zlib.compress(body, level=1, wbits=31)


def wanted_names(query: str) -> frozenset[str] | BadQuery | None:
    """Return the names of ``?name[]=`` in the raw *query*; None if there are none, which means all metrics."""
    names = frozenset(value for key, value in fields(query) if key == "name[]" and value)
    if len(names) > MAX_NAMES:
        return BadQuery(
            message=f"{len(names)} different names were given. At most {MAX_NAMES} are allowed. "
            "Leave name[]= out to get all metrics."
        )
    return names or None


def fields(query: str) -> list[tuple[str, str]]:
    """Return the fields of a raw *query*, the first 1,000 of them."""
    few = "&".join(query.split("&", MAX_FIELDS)[:MAX_FIELDS])
    return parse_qsl(few, keep_blank_values=True, errors="replace")

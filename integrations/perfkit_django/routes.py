r"""The full template of the route that answered, as one series for a view: readable, and the same in every language.

`ResolverMatch.route` joins the texts of the patterns from the root to the view, and leaves out what they are: whether
``^items/(?P<id>\d+)/$`` is a regular expression, ``de/`` the prefix of a language or ``kontakt/`` a translated word. So
the patterns themselves are looked up, once for each route that is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.urls import get_resolver
from django.urls.resolvers import LocalePrefixPattern, RegexPattern
from django.utils.functional import Promise
from django.utils.translation import override

__all__ = ["readable", "template", "view_of"]

LANGUAGE = "<language>/"
"""Stands for the prefix of `i18n_patterns`, also where the default language has none."""

ARGUMENT = "<arg>"
"""Stands for a group without a name."""

MAX_DEPTH = 20

GROUP = re.compile(r"\(\?P?<(\w+)>")
PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
"""An escaped character, a character class or any single character."""

QUANTIFIERS = ("?", "*", "+")


def template(request: Any) -> str:
    """Return the template of the route that *request* was resolved to; empty where none matched, never a raw path."""
    match = request.resolver_match
    if match is None:
        return ""
    chain = _chain(get_resolver(getattr(request, "urlconf", None)), match, "", 0)
    if chain is None:
        return f"/{readable(match.route)}"
    texts = (getattr(pattern, "_route", None) or getattr(pattern, "_regex", "") for pattern in chain)
    if any(isinstance(text, Promise) for text in texts):
        with override(settings.LANGUAGE_CODE):
            return "/" + "".join(map(_part, chain))
    return "/" + "".join(map(_part, chain))


def view_of(method: str, route: str) -> object:
    """Return the view of the site whose template is *route*, None if there is none. No request pays for this."""
    with override(settings.LANGUAGE_CODE):
        for patterns, view in _views(get_resolver(), (), 0):
            if "/" + "".join(map(_part, patterns)) == route:
                return view
    return None


def _views(resolver: Any, above: tuple[Any, ...], depth: int) -> Iterator[tuple[tuple[Any, ...], object]]:
    """Give the patterns from below *resolver* down to each view, with the view."""
    for each in resolver.url_patterns if depth <= MAX_DEPTH else ():
        patterns = (*above, each.pattern)
        if hasattr(each, "url_patterns"):
            yield from _views(each, patterns, depth + 1)
        else:
            yield patterns, each.callback


def _chain(resolver: Any, match: Any, prefix: str, depth: int) -> list[Any] | None:
    """Return the patterns from below *resolver* down to the view of *match*, in whose route *prefix* comes first."""
    if depth > MAX_DEPTH:
        return None
    for each in resolver.url_patterns:
        text = str(each.pattern)
        joined = prefix + text.removeprefix("^") if prefix else text
        if not match.route.startswith(joined):
            continue
        if hasattr(each, "url_patterns"):
            below = _chain(each, match, joined, depth + 1)
            if below is not None:
                return [each.pattern, *below]
        elif joined == match.route and each.callback is match.func:
            return [each.pattern]
    return None


def _part(pattern: Any) -> str:
    if isinstance(pattern, LocalePrefixPattern):
        return LANGUAGE
    return readable(str(pattern)) if isinstance(pattern, RegexPattern) else str(pattern)


def readable(regex: str) -> str:
    """Return *regex* as a template: its groups as ``<name>``, without anchors, escapes and question marks."""
    return "".join(_simplified(iter(PIECE.findall(regex))))


def _simplified(pieces: Iterator[str]) -> Iterator[str]:
    is_after_group = False
    for piece in pieces:
        if piece == "(":
            yield from _of_group(_group(pieces))
        elif len(piece) == 2 and piece[0] == "\\":
            if piece[1] not in "AZzbB":
                yield piece if piece[1].isalnum() else piece[1]
        elif piece not in ("^", "$", "?") and not (is_after_group and piece in QUANTIFIERS):
            yield piece
        is_after_group = piece == "("


def _group(pieces: Iterator[str]) -> str:
    """Take the rest of a group out of *pieces*; return the whole without the parenthesis at its end."""
    whole, open_groups = "(", 1
    for piece in pieces:
        open_groups += (piece == "(") - (piece == ")")
        if not open_groups:
            break
        whole += piece
    return whole


def _of_group(group: str) -> Iterator[str]:
    if named := GROUP.match(group):
        yield f"<{named[1]}>"
    elif group.startswith("(?:"):
        inner = readable(group[3:])
        yield f"({inner})" if "|" in inner else inner
    elif not group.startswith("(?"):
        yield ARGUMENT

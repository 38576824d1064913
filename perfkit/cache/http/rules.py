"""The routes whose responses are cached: which of them, if any, a path belongs to before the app has seen it.

The templates of the settings are compiled once. A path is looked up first among those without parameters, then among
those that begin with the same segment, in the order of the settings. An app may have another route for the same path
(`/products/new` beside `/products/{id}`): so what it answered with is compared before anything is kept (`is_route`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["Rule", "Rules", "shape"]

PARAMETER = re.compile(r"\{(?:[^{}:]+)(?::([^{}]+))?\}|<(?:([^<>:]+):)?[^<>:]+>")
"""A parameter as Starlette writes it, ``{name:path}``, or as Flask and Django do, ``<path:name>``."""

LANGUAGE = "<language>/"
"""How perfkit writes the prefix of Django's `i18n_patterns`, which the default language may lack."""


class Rule:
    """One route of the settings.

    Attributes:
        name: As it stands in the settings, ``GET /products/{id}``; also the tag of all that is kept for it.
        seconds: How long a response is fresh that does not say itself.
        route: The template as the app's router has it, as soon as it is known.
        is_shared: The last response that was kept may be shared by those who say who they are.
    """

    __slots__ = ("_pattern", "_shape", "is_shared", "name", "route", "seconds", "template")

    def __init__(self, name: str, seconds: float) -> None:
        """Compile *name*."""
        self.name, self.seconds = name, seconds
        self.template = name.partition(" ")[2]
        self._shape = shape(self.template)
        self._pattern = _compiled(self.template)
        self.is_shared, self.route = False, ""

    def matches(self, path: str) -> bool:
        """Return whether the template stands for *path*."""
        return self._pattern.fullmatch(path) is not None

    def is_route(self, route: str) -> bool:
        """Return whether the app's *route* is the one meant; the names of parameters do not matter.

        Empty is a route that the adapter does not know: then the path alone decides.
        """
        return not route or route == self.template or shape(route) == self._shape


class Rules:
    """All routes of the settings, ready to be asked."""

    def __init__(self, routes: Mapping[str, float]) -> None:
        """Compile *routes*."""
        self._fixed: dict[str, Rule] = {}
        self._by_segment: dict[str, list[Rule]] = {}
        for name, seconds in routes.items():
            rule = Rule(name, seconds)
            if PARAMETER.search(rule.template) is None:
                self._fixed[rule.template] = rule
            else:
                self._by_segment.setdefault(_segment(rule.template), []).append(rule)

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._fixed or self._by_segment)

    def find(self, path: str) -> Rule | None:
        """Return the rule of *path*, without the app's root before it; None if there is none."""
        rule = self._fixed.get(path)
        if rule is not None or not self._by_segment:
            return rule
        end = path.find("/", 1)
        for segment in (path[1:end] if end > 0 else path[1:], ""):
            for rule in self._by_segment.get(segment, ()):
                if rule.matches(path):
                    return rule
        return None


def shape(template: str) -> str:
    """Return *template* with all parameters alike."""
    return PARAMETER.sub("{}", template)


def _segment(template: str) -> str:
    """Return the first segment of *template*, empty if it has a parameter in it."""
    first = template[1:].partition("/")[0]
    return "" if PARAMETER.search(first) else first


def _compiled(template: str) -> re.Pattern[str]:
    pattern, at = "", 0
    if template.startswith("/" + LANGUAGE):
        pattern, at = "/(?:[^/]+/)?", len(LANGUAGE) + 1
    for match in PARAMETER.finditer(template, at):
        pattern += re.escape(template[at : match.start()])
        pattern += ".+" if "path" in (match[1], match[2]) else "[^/]+"
        at = match.end()
    return re.compile(pattern + re.escape(template[at:]), re.DOTALL)

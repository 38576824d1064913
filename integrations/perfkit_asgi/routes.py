"""The full template of the route that answered, without matching anything again.

Starlette and FastAPI leave the matched route in the scope, but only its inner part: the prefixes of mounts and included
routers are lost, and the raw path of a mount is no label (its parameters would make a series each). So the tree of
routes is walked once and each route remembers the prefixes under which it can be reached. One sub-app mounted twice
gives a route several prefixes; then, and only then, the mount path of the request decides. Of what is not its own kind
of route (plain routes, mounted files) FastAPI leaves no more than the endpoint, which then stands for the route.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

__all__ = ["RouteTable", "Served", "matched", "route_key", "routed"]

MAX_DEPTH = 20
"""Levels of mounts that are walked; a cycle ends there."""

PARAMETER = re.compile(r"\{[^{}]*\}")


class _Place(NamedTuple):
    """Where a route can be reached.

    Attributes:
        prefix: Template of the mounts above it; of a mount, with its own.
        template: The whole; empty for a mount of routes, which only stands in the scope where none of them matched.
        is_mount: True where any path may follow the prefix.
    """

    prefix: str
    template: str
    is_mount: bool = False


_Reached: TypeAlias = tuple[object, Any, object, _Place]
"""What stands for a route in the scope, the route, its endpoint, and where it can be reached."""


class Served:
    """Stands in the scope for the route of a response that came out of the cache, where the app matched none."""

    __slots__ = ("path", "template")

    def __init__(self, template: str) -> None:
        """Stand for the route with *template*, which others look for in `path`."""
        self.template = self.path = template


def route_key(scope: Mapping[str, Any]) -> Any:
    """Return what tells the matched route of *scope* from others: cheap, as every request asks.

    The identity of the route or the endpoint that stands for it, and of the context that FastAPI keeps for a router
    included under a prefix. Identity, because routes define equality without a hash.
    """
    if "fastapi" in scope:
        context = scope["fastapi"].get("effective_route_context")
        if context is not None:
            return id(scope.get("route") or scope.get("endpoint")), id(context)
    return id(scope.get("route") or scope.get("endpoint"))


def matched(scope: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the objects whose identities `route_key` uses, to be held as long as a key is remembered."""
    context = scope["fastapi"].get("effective_route_context") if "fastapi" in scope else None
    return tuple(each for each in (scope.get("route") or scope.get("endpoint"), context) if each is not None)


class RouteTable:
    """The templates of one app's routes, found when first needed. Not thread-safe: one event loop asks."""

    def __init__(self) -> None:
        """Begin empty; `find` walks the app."""
        self._places: dict[int, list[_Place]] = {}
        self._held: list[object] = []
        self._root: Callable[[], Any] = _nothing

    def attach(self, app: object, scope: Mapping[str, Any]) -> None:
        """Take as the root the app that has routes: the one that the server called, or *app* or what it wraps."""
        root = routed(scope.get("app")) or routed(app)
        self._root = _weakly(root)

    def find(self, scope: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the template of the matched route and whether the route alone tells it.

        The template is empty where nothing matched or the route is not to be found; never a raw path.
        """
        route = scope.get("route")
        subject = route or scope.get("endpoint")
        if subject is None:
            return "", True
        if isinstance(route, Served):
            return route.template, True
        context = scope.get("fastapi", {}).get("effective_route_context")
        if context is not None and getattr(context, "original_route", None) is subject:
            subject = context
        known = self._look_up(subject)
        if len(known) > 1:
            return _chosen(known, scope, has_route=bool(route)), False
        if known:
            return known[0].template, True
        return (_own_path(route) if self._root() is None else ""), True

    def endpoint(self, method: str, template: str) -> object:
        """Return what answers *method* at *template*, None if nothing is known to. Any thread may ask."""
        for _, route, endpoint, place in _walked(getattr(self._root(), "routes", ()), "", 0):
            if place.template == template and method in (getattr(route, "methods", None) or (method,)):
                return endpoint
        return None

    def _look_up(self, subject: object) -> list[_Place]:
        known = self._places.get(id(subject))
        if known is None:
            self._places, self._held = {}, []
            for each, _, endpoint, place in _walked(getattr(self._root(), "routes", ()), "", 0):
                self._add(each, endpoint, place)
            known = self._known(subject)
        return known

    def _known(self, subject: object) -> list[_Place]:
        """Return the places of *subject*, which is held from now on: a route taken away must not leave its id."""
        known = self._places.get(id(subject))
        if known is None:
            known = self._places[id(subject)] = []
            self._held.append(subject)
        return known

    def _add(self, subject: object, endpoint: object, place: _Place) -> None:
        """Remember *place* for the route *subject* and for its *endpoint*; places with fewer parameters come first."""
        for each in (subject,) if endpoint is None else (subject, endpoint):
            known = self._known(each)
            if place not in known:
                known.append(place)
                known.sort(key=lambda one: one.template.count("{"))


def _walked(routes: Iterable[Any], prefix: str, depth: int) -> Iterator[_Reached]:
    if depth > MAX_DEPTH:
        return
    for subject, route in _expanded(routes):
        path = _own_path(route)
        inner = getattr(route, "routes", None) or getattr(routed(getattr(route, "app", None)), "routes", None)
        yield from _walked(inner or (), prefix + path, depth + 1)
        if inner or _is_mount(route):
            template = "" if inner else f"{prefix}{path}/{{path}}"
            yield subject, route, route.app, _Place(prefix + path, template, is_mount=True)
        elif path:
            yield subject, route, getattr(route, "endpoint", None), _Place(prefix, prefix + path)


def _expanded(routes: Iterable[Any]) -> Iterator[tuple[object, Any]]:
    """Give each route with the object that will stand for it in the scope, routers included by FastAPI opened."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route, route
            continue
        for context in contexts():
            starlette_route = getattr(context, "starlette_route", None)
            yield context, starlette_route or context
            if starlette_route:
                yield starlette_route, starlette_route


def _chosen(known: Iterable[_Place], scope: Mapping[str, Any], *, has_route: bool) -> str:
    """Return the template of the place that the request went to; an endpoint is told by the path, a route is known."""
    root = str(scope.get("root_path", ""))
    served = str(scope.get("app_root_path", root))
    mounted, path = root.removeprefix(served), str(scope["path"]).removeprefix(served)
    for place in known:
        is_there = has_route or place.is_mount or _as_pattern(place.template).fullmatch(path)
        if is_there and _as_pattern(place.prefix).fullmatch(mounted):
            return place.template
    return ""


def _own_path(route: Any) -> str:
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else ""


def _is_mount(route: Any) -> bool:
    """True for a mount of an app without routes of its own, such as a folder of files."""
    return hasattr(route, "app") and not hasattr(route, "endpoint")


def _nothing() -> None:
    return None


def _weakly(root: Any) -> Callable[[], Any]:
    """Return what gives *root* without holding it: the app holds us, and a dropped app shall be freed at once."""
    try:
        return weakref.ref(root)
    except TypeError:
        return lambda: root


def routed(app: Any) -> Any:
    """Return *app*, or what it wraps, that has a list of routes; None if there is none."""
    for _ in range(MAX_DEPTH):
        if app is None or isinstance(getattr(app, "routes", None), list):
            return app
        app = getattr(app, "app", None)
    return None


@lru_cache(1024)
def _as_pattern(template: str) -> re.Pattern[str]:
    """Return a pattern of the raw paths that *template* stands for; a ``:path`` parameter spans slashes."""
    pattern, at = "", 0
    for match in PARAMETER.finditer(template):
        pattern += re.escape(template[at : match.start()])
        pattern += ".*" if match.group().endswith(":path}") else "[^/]+"
        at = match.end()
    return re.compile(pattern + re.escape(template[at:]))

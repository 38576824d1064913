"""What happens to single keys that the counts of a namespace do not show: storms of misses, values too heavy."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from perfkit.cache.entry import Entry
from perfkit.core.code.sites import site_of
from perfkit.core.spans import Exchange, get_exchange, route_of

__all__ = ["MANY", "SLACK", "SOON", "Heavy", "Storm", "Traffic", "merged"]

MANY = 10
"""Callers at once, for one missing key, that make a storm."""

SOON = 1.0
"""Seconds after its coming in which a value that is stored again was made by callers unaware of each other."""

SLACK = 0.1
"""Seconds by which a value that is stored later may end earlier: its time to live was computed, and a thread waited."""

MOST = 50
"""Keys remembered of each kind."""

LONGEST = 80
CHANGING = re.compile(r"[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]+)*|\d+")


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """Callers that all wanted one missing key at the same time.

    Attributes:
        waited: Callers at once that waited for one load, at most.
        repeated: Times that its value was stored again within a second of its coming, at most.
        count: Times that there were `MANY` or more.
        site, function: The line of the user's code that asked for it, or stored it, in the last storm; empty where
            that is not known, as is the route.
    """

    namespace: str
    key: str
    waited: int = 0
    repeated: int = 0
    count: int = 0
    site: str = ""
    function: str = ""
    route: str = ""


class _Brewing:
    """A storm as it is counted; its exchange tells the route once the request is over."""

    __slots__ = ("count", "exchange", "function", "key", "namespace", "repeated", "route", "site", "waited")

    def __init__(self, namespace: str, key: str) -> None:
        self.namespace, self.key = namespace, key
        self.waited = self.repeated = self.count = 0
        self.site = self.function = self.route = ""
        self.exchange: Exchange | None = None

    def note_place(self) -> None:
        """Note who asks: called once a storm, so that no look-up pays for it."""
        site = site_of(sys._getframe(1))
        if site is not None:
            self.site, self.function = site.text, site.function
        self.exchange = get_exchange() or self.exchange

    def told(self) -> Storm:
        """Return what is known by now."""
        if self.exchange is not None and self.exchange[0]:
            self.route, self.exchange = route_of(self.exchange) or self.route, None
        return Storm(
            namespace=self.namespace,
            key=self.key,
            waited=self.waited,
            repeated=self.repeated,
            count=self.count,
            site=self.site,
            function=self.function,
            route=self.route,
        )


class Heavy:
    """Values of one kind of key that take much of the bound in bytes."""

    __slots__ = ("count", "key", "largest", "namespace", "refused")

    def __init__(self, namespace: str, key: str) -> None:
        """Begin with nothing."""
        self.namespace, self.key = namespace, key
        self.count = self.refused = self.largest = 0


class Traffic:
    """Remembers what was told, by kind of key. Told rarely; a lost count in a race does no harm."""

    def __init__(self) -> None:
        """Know nothing."""
        self._storms: dict[tuple[str, str], _Brewing] = {}
        self.heavy: dict[tuple[str, str], Heavy] = {}
        self._running: dict[tuple[str, Any], tuple[float, int]] = {}

    @property
    def storms(self) -> list[Storm]:
        """What is known of storms by now."""
        return [each.told() for each in list(self._storms.values())]

    def wait(self, namespace: str, key: Any, waiting: int) -> None:
        """*waiting* callers wait for one load of *key*."""
        storm = self._storm(namespace, key)
        if storm is not None:
            if waiting == MANY:
                storm.count += 1
                storm.note_place()
            storm.waited = max(storm.waited, waiting)

    def store_again(self, entry: Entry, fresh_until: float, now: float) -> None:
        """*entry* gets another value at *now*, with about the same end: soon after its coming that is a repetition."""
        if entry.space is not None and -SLACK < fresh_until - entry.due < SOON:
            self.repeat(entry.space.name, entry.key, now)

    def repeat(self, namespace: str, key: Any, now: float) -> None:
        """The value of *key*, which came a moment ago, is stored again."""
        running, place = self._running, (namespace, key)
        began, count = running.get(place, (now, 0))
        if now - began >= SOON:
            began, count = now, 0
        if not count and len(running) >= MOST:
            running.clear()
        count += 1
        running[place] = began, count
        if count >= MANY:
            storm = self._storm(namespace, key)
            if storm is not None:
                if count == MANY:
                    storm.count += 1
                    storm.note_place()
                storm.repeated = max(storm.repeated, count)

    def weigh(self, namespace: str, key: Any, size: int, *, is_refused: bool) -> None:
        """A value of *size* bytes takes much of the bound, or more than one may."""
        text = shape(key)
        heavy = self.heavy.get((namespace, text))
        if heavy is None:
            if len(self.heavy) >= MOST:
                return
            heavy = self.heavy.setdefault((namespace, text), Heavy(namespace, text))
        heavy.count += 1
        heavy.refused += is_refused
        heavy.largest = max(heavy.largest, size)

    def _storm(self, namespace: str, key: Any) -> _Brewing | None:
        text = shape(key)
        storm = self._storms.get((namespace, text))
        if storm is None and len(self._storms) < MOST:
            storm = self._storms.setdefault((namespace, text), _Brewing(namespace, text))
        return storm


def merged(storms: Iterable[Storm]) -> Storm:
    """Return one storm of what the workers know of it, what was told last first."""
    newest, *others = storms
    for each in others:
        newest = msgspec.structs.replace(
            newest,
            waited=max(newest.waited, each.waited),
            repeated=max(newest.repeated, each.repeated),
            count=newest.count + each.count,
            site=newest.site or each.site,
            function=newest.function or each.function,
            route=newest.route or each.route,
        )
    return newest


def shape(key: Any) -> str:
    """Return *key* as a short text without its numbers and long hexadecimal parts, which may be secrets."""
    text = key if isinstance(key, str) else ":".join(map(str, key)) if isinstance(key, tuple) else type(key).__name__
    return CHANGING.sub("#", text[: 4 * LONGEST])[:LONGEST]

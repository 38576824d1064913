"""A response cache in front of an origin that answers as it is told: what an adapter does, without any framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from perfkit.cache import CacheManager
from perfkit.cache.http import CacheRequest, HttpCache, Passage
from perfkit.cache.settings import CacheSettings, HttpCacheSettings
from perfkit.core.context import Context
from perfkit.store import Store
from perfkit.testing import FakeClock

__all__ = ["Got", "HttpSite"]


@dataclass
class Got:
    """What a client got.

    Attributes:
        is_asked: The origin was asked for it.
        asked_with: The headers with which it was.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_asked: bool
    asked_with: dict[str, str] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """What Cache-Status says."""
        return self.headers.get("cache-status", "")


class HttpSite:
    """One worker of a site.

    Attributes:
        response: Status, headers and body with which the origin answers.
        takes: Seconds that it takes for it.
    """

    def __init__(
        self,
        routes: Mapping[str, float] | None = None,
        *,
        clock: FakeClock | None = None,
        context: Context | None = None,
        value_format: Any = "raw",
        **options: Any,
    ) -> None:
        self.clock = clock or FakeClock()
        self.context = context or Context(store=Store(clock=self.clock), clock=self.clock)
        settings = CacheSettings(
            http_cache=dict(routes or {"GET /products": 30.0}),
            http=HttpCacheSettings(**options),
            value_format=value_format,
        )
        self.manager = CacheManager(settings=settings, context=self.context)
        self.cache = HttpCache(self.manager)
        self.response: tuple[int, dict[str, str], bytes] = (200, {}, b"one")
        self.takes = 0.0
        self.asked = 0
        self.refreshed = 0

    def date(self, offset: float = 0.0) -> str:
        """Return the HTTP date of *offset* seconds from now."""
        return formatdate(self.clock.time() + offset, usegmt=True)

    def enter(
        self, target: str = "/products", *, method: str = "GET", host: str = "shop.example", **headers: str
    ) -> Passage:
        fields = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        rule = self.cache.rules.find(target.partition("?")[0])
        assert rule is not None
        return self.cache.enter(CacheRequest(method=method, scheme="http", target=target, headers=fields), rule)

    def get(self, target: str = "/products", **given: Any) -> Got:
        """Send a request as an adapter does; with ``length=None`` the origin does not tell the length."""
        length, route, parts = given.pop("length", ""), given.pop("route", ""), given.pop("parts", None)
        passage = self.enter(target, **given)
        if passage.answer is not None:
            if passage.renewal is not None:
                self.refreshed += 1
                self._ask(passage.renewal, given, "", route, None)
            return self._got(passage.answer, is_asked=False)
        return self._ask(passage, given, length, route, parts)

    def _ask(self, passage: Passage, given: dict[str, str], length: Any, route: str, parts: Any) -> Got:
        removed, added = passage.asked()
        asked_with = {name.replace("_", "-"): value for name, value in given.items() if name not in ("method", "host")}
        asked_with = {name: value for name, value in asked_with.items() if name not in removed} | dict(added)
        self.asked += 1
        self.clock.advance(self.takes)
        status, headers, body = self.response
        sent = {name.lower(): value for name, value in headers.items()}
        if length is not None and status not in (204, 304):
            sent.setdefault("content-length", str(length) if length != "" else str(len(body)))
        pieces = parts or [body if given.get("method") != "HEAD" else b""]
        head, got, is_ended = None, [], False
        out = passage.start(status, tuple(sent.items()), route)
        outs = [out] if out is not None else []
        for place, piece in enumerate(pieces, 1):
            more = passage.take(piece, place == len(pieces))
            outs += [more] if more is not None else []
        for each in outs:
            assert not is_ended
            head = each.head or head
            got.append(each.body)
            is_ended = each.is_last
        passage.close()
        assert head is not None
        return Got(head[0], dict(head[1]), b"".join(got), True, asked_with)

    @staticmethod
    def _got(answer: Any, *, is_asked: bool) -> Got:
        return Got(answer.status, dict(answer.headers), answer.body, is_asked)

    def change(self, method: str, target: str, status: int, **headers: str) -> None:
        """Have a request with an unsafe method answered."""
        request = CacheRequest(method=method, scheme="http", target=target, headers={"host": "shop.example"})
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.cache.invalidate(self.cache.changed(request, status, pairs))

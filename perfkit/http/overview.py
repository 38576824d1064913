"""The overview as a page and as JSON, computed once a second however many tabs are open."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from perfkit.config.sections import HttpSettings
from perfkit.core.clock import Clock
from perfkit.core.message import Request, Response
from perfkit.http.negotiate import accepts_gzip, gzipped
from perfkit.http.responses import entity_tag, is_unchanged, reply

if TYPE_CHECKING:
    from perfkit.dashboard import OverviewData

__all__ = ["Overview"]

LIFETIME = 1.0
"""Seconds for which one computation answers everybody."""

_MOST_BODIES = 16
_VARY = ("vary", "Accept-Encoding")
_HOST = re.compile(r"[A-Za-z0-9.\-:\[\]]{1,260}")


class _Kept:
    """One computation, until when it is good (monotonic seconds), and the bodies already made of it."""

    __slots__ = ("_bodies", "data", "until")

    def __init__(self, data: OverviewData, until: float) -> None:
        self.data, self.until = data, until
        self._bodies: dict[tuple[object, ...], bytes] = {}

    def body(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """Return the body for *key*; kept while there are few, as a visitor's Host is part of some keys."""
        body = self._bodies.get(key)
        if body is None:
            body = make()
            if len(self._bodies) < _MOST_BODIES:
                self._bodies[key] = body
        return body


class Overview:
    """The two answers, kept for `LIFETIME`. Thread-safe: while one thread computes, others get what was."""

    __slots__ = ("_clock", "_compute", "_kept", "_links", "_lock", "_mount")

    def __init__(self, compute: Callable[[], OverviewData], *, http: HttpSettings, clock: Clock) -> None:
        """Answer with what *compute* returns."""
        self._compute, self._clock = compute, clock
        self._mount = f"{http.prefix}{http.dashboard_path}"
        self._links = _links(http, self._mount)
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def page(self, request: Request) -> Response:
        """Answer with the page."""
        from perfkit.dashboard import live_interval, overview

        kept = self._fresh()
        live, url = live_interval(request.query), self._url(request)

        def render() -> bytes:
            shown = msgspec.structs.replace(kept.data, live=live, **({"page_url": url} if url else {}), **self._links)
            return overview(shown).encode("utf-8", "replace")

        body = kept.body((live, url), render)
        return _reply(request, kept, (live, url), body, "text/html; charset=utf-8")

    def document(self, request: Request) -> Response:
        """Answer with the JSON; 304 where the reader has it."""
        kept = self._fresh()
        body = kept.body(("json",), lambda: msgspec.json.encode(_document(kept.data)))
        tag = (("etag", entity_tag(body)),)
        if is_unchanged(request, tag[0][1]):
            return reply(b"", content_type="", status=304, headers=(*tag, _VARY))
        return _reply(request, kept, ("json",), body, "application/json", tag)

    def _fresh(self) -> _Kept:
        """Return data at most `LIFETIME` old; older if another thread computes just now."""
        kept = self._kept
        if kept is not None and self._clock.monotonic() < kept.until:
            return kept
        if not self._lock.acquire(blocking=kept is None) and kept is not None:
            return kept
        try:
            kept = self._kept
            if kept is None or self._clock.monotonic() >= kept.until:
                data = self._compute()
                kept = self._kept = _Kept(data, self._clock.monotonic() + LIFETIME)
            return kept
        finally:
            self._lock.release()

    def _url(self, request: Request) -> str:
        """Return the page's absolute URL as the visitor reached it; empty if its Host is no host."""
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            return ""
        return f"{'https' if request.scheme == 'https' else 'http'}://{host}{request.root_path}{self._mount}/"


def _reply(
    request: Request,
    kept: _Kept,
    key: tuple[object, ...],
    body: bytes,
    content_type: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """Return *body*, compressed for who takes that; a page of 60 kB shrinks to 10."""
    headers = (*headers, _VARY)
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        plain = body
        body = kept.body(("gzip", *key), lambda: gzipped(plain))
        headers = (*headers, ("content-encoding", "gzip"))
    return reply(body, content_type=content_type, headers=headers)


def _links(http: HttpSettings, mount: str) -> dict[str, str]:
    """Return where the page finds its neighbours, relative to itself: a proxy may have put it below any prefix."""
    up = "../" * mount.count("/")

    def link(path: str | None) -> str:
        return up + f"{http.prefix}{path}".removeprefix("/") if path else ""

    return {"home_url": up, "health_url": link(http.health_path), "metrics_url": link(http.metrics_path)}


def _document(data: OverviewData) -> dict[str, object]:
    from perfkit.snapshot import SCHEMA_VERSION

    return {
        "version": SCHEMA_VERSION,
        "at": data.at,
        "service": data.service,
        "environment": data.environment,
        "release": data.release,
        "perfkit": data.version,
        "is_shared": data.is_shared,
        "degraded": data.degraded,
        "expected_workers": data.expected_workers,
        "overhead": data.overhead,
        "targets": data.targets,
        "verdict": data.verdict,
        "score": data.score,
        "recommendations": data.recommendations,
        "performance": None if "performance" in data.missing else data.performance,
        "health": None if "health" in data.missing else data.health,
        "cache": data.cache,
        "database": data.database,
        "load_balancer": data.load_balancer,
    }

"""The pages of the dashboard and their JSON, each view computed once a second however many tabs are open."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from perfkit.config.sections import HttpSettings
from perfkit.core.clock import Clock
from perfkit.core.message import Request, Response
from perfkit.http.dashboard.kept import Computed, Kept, KeptViews
from perfkit.http.negotiate import accepts_gzip, gzipped
from perfkit.http.peers import PeerWindow, peer_group
from perfkit.http.responses import entity_tag, is_unchanged, reply, text

if TYPE_CHECKING:
    from perfkit.dashboard import Done, Entry, Given, OverviewData

    Gather = Callable[[Entry, OverviewData, Given], object]

__all__ = ["RATE", "TOO_MANY", "Pages", "answered"]

RATE = 20
"""Requests a second that one peer may make to the JSON, and views that it may have computed."""

MOST_ACTIONS = 32
"""Actions whose page was shown here, so that it is computed anew for the first time only."""

_VARY = ("vary", "Accept-Encoding")
_DONE = re.compile(r"(?:^|&)done=([0-9a-f]{12})(?=&|\Z)")
_HOST = re.compile(r"[A-Za-z0-9.\-:\[\]]{1,260}")


class Pages:
    """All pages. Thread-safe."""

    __slots__ = (
        "_actions",
        "_asked",
        "_clock",
        "_compute",
        "_computing",
        "_find_done",
        "_gather",
        "_links",
        "_mount",
        "_shared",
        "_views",
    )

    def __init__(
        self,
        compute: Callable[[], OverviewData],
        gather: Gather,
        find_done: Callable[[str], Done | None],
        *,
        http: HttpSettings,
        clock: Clock,
    ) -> None:
        """Show the same on all pages, and on each what is gathered for it.

        Args:
            compute: Returns what all pages show.
            gather: Returns what one view of a page shows beyond that.
            find_done: Returns the action of an id, None where it is not known.
            http: Where the pages lie.
            clock: The time.
        """
        self._compute, self._gather, self._find_done, self._clock = compute, gather, find_done, clock
        self._mount = f"{http.prefix}{http.dashboard_path}"
        self._links = _links(http, self._mount)
        self._shared: Kept[OverviewData]
        self._views: KeptViews[tuple[OverviewData, object]]
        self._actions: dict[str, Done] = {}
        self.forget()
        self._asked = PeerWindow(limit=RATE, seconds=1.0)
        self._computing = PeerWindow(limit=RATE, seconds=1.0)

    def page(self, request: Request, name: str, token: str = "") -> Response:
        """Answer with the page called *name*; 304 where the reader has it.

        Args:
            token: What the forms of this visitor bring; empty for who may not act.
        """
        from perfkit.dashboard import given_of, live_interval, page_entry, render

        entry = page_entry(name)
        given = given_of(entry, request.query)
        done = self._done(request)
        view = self._view(request, entry, given)
        if view is None:
            return TOO_MANY
        live, url = live_interval(request.query), self._url(request)

        def make() -> bytes:
            shown, found = view.data
            own = {"page_url": url} if url else {}
            here = msgspec.structs.replace(shown, live=live, action_token=token, done=done, **own, **self._links)
            return render(entry, here, found, given).encode("utf-8", "replace")

        return answered(request, view, (live, url, token, done.id if done else ""), make, "text/html; charset=utf-8")

    def forget(self) -> None:
        """Compute everything anew: the visitor has changed something and wants to see it."""
        self._shared, self._views = Kept(self._clock), KeptViews(self._clock)

    def document(self, request: Request, name: str) -> Response:
        """Answer with the JSON of the page called *name*; 304 where the reader has it."""
        from perfkit.dashboard import encode, given_of, page_entry

        if not self._asked.add(peer_group(request.peer), self._clock.monotonic()):
            return TOO_MANY
        entry = page_entry(name)
        given = given_of(entry, request.query)
        view = self._view(request, entry, given)
        if view is None:
            return TOO_MANY
        return answered(request, view, "json", lambda: encode(entry, *view.data, given), "application/json")

    def _done(self, request: Request) -> Done | None:
        """Return the action that led here, None if none did.

        Another worker may have done it, so what was computed here before is not what its page should show. To look it
        up is to read what all workers keep: as dear as a page, and as seldom for one peer.
        """
        named = _DONE.search(request.query[:4096])
        if named is None:
            return None
        known = self._actions.get(named[1])
        if known is None and self._computing.add(peer_group(request.peer), self._clock.monotonic()):
            known = self._find_done(named[1])
            if known is not None:
                while len(self._actions) >= MOST_ACTIONS:
                    self._actions.pop(next(iter(self._actions)), None)
                self._actions[named[1]] = known
                self.forget()
        return known

    def _view(self, request: Request, entry: Entry, given: Given) -> Computed[tuple[OverviewData, object]] | None:
        """Return what is shown; None where the peer has had too much computed within a second."""
        kept = self._views.of((entry.name, given.key))
        if not kept.is_fresh and not self._computing.add(peer_group(request.peer), self._clock.monotonic()):
            return None

        def compute() -> tuple[OverviewData, object]:
            shown = self._shared.get(self._compute).data
            return shown, self._gather(entry, shown, given)

        return kept.get(compute)

    def _url(self, request: Request) -> str:
        """Return the overview's absolute URL as the visitor reached it; empty if its Host is no host."""
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            return ""
        return f"{'https' if request.scheme == 'https' else 'http'}://{host}{request.root_path}{self._mount}/"


TOO_MANY = text(
    f"More than {RATE} requests a second came from your address. Try again in a second.",
    status=429,
    headers=(("retry-after", "1"),),
)


def answered(
    request: Request,
    view: Computed[Any],
    key: object,
    make: Callable[[], bytes],
    content_type: str,
) -> Response:
    """Return what *make* makes, compressed for who takes that: a page of 60 kB shrinks to 10."""
    body = view.body((key, "plain"), make)
    tag = view.body((key, "tag"), lambda: entity_tag(body).encode()).decode()
    headers: tuple[tuple[str, str], ...] = (("etag", tag), _VARY)
    if is_unchanged(request, tag):
        return reply(b"", content_type="", status=304, headers=headers)
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        plain = body
        body = view.body((key, "gzip"), lambda: gzipped(plain))
        headers = (*headers, ("content-encoding", "gzip"))
    return reply(body, content_type=content_type, headers=headers)


def _links(http: HttpSettings, mount: str) -> dict[str, str]:
    """Return where the page finds its neighbours, relative to itself: a proxy may have put it below any prefix."""
    up = "../" * mount.count("/")

    def link(path: str | None) -> str:
        return up + f"{http.prefix}{path}".removeprefix("/") if path else ""

    return {"home_url": up, "health_url": link(http.health_path), "metrics_url": link(http.metrics_path)}

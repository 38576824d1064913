"""What an adapter has of the flight recorder: it offers exchanges, and asks who may have one kept and be told.

Nothing is told to anybody, unless a visitor asks for it with the header ``X-Perfkit-Record: 1`` and may see the
dashboard: by the app's own access function, or by the token in ``X-Perfkit-Token``. `Authorization` is the app's own
here, and so is the query. In production that is off until a setting switches it on. In development each request of
this very machine is kept and told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from perfkit.core.message import Request
from perfkit.core.spans import Exchange, get_exchange

if TYPE_CHECKING:
    from perfkit.store import Row
    from perfkit.system import PerformanceSystem

__all__ = ["ASK", "EVERY", "KEPT_HEADERS", "NO_ROWS", "TOKEN", "Asked", "Keeping"]

ASK, TOKEN = "x-perfkit-record", "x-perfkit-token"

KEPT_HEADERS = ("accept", "content-type", "content-length", "user-agent", "x-request-id")
"""Headers of a request that are kept with it; no other is looked at."""


class _Every(frozenset[str]):
    """All paths: an adapter that asks this takes each request the long way, where it is looked at."""

    def __contains__(self, path: object) -> bool:
        return True


class _NoRows(dict[Any, Any]):
    """No series is known: an adapter that asks this ends the exchange the long way, where it is offered."""

    def __getitem__(self, key: object) -> Any:
        raise KeyError(key)


EVERY, NO_ROWS = _Every(), _NoRows()


class Asked(msgspec.Struct, eq=False):
    """An exchange that somebody asked for, who may.

    Attributes:
        id: Under which it will be kept.
        page: The path of its page, from the host on; the id alone where there is no dashboard.
        began: `time.perf_counter` of its begin.
        before: What was the current exchange then: where it still is, none was opened since.
    """

    id: str
    page: str
    began: float
    before: Exchange | None = None

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return what the response tells, as of now: called when its head goes out."""
        from perfkit.http.recording.timing import server_timing

        spans = get_exchange()
        ended = [] if spans is None or spans is self.before else spans[1:]
        return (("x-perfkit-request", self.page), ("server-timing", server_timing(ended, perf_counter() - self.began)))


class Keeping:
    """The recorder of one system, for one adapter. Thread-safe; nothing that it is given can make it raise.

    Attributes:
        listens: True where requests may ask by the header: an adapter then takes each the long way, as `EVERY` has it,
            so that nobody pays for a look at the headers elsewhere.
        looks_at_all: True where those of this machine need not ask, as in development.
    """

    __slots__ = ("_aadmits", "_admits", "_errors", "_mount", "_recorder", "listens", "looks_at_all")

    def __init__(
        self,
        system: PerformanceSystem,
        admits: Callable[[Request], bool],
        aadmits: Callable[[Request], Awaitable[bool]],
    ) -> None:
        """Offer to the recorder of *system*, if it has one.

        Args:
            admits, aadmits: Whether a request comes from one who may see the dashboard, sync and async.
        """
        config = system.config
        self._recorder = system.recorder if config.recorder.enabled else None
        self._errors, self._admits, self._aadmits = system.errors, admits, aadmits
        wished, is_production = config.recorder.on_request, config.environment == "production"
        is_wished = not is_production if wished is None else wished
        self.listens = config.recorder.enabled and is_wished and config.access.access != "off"
        self.looks_at_all = self.listens and config.environment == "development" and config.access.access == "auto"
        path = config.http.dashboard_path
        self._mount = None if path is None else f"{config.http.prefix}{path}"

    def watch(self, row: Row) -> None:
        """Have the recorder choose among the exchanges of *row*."""
        if self._recorder is not None:
            self._recorder.watch(row)

    def keep(
        self,
        row: Row,
        seconds: float,
        spans: Exchange | None,
        began: float,
        *,
        first: float = 0.0,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        error: BaseException | None = None,
        asked: Asked | None = None,
    ) -> None:
        """Offer an exchange; see `FlightRecorder.keep`. *first* is `time.perf_counter`, 0 where there is none."""
        if self._recorder is not None:
            with self._errors.guarded("recorder", "an exchange could not be kept"):
                self._recorder.keep(
                    row,
                    seconds,
                    spans,
                    began=began,
                    first=first - began if first else None,
                    query=query,
                    headers=headers,
                    error=error,
                    asked="" if asked is None else asked.id,
                )

    def ask(self, request: Request) -> Asked | None:
        """Return what is to be told in the response to *request*; None where nobody asks or may."""
        found = None
        with self._errors.guarded("recorder", "could not decide who may have a request kept"):
            if self._is_meant(request) and self._admits(_as_visitor(request)):
                found = self._asked(request)
        return found

    async def aask(self, request: Request) -> Asked | None:
        """Do what `ask` does, and await the app's access function where it is async."""
        found = None
        with self._errors.guarded("recorder", "could not decide who may have a request kept"):
            if self._is_meant(request) and await self._aadmits(_as_visitor(request)):
                found = self._asked(request)
        return found

    def _is_meant(self, request: Request) -> bool:
        return self.looks_at_all or (self.listens and request.headers.get(ASK) == "1")

    def _asked(self, request: Request) -> Asked:
        from secrets import token_hex

        name = token_hex(8)
        page = name if self._mount is None else f"{_path(request.root_path)}{self._mount}/request?id={name}"
        return Asked(name, page, perf_counter(), get_exchange())


def _as_visitor(request: Request) -> Request:
    """Return *request* with our own token as its only credential: that of the app is none of our business."""
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    token = headers.pop(TOKEN, "")
    if token:
        headers["authorization"] = f"Bearer {token}"
    return msgspec.structs.replace(request, headers=headers, query="", method="GET")


def _path(root: str) -> str:
    """Return the application root as a header may hold it; nothing of one with other signs."""
    return root if root.isascii() and root.isprintable() and " " not in root else ""

"""Kept exchanges as JSON: the list with its filters, and one of them whole."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

import msgspec

from perfkit.core.clock import Clock
from perfkit.core.message import SCHEMA_VERSION, Request, Response, json_bytes
from perfkit.http.access import Decision
from perfkit.http.dashboard.pages import RATE, TOO_MANY
from perfkit.http.negotiate import accepts_gzip, gzipped
from perfkit.http.peers import PeerWindow, peer_group
from perfkit.http.responses import reply, text

if TYPE_CHECKING:
    from perfkit.recorder.kept import KeptExchange

__all__ = [
    "LONGEST_ROUTE",
    "LONGEST_WAIT",
    "MOST_LISTED",
    "UNTOLD",
    "KeptAnswers",
    "KeptKind",
    "KeptRequests",
    "Wanted",
]

MOST_FIELDS = 16
MOST_LISTED = 500
LONGEST_ROUTE = 1024
LONGEST_WAIT = 86_400
LONGEST_QUERY = 8192

UNTOLD = ("spans", "headers", "exception")
"""Fields of a kept exchange that a list leaves out."""

_is_status = re.compile(r"[1-5](?:[0-9][0-9]|xx)|0").fullmatch
_is_id = re.compile(r"[0-9a-f]{16}").fullmatch
_is_whole = re.compile(r"[0-9]{1,9}").fullmatch
_is_number = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:e-?[0-9]{1,2})?").fullmatch
_SMALLEST_GZIP = 512


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a list; see `FlightRecorder.list`."""

    route: str | None = None
    status: str | None = None
    reason: str | None = None
    min_seconds: float = 0.0
    max_seconds: float = math.inf
    since: float = 0.0
    until: float = math.inf
    limit: int = 100


class KeptKind(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one kind: how many, and the seconds in which at least one of them ran."""

    count: int
    seconds: float


class KeptAnswers(Protocol):
    """What is asked of a system."""

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    def kept_exchanges(self, wanted: Wanted) -> tuple[KeptExchange, ...]:
        """Return the kept exchanges that are *wanted*, newest first."""
        ...

    def kept_exchange(self, id: str) -> KeptExchange | None:
        """Return the kept exchange *id*."""
        ...


class KeptRequests:
    """The two answers. Thread-safe.

    They are no pages, so they are made anew each time: what is kept is read at most once a second anyway.
    """

    __slots__ = ("_answers", "_asked")

    def __init__(self, answers: KeptAnswers) -> None:
        """Tell what *answers* knows."""
        self._answers = answers
        self._asked = PeerWindow(limit=RATE, seconds=1.0)

    def several(self, request: Request, decision: Decision) -> Response:
        """Answer with the kept exchanges that *request* asks for, newest first, without their spans."""
        if not self._may_ask(request):
            return TOO_MANY
        wanted = _wanted(request.query)
        if isinstance(wanted, str):
            return text(wanted, status=400)
        return _json(
            request,
            {"version": SCHEMA_VERSION, "requests": [_short(each) for each in self._answers.kept_exchanges(wanted)]},
        )

    def one(self, request: Request, decision: Decision) -> Response:
        """Answer with the kept exchange that *request* names, with its spans."""
        if not self._may_ask(request):
            return TOO_MANY
        fields = _fields(request.query)
        name = "" if fields is None else fields.get("id", "")
        if not _is_id(name):
            return text(
                "id is the 16 letters and digits that a list or the header X-Perfkit-Request tells.", status=400
            )
        found = self._answers.kept_exchange(name)
        if found is None:
            return text("This request is not kept (any more). Older ones make room for newer ones.", status=404)
        return _json(request, {"version": SCHEMA_VERSION, "request": found})

    def _may_ask(self, request: Request) -> bool:
        return self._asked.add(peer_group(request.peer), self._answers.clock.monotonic())


def _wanted(query: str) -> Wanted | str:
    """Return what *query* asks for, or what is wrong with it."""
    from perfkit.recorder.kept import REASONS

    fields = _fields(query)
    if fields is None:
        return (
            f"The query has more than {MOST_FIELDS} fields or cannot be read. "
            "Use route, status, reason, min_seconds, max_seconds, from, to, limit."
        )
    status = fields.get("status")
    if status is not None and not _is_status(status):
        return "status is three digits, or a class of them such as 5xx."
    if len(fields.get("route", "")) > LONGEST_ROUTE:
        return f"route has more than {LONGEST_ROUTE} characters."
    if fields.get("reason") not in (None, *REASONS):
        return f"reason is one of {', '.join(REASONS)}."
    limit = fields.get("limit", "100")
    if not _is_whole(limit) or not 1 <= int(limit) <= MOST_LISTED:
        return f"limit is a whole number from 1 to {MOST_LISTED}."
    numbers = {name: fields[name] for name in ("min_seconds", "max_seconds", "from", "to") if name in fields}
    if not all(map(_is_number, numbers.values())):
        return "min_seconds and max_seconds are numbers of seconds, from and to Unix seconds."
    seconds = {name: float(said) for name, said in numbers.items()}
    if any(not 0.0 <= seconds.get(name, 0.0) <= LONGEST_WAIT for name in ("min_seconds", "max_seconds")):
        return f"min_seconds and max_seconds are from 0 to {LONGEST_WAIT}."
    return Wanted(
        route=fields.get("route"),
        status=status,
        reason=fields.get("reason"),
        min_seconds=seconds.get("min_seconds", 0.0),
        max_seconds=seconds.get("max_seconds", math.inf),
        since=seconds.get("from", 0.0),
        until=seconds.get("to", math.inf),
        limit=int(limit),
    )


def _fields(query: str) -> dict[str, str] | None:
    """Return the fields of *query*, of repeated ones the last; None where there are too many or it is far too long."""
    if len(query) > LONGEST_QUERY:
        return None
    try:
        found = parse_qs(query, max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        return None
    return {name: values[-1] for name, values in found.items()}


def _short(kept: KeptExchange) -> dict[str, Any]:
    """Return *kept* without what only its own page shows."""
    from perfkit.recorder.folding import busy

    kinds = {}
    for kind in dict.fromkeys(span.kind for span in kept.spans):
        spans = [span for span in kept.spans if span.kind == kind]
        seconds = busy([each for span in spans for each in span.intervals])
        kinds[kind] = KeptKind(count=sum(span.count for span in spans), seconds=round(seconds, 6))
    fields = {name: value for name, value in msgspec.structs.asdict(kept).items() if name not in UNTOLD}
    return {**fields, "kinds": kinds}


def _json(request: Request, document: dict[str, Any]) -> Response:
    body = json_bytes(document)
    headers: tuple[tuple[str, str], ...] = (("vary", "Accept-Encoding"),)
    if len(body) >= _SMALLEST_GZIP and accepts_gzip(request.headers.get("accept-encoding", "")):
        body, headers = gzipped(body), (*headers, ("content-encoding", "gzip"))
    return reply(body, content_type="application/json", headers=headers)

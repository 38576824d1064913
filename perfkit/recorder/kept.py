"""A kept exchange: what is told of one request, without anything that a visitor would not want told.

No body, no cookie, no credential, no value of a query, no local variable: what is not here was never written anywhere.
"""

from __future__ import annotations

import msgspec

__all__ = ["REASONS", "KeptError", "KeptExchange", "KeptFrame", "KeptSpan"]

REASONS = ("error", "slow", "sample", "asked")
"""Why an exchange is kept, one of them each."""


class KeptSpan(msgspec.Struct, frozen=True, kw_only=True):
    """Equal spans of one exchange: same kind, name and site.

    Attributes:
        kind: ``sql``, ``cache``, ``outbound``, ``template`` or ``python``.
        site: ``path:line`` of the user's own code, or empty.
        variant: What tells spans of one name apart: the id of a statement's shape, ``failed``; empty for most.
        count: How many there were.
        min, median, max, total: Seconds of them.
        intervals: Start (seconds after the exchange began) and seconds of each, by start. Of very many some stand
            together as one, whose seconds are their sum.
        details: What was said of them (rows, hit or miss, status), and how often; the first few.
    """

    kind: str
    name: str
    site: str = ""
    variant: str = ""
    count: int = 1
    min: float = 0.0
    median: float = 0.0
    max: float = 0.0
    total: float = 0.0
    intervals: tuple[tuple[float, float], ...] = ()
    details: dict[str, int] = msgspec.field(default_factory=dict)


class KeptFrame(msgspec.Struct, frozen=True, array_like=True):
    """A line of code that an exception came through.

    Attributes:
        path: Relative to the working directory, or to where packages are installed.
    """

    path: str
    line: int
    function: str


class KeptError(msgspec.Struct, frozen=True, kw_only=True):
    """The exception that ended an exchange.

    Attributes:
        type: Its class.
        message: What it says, without what looks like a secret or personal.
        frames: Outermost first; of a very deep stack the two ends.
    """

    type: str
    message: str
    frames: tuple[KeptFrame, ...] = ()


class KeptExchange(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange.

    Attributes:
        at: Unix seconds at which it began.
        seconds: Until the last body chunk was handed to the server.
        reason: ``error``, ``slow``, ``sample`` or ``asked``.
        route: Full template; empty where none matched.
        status: 0 where none was sent.
        error: The `error_type`, empty where it did not fail.
        first_byte: Seconds until the first chunk of a stream; None for others.
        worker, pid: Who served it.
        query: The keys of the query string, each value as ``█``.
        headers: Of the request, those few that are safe to tell.
        spans: By the start of their first.
        span_count: All that were recorded, also those beyond the bound.
    """

    id: str
    at: float
    seconds: float
    reason: str
    method: str
    route: str
    status: int
    scheme: str = ""
    error: str = ""
    first_byte: float | None = None
    worker: int = 0
    pid: int = 0
    release: str = ""
    query: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    exception: KeptError | None = None
    spans: tuple[KeptSpan, ...] = ()
    span_count: int = 0

    @property
    def name(self) -> str:
        """Method and route, as settings name a route."""
        return f"{self.method} {self.route}"

"""The current exchange: what the parts of perfkit did for the request that is being answered.

Kept as small as can be, as every request pays for it: the context variable holds one list. Its first entry tells
whether it is sealed and by what, the others are spans. Components append to it; at the end it is sealed, so that a
task which outlives its request writes nowhere. Adapters seal it with the series in which they counted the request:
whoever looks at it later knows its route, and the request has paid nothing for that. Measured with CPython 3.11, an
object with attributes in place of the list costs three times as much, and a struct for each span two and a half times
the tuple that stands for it until somebody reads.

The variable is set and never reset: an adapter may finish in another context than the one it began in. Setting it is
the dearest step of a request, so no exchange is opened while `PRODUCERS` is empty: an app without a cache, captured
queries or spans of its own does not pay for what nobody writes.

For a component that adds spans::

    expect_spans("database")                        # once, in its start()

    start = perf_counter()
    rows = run(query)
    record_span("sql", shape, start, perf_counter() - start, site, f"{len(rows)} rows", (("db.system", "sqlite"),))

All of it is thread-safe, and works in whatever thread or task has the context of the request: those that
`asyncio.to_thread`, `asyncio.create_task` and anyio start have it, a plain `threading.Thread` has not.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, TypeAlias

import msgspec

from perfkit.core.names import route_name

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_SPANS",
    "MAX_TEXT",
    "OPEN",
    "PRODUCERS",
    "SEALED",
    "VARIANT",
    "Attributes",
    "Exchange",
    "Span",
    "add_span",
    "begin_exchange",
    "current_spans",
    "expect_spans",
    "get_exchange",
    "record_span",
    "route_of",
    "seal_exchange",
    "set_exchange",
    "spans_of",
]

MAX_SPANS = 1000
"""Spans kept of one exchange; more are counted, not kept."""

MAX_ATTRIBUTES = 16
"""Attributes kept of one span, the first ones."""

MAX_TEXT = 4096
"""Characters kept of a span's name, site, detail and of an attribute that is a text."""

VARIANT = "perfkit.variant"
"""The attribute that tells spans of one kind and name apart: the id of a statement's shape, or that a call failed."""

Attributes: TypeAlias = "tuple[tuple[str, str | int | float | bool], ...]"
"""Names and values, in OpenTelemetry's words where it has one: ``(("db.system", "sqlite"), ("db.rows", 3))``."""

Exchange: TypeAlias = list[Any]
"""`OPEN` or what sealed it, then the spans as they were recorded; `spans_of` and `route_of` read them."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """Something that took time inside an exchange.

    Attributes:
        kind: ``sql``, ``cache``, ``outbound``, ``template`` or ``python``.
        name: Bounded text without literals: a query shape, a cache namespace, a host.
        start: Monotonic seconds (`time.perf_counter`).
        seconds: Duration.
        site: ``path:line`` of the user's own code, or empty.
        detail: Rows, hit or miss, status: small and without secrets.
        attributes: Whatever else a trace should tell; small and without secrets.
    """

    kind: str
    name: str
    start: float
    seconds: float
    site: str = ""
    detail: str = ""
    attributes: Attributes = ()


OPEN, SEALED = False, True
"""The first entry of an exchange, before and after `seal_exchange`; anything true seals it."""

PRODUCERS: list[str] = []
"""Who adds spans in this process; adapters open exchanges while there is anybody."""

_current: ContextVar[Exchange | None] = ContextVar("perfkit_exchange", default=None)

get_exchange = _current.get
"""Returns the current exchange, sealed or not, or None; for the hot path, others call `current_spans`."""

set_exchange = _current.set
"""Makes a list the current exchange; for the hot path, others call `begin_exchange`."""


def expect_spans(producer: str) -> None:
    """Have exchanges opened from now on, as *producer* is going to add spans; a component calls it at its start."""
    if producer not in PRODUCERS:
        PRODUCERS.append(producer)


def begin_exchange() -> Exchange:
    """Make a new exchange the current one of this context; return it, to be given to `seal_exchange`."""
    exchange: Exchange = [OPEN]
    set_exchange(exchange)
    return exchange


def record_span(
    kind: str,
    name: str,
    start: float,
    seconds: float,
    site: str = "",
    detail: str = "",
    attributes: Attributes = (),
) -> bool:
    """Add a span to the current exchange; return False where there is none, it is finished or it is full.

    The cheapest way, meant for every query and every look-up: nothing is made but a tuple. The arguments are the
    fields of `Span`; texts and attributes beyond `MAX_TEXT` and `MAX_ATTRIBUTES` are cut when they are read.

    Whoever adds one is a producer: if there was none, exchanges are opened from the next request on. Call
    `expect_spans` before to lose none.
    """
    exchange = get_exchange()
    if exchange is None:
        if not PRODUCERS:
            expect_spans("record_span")
        return False
    if exchange[0] or len(exchange) > MAX_SPANS:
        return False
    exchange.append((kind, name, start, seconds, site, detail, attributes))
    return True


def add_span(span: Span) -> bool:
    """Do what `record_span` does with a *span* that is made already."""
    return record_span(span.kind, span.name, span.start, span.seconds, span.site, span.detail, span.attributes)


def current_spans() -> tuple[Span, ...] | None:
    """Return the spans of the current exchange so far; None where there is no exchange or it is finished."""
    exchange = get_exchange()
    return None if exchange is None or exchange[0] else spans_of(exchange)


def spans_of(exchange: Exchange) -> tuple[Span, ...]:
    """Return the spans of *exchange*, sealed or not, in the order in which they ended."""
    return tuple(_bounded(*fields) for fields in exchange[1:])


def seal_exchange(exchange: Exchange | None, name: str = "") -> None:
    """Let nothing more be added to *exchange*, whose spans stay readable. None is no exchange.

    Args:
        exchange: What `begin_exchange` returned.
        name: Of the task or script that it was, which `route_of` returns.
    """
    if exchange is not None:
        exchange[0] = name or SEALED


def route_of(exchange: Exchange) -> str:
    """Return method and route of the request that *exchange* was, or the name of the task; empty where unknown."""
    sealed = exchange[0]
    if isinstance(sealed, str):
        return sealed
    labels: tuple[str, ...] = getattr(sealed, "labels", ())
    return route_name(*labels[:2]) if len(labels) > 1 else ""


def _bounded(
    kind: str, name: str, start: float, seconds: float, site: str, detail: str, attributes: Attributes
) -> Span:
    kept = tuple(
        (key[:MAX_TEXT], value[:MAX_TEXT] if isinstance(value, str) else value)
        for key, value in attributes[:MAX_ATTRIBUTES]
    )
    return Span(kind, name[:MAX_TEXT], start, seconds, site[:MAX_TEXT], detail[:MAX_TEXT], kept)

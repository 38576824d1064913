"""The current exchange: what the parts of perfkit did for the request that is being answered.

Kept as small as can be, as every request pays for it: the context variable holds one list. Components append spans to
it; at the end it is sealed, so that a task which outlives its request writes nowhere. Measured with CPython 3.11, an
object with attributes in its place costs three times as much.

The variable is set and never reset: an adapter may finish in another context than the one it began in. Setting it is
the dearest step of a request (about a microsecond with CPython 3.11), so no exchange is opened while `PRODUCERS` is
empty: an app without a cache, captured queries or spans of its own does not pay for what nobody writes.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import msgspec

__all__ = [
    "MAX_SPANS",
    "PRODUCERS",
    "SEALED",
    "Span",
    "add_span",
    "begin_exchange",
    "current_spans",
    "expect_spans",
    "get_exchange",
    "seal_exchange",
    "set_exchange",
]

MAX_SPANS = 1000
"""Spans kept of one exchange; more are counted, not kept."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """Something that took time inside an exchange.

    Attributes:
        kind: ``sql``, ``cache``, ``outbound``, ``template`` or ``python``.
        name: Bounded text without literals: a query shape, a cache namespace, a host.
        start: Monotonic seconds (`time.perf_counter`).
        seconds: Duration.
        site: ``path:line`` of the user's own code, or empty.
        detail: Rows, hit or miss, status: small and without secrets.
    """

    kind: str
    name: str
    start: float
    seconds: float
    site: str = ""
    detail: str = ""


class _Sealed:
    """The last entry of a finished exchange's list."""

    __slots__ = ()


SEALED: Any = _Sealed()
"""The mark that `seal_exchange` puts at the end of a list."""

PRODUCERS: list[str] = []
"""Who adds spans in this process; adapters open exchanges while there is anybody."""

_current: ContextVar[list[Span] | None] = ContextVar("perfkit_exchange", default=None)

get_exchange = _current.get
"""Returns the list of the current exchange, sealed or not, or None; for the hot path, others call `current_spans`."""

set_exchange = _current.set
"""Makes a list the current exchange; for the hot path, others call `begin_exchange`."""


def expect_spans(producer: str) -> None:
    """Have exchanges opened from now on, as *producer* is going to add spans; a component calls it at its start."""
    if producer not in PRODUCERS:
        PRODUCERS.append(producer)


def begin_exchange() -> list[Span]:
    """Make a new exchange the current one of this context; return its list, to be given to `seal_exchange`."""
    spans: list[Span] = []
    set_exchange(spans)
    return spans


def add_span(span: Span) -> bool:
    """Add *span* to the current exchange; return False where there is none, it is finished or it is full.

    Whoever adds one is a producer: if there was none, exchanges are opened from the next request on. Call
    `expect_spans` before to lose none.
    """
    spans = _current.get()
    if spans is None:
        if not PRODUCERS:
            expect_spans("add_span")
        return False
    if len(spans) >= MAX_SPANS or (spans and spans[-1] is SEALED):
        return False
    spans.append(span)
    return True


def current_spans() -> tuple[Span, ...] | None:
    """Return the spans of the current exchange so far; None where there is no exchange or it is finished."""
    spans = _current.get()
    if spans is None or (spans and spans[-1] is SEALED):
        return None
    return tuple(spans)


def seal_exchange(spans: list[Span] | None) -> None:
    """Let nothing more be added to *spans*; the sealed list ends with a mark. None is no exchange."""
    if spans is not None:
        spans.append(SEALED)

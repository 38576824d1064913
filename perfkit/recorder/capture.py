"""What is taken of an exchange while it is at hand, and what is made of it later, off the request.

Taken are references and a few texts, cut: the exception itself is not held, as its frames hold the user's locals. All
that a visitor sent is redacted when the record is made, within a second, and nothing is written anywhere before that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import CodeType, TracebackType
from typing import Any, NamedTuple

from perfkit.core.code.places import place_of
from perfkit.core.privacy.personal import impersonal, query_keys
from perfkit.recorder.kept import KeptError, KeptExchange, KeptFrame

__all__ = ["Failure", "Taken", "exchange_of", "failure_of"]

MOST_FRAMES = 30
"""Frames kept of one exception, half from each end."""

LONGEST_STACK = 1000
MOST_MESSAGE = 2000
MOST_HEADER = 200
_is_id = re.compile(r"[0-9A-Za-z._\-]{1,64}").fullmatch
_INSTALLED = ("/site-packages/", "/dist-packages/")


class Failure(NamedTuple):
    """An exception, without the exception."""

    type: str
    message: str
    frames: tuple[tuple[CodeType, int], ...]


class Taken(NamedTuple):
    """What is taken of an exchange.

    Attributes:
        labels: Of its series: method, route, status, scheme, error.
        at: Unix seconds of its end.
        first: Seconds until the first chunk of a stream, or None.
        began: `time.perf_counter` of its begin.
        spans: The exchange's list, sealed; None where none was opened.
    """

    id: str
    reason: str
    labels: tuple[str, ...]
    at: float
    seconds: float
    began: float
    first: float | None
    spans: list[Any] | None
    query: str
    headers: Mapping[str, str]
    failure: Failure | None


def failure_of(error: BaseException | None) -> Failure | None:
    """Return what is kept of *error*; its message as its class makes it, or nothing if that fails."""
    if error is None:
        return None
    try:
        message = str(error)[:MOST_MESSAGE]
    except Exception:  # noqa: BLE001 - an app's own class may fail at that; its kind and its frames have to do
        message = ""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Failure(name, message, _frames(error.__traceback__))


def _frames(traceback: TracebackType | None) -> tuple[tuple[CodeType, int], ...]:
    found: list[tuple[CodeType, int]] = []
    while traceback is not None and len(found) < LONGEST_STACK:
        found.append((traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    half = MOST_FRAMES // 2
    return tuple(found) if len(found) <= MOST_FRAMES else tuple(found[:half] + found[-half:])


def exchange_of(taken: Taken, *, worker: int, pid: int, release: str) -> KeptExchange:
    """Return the record of what was *taken*: redacted, folded, bounded."""
    from perfkit.recorder.folding import fold

    method, route, status, scheme, error = taken.labels
    spans = [] if taken.spans is None else taken.spans[1:]
    return KeptExchange(
        id=taken.id,
        at=taken.at - taken.seconds,
        seconds=round(taken.seconds, 6),
        reason=taken.reason,
        method=method,
        route=route,
        status=int(status) if status.isdecimal() else 0,
        scheme=scheme,
        error=error,
        first_byte=None if taken.first is None else round(taken.first, 6),
        worker=worker,
        pid=pid,
        release=release,
        query=query_keys(taken.query),
        headers={name: _header(name, value) for name, value in taken.headers.items()},
        exception=None if taken.failure is None else _error(taken.failure),
        spans=fold(spans, taken.began),
        span_count=len(spans),
    )


def _error(failure: Failure) -> KeptError:
    return KeptError(
        type=_writable(failure.type[:MOST_HEADER]),
        message=impersonal(failure.message),
        frames=tuple(_frame(code, line) for code, line in failure.frames),
    )


def _frame(code: CodeType, line: int) -> KeptFrame:
    place = place_of(code, line)
    path = place.path
    for mark in _INSTALLED:
        path = path.rpartition(mark)[2]
    return KeptFrame(_writable(path[-MOST_HEADER:]), place.line, _writable(place.function[:MOST_HEADER]))


def _header(name: str, value: str) -> str:
    # The id is there to be told: by it the request is found in other logs.
    if name == "x-request-id" and _is_id(value):
        return value
    return impersonal(value[: MOST_HEADER * 4], most=MOST_HEADER)


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")

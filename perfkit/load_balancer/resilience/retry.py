"""What a failure is, whose it is, and whether the request may be tried again.

Sources: RFC 9110, section 9.2.2, for idempotency; Envoy's retry conditions ``connect-failure`` and
``gateway-error``. A request that may not be done twice is tried again only if it never left: the connection was
refused, or there was no address.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

__all__ = ["Verdict", "judge_error", "judge_result"]

FAILED_STATUSES = frozenset({429, 502, 503, 504})
"""Answers that say that the server, or what is behind it, cannot now."""

NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "NewConnectionError", "NameResolutionError", "PoolTimeout"})
"""Names of errors of httpx, urllib3 and requests that come before a request is sent."""

MOST_CAUSES = 10

OWN_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Errors of the code that asks, not of the server; an OSError is none of them, whatever else it is."""


class Verdict(StrEnum):
    """How a try went, as far as the server is concerned."""

    GOOD = "good"
    FAILED = "failed"
    NEVER_SENT = "never_sent"


def judge_error(error: BaseException) -> Verdict:
    """Return what *error* says of the server."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return judge_status(status)
    if any(_is_before_sending(each) for each in _causes(error)):
        return Verdict.NEVER_SENT
    if isinstance(error, OWN_FAULTS) and not isinstance(error, OSError):
        return Verdict.GOOD
    return Verdict.FAILED


def judge_result(result: Any) -> Verdict:
    """Return what an answer says of the server: by its ``status_code`` or ``status``, if it has a number there."""
    for name in ("status_code", "status"):
        status = getattr(result, name, None)
        if isinstance(status, int) and not isinstance(status, bool):
            return judge_status(status)
    return Verdict.GOOD


def judge_status(status: int) -> Verdict:
    """Return what an HTTP status says of the server."""
    return Verdict.FAILED if status in FAILED_STATUSES or status in (500, 507, 508) else Verdict.GOOD


def _is_before_sending(error: BaseException) -> bool:
    return (
        isinstance(error, (ConnectionRefusedError, socket.gaierror))
        or type(error) is ConnectionError
        or type(error).__name__ in NEVER_SENT
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if found is None:
            return
        yield found
        reason = getattr(found, "reason", None)
        inner = found.args[0] if found.args and isinstance(found.args[0], BaseException) else None
        found = found.__cause__ or inner or (reason if isinstance(reason, BaseException) else None) or found.__context__

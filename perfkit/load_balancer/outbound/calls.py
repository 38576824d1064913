"""What is counted of a call, and the ways in which one may fail."""

from __future__ import annotations

from perfkit.core.families import Definition, MetricType
from perfkit.core.names import HTTP_BOUNDARIES

__all__ = ["CALLS", "FAILURES", "MOST_HOSTS", "outcome_of", "outcome_of_status"]

CALLS = Definition(
    name="http_client_request_duration_seconds",
    type=MetricType.HISTOGRAM,
    description="Duration of the app's own HTTP calls until the answer's head, by host and outcome.",
    labels=("server_address", "http_request_method", "outcome"),
    unit="seconds",
    boundaries=HTTP_BOUNDARIES,
    detailed=True,
)

MOST_HOSTS = 50
"""Hosts with numbers of their own, the first that were called; others are `_other`."""

FAILURES = frozenset({"5xx", "timeout", "unreachable", "error"})

UNREACHABLE = frozenset(
    {
        "ConnectionRefusedError",
        "gaierror",
        "ConnectError",
        "NewConnectionError",
        "NameResolutionError",
        "ClientConnectorError",
    }
)
"""Names of errors of the clients that come before a request is sent."""


def outcome_of_status(status: object) -> str:
    """Return ``2xx``, ``4xx`` and so on."""
    return f"{status // 100}xx" if isinstance(status, int) and 100 <= status < 600 else "error"


def outcome_of(error: BaseException) -> str:
    """Return in which of a few ways a call failed: ``timeout``, ``unreachable``, ``cancelled``, ``error``."""
    if not isinstance(error, Exception):
        return "cancelled"
    reason = getattr(error, "reason", None)
    for each in (error, reason):
        names = {kind.__name__ for kind in type(each).__mro__}
        # Before the timeouts: the NewConnectionError of urllib3 is one of them by descent.
        if names & UNREACHABLE:
            return "unreachable"
        if isinstance(each, TimeoutError) or any("Timeout" in name for name in names):
            return "timeout"
    return "error"

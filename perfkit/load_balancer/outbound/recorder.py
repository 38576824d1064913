"""What is kept of a call: host, method, how it ended, how long it took; never a path, a query or a password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from time import perf_counter

from perfkit.core.errors import ErrorLog
from perfkit.core.families import Definition, MetricType
from perfkit.core.findings import Effect, Finding, Priority
from perfkit.core.names import HTTP_BOUNDARIES, KNOWN_METHODS, OTHER, OTHER_METHOD
from perfkit.core.spans import VARIANT, Attributes, record_span
from perfkit.store import Store

__all__ = ["CALLS", "Recorder", "outcome_of", "outcome_of_status"]

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

ENOUGH = 50
"""Calls of a host within one or two windows from which on something is said of it."""

FAILING = 0.05
"""Part of failures from which on a host is a finding, 0-1."""

WINDOW = 300.0
"""Seconds after which older calls begin to be forgotten."""

FAILURES = frozenset({"5xx", "timeout", "unreachable", "error"})
FAILED: Attributes = ((VARIANT, "failed"),)
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
_is_host = re.compile(r"[0-9A-Za-z._:\[\]-]{1,255}").fullmatch


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


class Recorder:
    """Keeps the calls of one system. Thread-safe: counts are changed by single steps.

    Attributes:
        errors: Where errors of the capture end.
    """

    def __init__(self, store: Store, errors: ErrorLog) -> None:
        """Count into *store*."""
        self._store = store
        self.errors = errors
        self._hosts: dict[str, str] = {}
        self._now: dict[str, list[int]] = {}
        self._before: dict[str, list[int]] = {}
        self._turned = 0.0

    def record(self, host: str, method: str, outcome: str, start: float) -> None:
        """Take a call that began at *start* (`time.perf_counter`) and ends now."""
        seconds = perf_counter() - start
        label = self._hosts.get(host) or self._label(host)
        method = method if method in KNOWN_METHODS else OTHER_METHOD
        store = self._store
        store.observe(store.row(CALLS, (label, method, outcome)), seconds)
        counts = self._now.get(label)
        if counts is None:
            counts = self._now.setdefault(label, [0, 0])
        counts[0] += 1
        if outcome in FAILURES:
            counts[1] += 1
        record_span(
            "outbound",
            f"{method} {label}",
            start,
            seconds,
            "",
            outcome,
            (("server.address", label), ("http.request.method", method), *(FAILED if outcome in FAILURES else ())),
        )

    def _label(self, host: str) -> str:
        """Return the host as it is shown; only as many are kept as have numbers of their own."""
        if len(self._hosts) >= MOST_HOSTS or not _is_host(host):
            return OTHER
        return self._hosts.setdefault(host, host.lower())

    def tick(self, now: float) -> None:
        """Forget what is older than two windows."""
        if now - self._turned >= WINDOW:
            self._before, self._now, self._turned = self._now, {}, now

    def findings(self) -> Iterator[Finding]:
        """Yield hosts that fail often, as this worker sees them."""
        for host in {**self._before, **self._now}:
            both = [self._before.get(host, [0, 0]), self._now.get(host, [0, 0])]
            calls, failures = (sum(counts[place] for counts in both) for place in (0, 1))
            if calls < ENOUGH or failures / calls < FAILING:
                continue
            yield Finding(
                code="PK503",
                kind="failing_dependency",
                component="load_balancer",
                priority=Priority.HIGH,
                message=f"{failures / calls:.0%} of {calls} calls to {host} failed.",
                action="Give calls to it a timeout and an answer for when it fails; look at that service.",
                object=host,
                evidence={"calls": calls, "failures": failures},
                # An answer for when it fails is there at once; calls that succeed take as long as before.
                effect=Effect(kind="outbound", name=host, variant="failed"),
                fingerprint=f"failing_dependency:{host}",
            )

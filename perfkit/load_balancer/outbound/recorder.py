"""What is kept of a call: host, method, how it ended, how long it took; never a path, a query or a password."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from time import perf_counter

from perfkit.core.code.sites import site_of
from perfkit.core.errors import ErrorLog
from perfkit.core.findings import Finding
from perfkit.core.names import KNOWN_METHODS, OTHER, OTHER_METHOD
from perfkit.core.spans import VARIANT, Attributes, record_span
from perfkit.load_balancer.outbound.calls import CALLS, FAILURES, MOST_HOSTS
from perfkit.load_balancer.outbound.failing import Failing
from perfkit.store import Store

__all__ = ["Recorder"]

FAILED: Attributes = ((VARIANT, "failed"),)

_is_host = re.compile(r"[0-9A-Za-z._:\[\]-]{1,255}").fullmatch


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
        self._failing = Failing(store)

    def record(self, host: str, method: str, outcome: str, start: float, client: str = "") -> None:
        """Take a call of *client* that began at *start* (`time.perf_counter`) and ends now."""
        seconds = perf_counter() - start
        label = self._hosts.get(host) or self._label(host)
        method = method if method in KNOWN_METHODS else OTHER_METHOD
        store = self._store
        store.observe(store.row(CALLS, (label, method, outcome)), seconds)
        site = site_of(sys._getframe(1))  # some us, beside a call over the network
        where = "" if site is None else site.text
        if outcome in FAILURES:
            self._failing.note(label, client, where)
        record_span(
            "outbound",
            f"{method} {label}",
            start,
            seconds,
            where,
            outcome,
            (("server.address", label), ("http.request.method", method), *(FAILED if outcome in FAILURES else ())),
        )

    def _label(self, host: str) -> str:
        """Return the host as it is shown; only as many are kept as have numbers of their own."""
        if len(self._hosts) >= MOST_HOSTS or not _is_host(host):
            return OTHER
        return self._hosts.setdefault(host, host.lower())

    def tick(self, now: float) -> None:
        """Tell the other workers what failed, and forget what is older than two windows."""
        self._failing.tick(now)

    def findings(self) -> Iterator[Finding]:
        """Yield hosts that fail often."""
        return self._failing.findings()

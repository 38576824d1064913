"""The tries of one request of an HTTP client: what is the same for all clients, without any I/O.

A lease lasts until the body of the answer was read or closed. What feeds the estimates is the time until its head.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from perfkit.load_balancer.leases import Lease
from perfkit.load_balancer.reports.orca import parse_headers
from perfkit.load_balancer.resilience.deadline import remaining, write_headers
from perfkit.load_balancer.resilience.execution import Plan
from perfkit.load_balancer.resilience.hedging import SlowAfter
from perfkit.load_balancer.resilience.retry import Verdict, judge_error, judge_status

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["IDEMPOTENT", "Attempts", "Held", "may_repeat"]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "QUERY"})
"""RFC 9110, section 9.2.2."""


def may_repeat(method: str, headers: Mapping[str, str], *, has_stream: bool) -> bool:
    """Return whether a request may be done twice: by its method or its ``Idempotency-Key``, and its body is at hand."""
    return not has_stream and (method.upper() in IDEMPOTENT or "idempotency-key" in headers)


class Held:
    """A lease on the server whose answer is being read.

    Attributes:
        lease: Given back by the first call of `done`, `broke` or `cancel`.
    """

    __slots__ = ("_latency", "_report", "_success", "lease")

    def __init__(self, lease: Lease, *, success: bool, latency: float, report: Any) -> None:
        """Hold *lease* until the body has ended."""
        self.lease = lease
        self._success, self._latency, self._report = success, latency, report

    def done(self) -> None:
        """Take the end of the body, or that nobody wants the rest."""
        self.lease.release(success=self._success, latency=self._latency, report=self._report)

    def broke(self) -> None:
        """Take that the body broke off."""
        self.lease.release(success=False)


class Attempts:
    """The tries of one request."""

    def __init__(
        self, balancer: LoadBalancer, key: Hashable | None, *, repeatable: bool, slow: SlowAfter | None = None
    ) -> None:
        """Try again, within the budget, as far as *repeatable* allows; tell *slow* how long good answers take."""
        self._balancer, self._slow = balancer, slow
        self._plan = Plan(balancer, key, idempotent=repeatable, retries=balancer.settings.retries)

    def begin(self) -> Lease:
        """Return the lease of the next try."""
        return self._plan.begin()

    def one_more(self) -> Lease | None:
        """Return the lease of a hedge; None where budget or servers have no room for it."""
        return self._plan.one_more()

    def failed(self, lease: Lease, error: BaseException) -> Lease | None:
        """Take that a try failed with *error*; return the lease of the next one, None where there is none."""
        if not isinstance(error, Exception):
            lease.cancel()
            return None
        verdict = judge_error(error)
        lease.release(success=verdict is Verdict.GOOD)
        return self._plan.again(verdict)

    def answered(self, lease: Lease, status: int, headers: Mapping[str, str]) -> Held | Lease:
        """Take the head of an answer; return what holds its lease, or the lease of the try that follows."""
        verdict = judge_status(status)
        following = self._plan.again(verdict)
        if following is not None:
            lease.release(success=False)
            return following
        latency = self._balancer.monotonic() - lease.began
        if verdict is Verdict.GOOD and self._slow is not None:
            self._slow.observe(latency)
        return Held(lease, success=verdict is Verdict.GOOD, latency=latency, report=parse_headers(headers))

    def left(self) -> float | None:
        """Return the seconds that are left of the deadline; None without one."""
        return remaining(monotonic=self._balancer.monotonic)

    def deadline_headers(self) -> dict[str, str]:
        """Return the header that passes the deadline on."""
        return write_headers(monotonic=self._balancer.monotonic)

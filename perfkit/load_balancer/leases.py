"""Leases: one server for one request, given back exactly once, however the request ends.

This is half of what a request costs (with `LoadBalancer.acquire` 1.5-2.5 µs), so it is written out: no call that can
be spared, no lock where the interpreter has one. A lease that is dropped gives itself back when it is collected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from perfkit.load_balancer.exclusion import alone_as_needed
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.settings import positive

if TYPE_CHECKING:
    from perfkit.load_balancer.keeper import Keeper

__all__ = ["Lease"]

LONGEST = 1e9
"""Seconds below which a latency needs no second look."""


class Lease:
    """The right to send one request to `server`. Give it back with `release`, or use it in a ``with`` block.

        with balancer.acquire() as lease:
            answer = ask(lease.server)

    A block that ends with an exception is a failure; one that is cancelled is neither a success nor a failure.

    Attributes:
        server: Where to send the request.
        began: Monotonic seconds at which it was picked.
    """

    __slots__ = ("_keeper", "began", "is_released", "server")

    def __init__(self, keeper: Keeper, server: Server, began: float) -> None:
        self._keeper = keeper
        self.server = server
        self.began = began
        self.is_released = False

    @alone_as_needed
    def release(self, success: bool = True, latency: float | None = None, report: Any = None) -> None:
        """Give the server back; called again it does nothing.

        Args:
            success: Whether the server did what it should. What the client did wrong (404) is the server's success.
            latency: Seconds; by default the time since the lease was taken.
            report: The load that the server reported: a `LoadReport`, the text of its header, or a mapping.

        Raises:
            LoadBalancerError: The latency is negative or no number; the lease is cancelled then.
        """
        if self.is_released:
            return
        if latency is not None and not 0.0 <= latency < LONGEST:
            self._check(latency)
        self.is_released = True
        server = self.server
        server.in_flight -= 1
        keeper = self._keeper
        keeper.ended += 1
        now = keeper.monotonic()
        if latency is None:
            latency = now - self.began
        if report is not None:
            keeper.take_report(server, report, now)
        server.seconds += latency
        if success:
            server.successes += 1
            if server.streak:
                keeper.recover(server, now)
        else:
            keeper.fail(server, now)
        observe = keeper.observe
        if observe is not None:
            observe(server, latency, success, now)

    def _check(self, latency: float) -> None:
        try:
            positive("The latency of a released lease", latency, or_zero=True)
        except ValueError:
            self.cancel()
            raise

    @alone_as_needed
    def cancel(self) -> None:
        """Give the server back without saying how it did: nobody waits for the answer any more."""
        if self.is_released:
            return
        self.is_released = True
        server = self.server
        server.in_flight -= 1
        keeper = self._keeper
        keeper.ended += 1
        now = keeper.monotonic()
        keeper.cancelled(server, now - self.began, now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, Exception):
            self.release(success=error is None)
        else:
            self.cancel()

    def __del__(self) -> None:
        if not self.is_released:
            self._keeper.leaked += 1
            self.cancel()

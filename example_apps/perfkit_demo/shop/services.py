"""Problem 7, the flaky dependency, and the payments that are declined: stubs of services outside the shop.

Both only decide, from the seed, what happens next; the shop of each framework does the waiting its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from threading import Lock

__all__ = ["PaymentDeclinedError", "Payments", "StockAnswer", "StockService"]

FAILURES = 0.12
"""Share of the stock service's calls that fail."""

TAIL = 0.02
"""Share of the stock service's calls that take `TAIL_DELAY`."""

TAIL_DELAY = 2.0
"""Seconds of a slow call of the stock service."""

USUAL_DELAY = 0.012
"""Seconds of most calls of the stock service, in the middle."""

DECLINED = 0.06
"""Share of the payments that are declined."""


class PaymentDeclinedError(Exception):
    """The payment was declined; the shop forgot to handle it."""


@dataclass(frozen=True, kw_only=True)
class StockAnswer:
    """What the stock service does with one call.

    Attributes:
        delay: Seconds until it answers.
        units: How many pieces are in stock.
        fails: Whether it answers with an error instead.
    """

    delay: float
    units: int
    fails: bool


class StockService:
    """A stock service that fails now and then and has a slow tail. Thread-safe."""

    def __init__(self, seed: int = 0) -> None:
        """Decide by *seed*."""
        self._random = Random(f"{seed}/stock")
        self._lock = Lock()

    def ask(self) -> StockAnswer:
        """Return what happens with the next call."""
        with self._lock:
            draw, usual, units = self._random.random(), self._random.random(), self._random.randrange(40)
        delay = TAIL_DELAY if draw >= 1.0 - TAIL else USUAL_DELAY * (0.5 + usual)
        return StockAnswer(delay=delay, units=units, fails=draw < FAILURES)


class Payments:
    """A payment service that declines now and then. Thread-safe."""

    def __init__(self, seed: int = 0) -> None:
        """Decide by *seed*."""
        self._random = Random(f"{seed}/payments")
        self._lock = Lock()

    def charge(self, customer: str, cents: int) -> str:
        """Charge *cents* to *customer* and return the receipt's number.

        Raises:
            PaymentDeclinedError: The payment was declined.
        """
        with self._lock:
            draw, receipt = self._random.random(), self._random.randrange(10**8)
        if draw < DECLINED:
            raise PaymentDeclinedError(f"The payment of {cents / 100:.2f} by {customer} was declined.")
        return f"R-{receipt:08d}"

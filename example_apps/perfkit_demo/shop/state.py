"""What one running shop holds in memory, whatever the framework around it."""

from __future__ import annotations

from perfkit_demo.shop.audit import LEAK_LIMIT, AuditLog
from perfkit_demo.shop.pages import PageCache
from perfkit_demo.shop.services import Payments, StockService

__all__ = ["Shop"]


class Shop:
    """The parts of one shop that live in its process.

    Attributes:
        audit: The list that leaks.
        pages: The cache of pages, without a lock.
        stock: The flaky stock service.
        payments: The payment service that declines now and then.
    """

    def __init__(self, *, seed: int = 0, leak_limit: int = LEAK_LIMIT) -> None:
        """Let chance follow *seed*; leak at most *leak_limit* bytes."""
        self.audit = AuditLog(leak_limit)
        self.pages = PageCache()
        self.stock = StockService(seed)
        self.payments = Payments(seed)

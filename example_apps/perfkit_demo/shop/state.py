"""What one running shop holds in memory, whatever the framework around it."""

from __future__ import annotations

from pathlib import Path

from perfkit_demo.shop.audit import LEAK_LIMIT, AuditLog
from perfkit_demo.shop.fixes import Fixes
from perfkit_demo.shop.pages import PageCache
from perfkit_demo.shop.services import Payments, StockService

__all__ = ["Shop"]

KEPT = 100
"""Calls in the audit list once that is mended."""


class Shop:
    """The parts of one shop that live in its process.

    Attributes:
        audit: The list that leaks.
        pages: The cache of pages, without a lock.
        stock: The flaky stock service.
        payments: The payment service that declines now and then.
        fixes: Which problems are mended.
        stock_url: Where the stock service listens; empty where it is made up.
        has_workbench: Whether the page with the buttons is there.
    """

    def __init__(
        self,
        database: Path | str,
        *,
        seed: int = 0,
        leak_limit: int = LEAK_LIMIT,
        stock_url: str = "",
        has_workbench: bool = False,
    ) -> None:
        """Serve *database*.

        Args:
            database: The shop's file.
            seed: What chance follows.
            leak_limit: Bytes at which the leak stops.
            stock_url: Where the stock service listens; empty for one that is only made up in this process.
            has_workbench: Whether the page with the buttons is there.
        """
        self.stock_url, self.has_workbench = stock_url, has_workbench
        self.fixes = Fixes(database)
        self.audit = AuditLog(leak_limit)
        self.pages = PageCache()
        self.stock = StockService(seed)
        self.payments = Payments(seed)

    def note(self, action: str, subject: str) -> None:
        """Write a call into the audit list."""
        self.audit.record(action, subject, keep=KEPT if self.fixes.has("leak") else None)

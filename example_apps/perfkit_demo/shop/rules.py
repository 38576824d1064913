"""The shop's rules: how much it shows, asks for and charges; the same in every framework."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from perfkit_demo.shop.data import CART_LINES

__all__ = [
    "BEST_SELLERS",
    "EXPORT_CHUNK",
    "FOUND",
    "LAST_PAGE",
    "LONGEST_SEARCH",
    "MOST_OF_ONE",
    "PAGE_SIZE",
    "PRINTING",
    "REPORT_DAYS",
    "USUAL_EXPORT",
    "cart_line",
    "discount_cents",
    "new_order",
    "search_range",
    "shipping_cents",
]

PAGE_SIZE = 54
"""Products on one page of the list."""

LAST_PAGE = 1000
"""The highest page that can be asked for; most are empty."""

BEST_SELLERS = 10
"""Products on the home page."""

FOUND = 20
"""The most products that a search shows."""

LONGEST_SEARCH = 40
"""Characters that can be searched for."""

MOST_OF_ONE = 9
"""The most of one product in a cart."""

REPORT_DAYS = 30
"""Days in the daily report."""

PRINTING = 0.12
"""Seconds that the daily report's old printing library takes."""

EXPORT_CHUNK = 200
"""Orders in one chunk of the export."""

USUAL_EXPORT = 1000
"""Orders in an export where nothing else is asked for."""


def search_range(start: str) -> tuple[str, str]:
    """Return the least SKU that begins with *start*, and one above all of them."""
    return start, start + "~"


def cart_line(product_id: int) -> int:
    """Return the line of a cart that a product takes, from whatever lay there."""
    return product_id % CART_LINES


def shipping_cents(total: int) -> int:
    """Return what shipping costs: nothing from 100 on."""
    return 0 if total >= 10_000 else 490


def discount_cents(total: int) -> int:
    """Return what is taken off: 5 % of a large order."""
    return total // 20 if total >= 50_000 else 0


def new_order(cart: int, lines: Sequence[tuple[int, int]], total: int, day: date) -> dict[str, Any]:
    """Return the columns of the order that is placed for *cart* on *day*.

    Args:
        cart: The cart's number.
        lines: What is in it, as (product, quantity).
        total: What is paid, in cents.
        day: Today.
    """
    return {
        "customer": f"customer {cart}",
        "placed_on": day.isoformat(),
        "product_id": lines[0][0],
        "quantity": sum(quantity for _, quantity in lines),
        "total_cents": total,
    }

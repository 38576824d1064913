"""What the shop answers: the JSON, the CSV and the one page, the same in every framework."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from perfkit_demo.shop.problems import PROBLEMS
from perfkit_demo.shop.rules import discount_cents, shipping_cents

__all__ = [
    "ABOUT",
    "EXPORT_HEAD",
    "NO_STOCK",
    "api_order",
    "api_product",
    "cart_changed",
    "cart_shown",
    "cart_with_total",
    "daily_report",
    "document",
    "error",
    "export_lines",
    "found",
    "home_page",
    "index_page",
    "listed",
    "no_order",
    "no_product",
    "order_placed",
    "product_shown",
    "recommended",
    "stock_shown",
    "wrong_parameter",
]

Answer = dict[str, Any]

ABOUT: Answer = {"name": "The shop", "since": "2026"}

NO_STOCK = "The stock service answered with an error."

EXPORT_HEAD = "id,customer,placed_on,product_id,quantity,total_cents\n"


_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --line: light-dark(#d8dde3, #333b45); }
body { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
code { overflow-wrap: anywhere; }
form { margin: 0; }
button { font: inherit; padding: .1rem .7rem; white-space: nowrap; }
.ok { color: light-dark(#0b6e4f, #5fd3a8); }
.ill { color: light-dark(#a3341a, #ff9a7a); }
@media (min-width: 60rem) { code { white-space: nowrap; } .says { min-width: 16rem; } }
@media (max-width: 40rem) { th, td { padding: .4rem .25rem; } }
.score strong { font-size: 1.6rem; }
"""


def document(title: str, body: str) -> str:
    """Return a page of HTML; *body* is HTML already."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style>{body}"
    )


def index_page() -> str:
    """Return the page that says what is here and what is wrong with it."""
    rows = "".join(
        f"<tr><td>{problem.number}<td><code>{escape(problem.route or 'the process')}</code><td>{escape(problem.title)}"
        for problem in PROBLEMS
    )
    return document(
        "The shop",
        "<h1>The shop</h1>"
        "<p>A web shop with ten seeded problems. <a href='perfkit/'>See what perfkit finds</a>.</p>"
        f"<div class='wide'><table><tr><th>#<th>Where<th>What{rows}</table></div>",
    )


def home_page(best: Iterable[Sequence[Any]]) -> Answer:
    """Return the home page; *best* are the best sellers as (id, name, sold)."""
    sellers = [{"id": product_id, "name": name, "sold": sold} for product_id, name, sold in best]
    return {"banner": "Summer sale", "best": sellers}


def listed(product_id: int, name: str, price_cents: int, rating: float | None) -> Answer:
    """Return one product of the list; *rating* is None while nobody reviewed it."""
    return {"id": product_id, "name": name, "price_cents": price_cents, "rating": rating}


def product_shown(product: Any) -> Answer:
    """Return one product, whatever mapped it."""
    return {"id": product.id, "sku": product.sku, "name": product.name, "price_cents": product.price_cents}


def stock_shown(product_id: int, units: int) -> Answer:
    """Return how many *units* of a product are in stock."""
    return {"id": product_id, "units": units}


def found(products: Iterable[Sequence[Any]]) -> list[Answer]:
    """Return what a search found; *products* are (id, sku, name)."""
    return [{"id": product_id, "sku": sku, "name": name} for product_id, sku, name in products]


def recommended(products: list[int]) -> Answer:
    """Return the recommended *products*, the best first."""
    return {"products": products}


def cart_shown(cart: int, lines: Iterable[Sequence[int]], *, total: int, shipping: int, discount: int) -> Answer:
    """Return a cart with its *lines* as (product, quantity) and its sums in cents."""
    return {
        "cart": cart,
        "items": [{"product": product, "quantity": quantity} for product, quantity in lines],
        "total_cents": total,
        "shipping_cents": shipping,
        "discount_cents": discount,
    }


def cart_with_total(cart: int, lines: Iterable[Sequence[int]], total: int) -> Answer:
    """Return a cart of which the *total* is known: problem 8, mended."""
    return cart_shown(cart, lines, total=total, shipping=shipping_cents(total), discount=discount_cents(total))


def cart_changed(cart: int, total: int) -> Answer:
    """Return what a cart comes to after a change, in cents."""
    return {"cart": cart, "total_cents": total}


def order_placed(order_id: int, receipt: str, total: int) -> Answer:
    """Return a new order with the number of its receipt and its sum in cents."""
    return {"order": order_id, "receipt": receipt, "total_cents": total}


def daily_report(days: Iterable[Sequence[Any]]) -> list[Answer]:
    """Return the report; *days* are (day, orders, cents)."""
    return [{"day": day, "orders": count, "total_cents": total} for day, count, total in days]


def export_lines(orders: Iterable[Sequence[Any]]) -> str:
    """Return *orders* as lines of CSV, in the columns of `EXPORT_HEAD`."""
    return "".join(",".join(map(str, order)) + "\n" for order in orders)


def api_product(sku: str, price_cents: int) -> Answer:
    """Return what a machine wants to know about a product."""
    return {"sku": sku, "price_cents": price_cents}


def api_order(placed_on: str, total_cents: int) -> Answer:
    """Return what a machine wants to know about an order."""
    return {"placed_on": placed_on, "total_cents": total_cents}


def error(detail: str) -> Answer:
    """Return what is said instead of an answer."""
    return {"detail": detail}


def no_product(product_id: int) -> str:
    """Say that there is no such product."""
    return f"There is no product {product_id}."


def no_order(order_id: int) -> str:
    """Say that there is no such order."""
    return f"There is no order {order_id}."


def wrong_parameter(name: str) -> str:
    """Say that the parameter *name* cannot be used."""
    return f"{name} is missing or wrong."

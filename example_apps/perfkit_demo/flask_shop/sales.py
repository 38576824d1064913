"""The carts, the checkout, and what the office wants to know about the orders."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, request, stream_with_context

from perfkit_demo.database import statements
from perfkit_demo.database.models import Order
from perfkit_demo.flask_shop.state import audit, new_session, session, the_shop
from perfkit_demo.shop import answers
from perfkit_demo.shop.data import CARTS, ORDERS
from perfkit_demo.shop.parameters import cart_change, whole_number
from perfkit_demo.shop.rules import PRINTING, USUAL_EXPORT, discount_cents, new_order, shipping_cents

__all__ = ["pages"]

pages = Blueprint("sales", __name__)
pages.before_request(audit)


def cart_number() -> int:
    return whole_number(request.args, "cart", default=1, most=CARTS)


def total_of(cart: int) -> int:
    """Add up what is in the cart, in cents."""
    return session().execute(statements.cart_total(cart)).scalar_one()


def shipping_of(cart: int) -> int:
    """Return what shipping the cart costs, in cents."""
    return shipping_cents(total_of(cart))


def discount_of(cart: int) -> int:
    """Return what is taken off the cart, in cents."""
    return discount_cents(total_of(cart))


@pages.get("/cart")
def show_cart() -> dict[str, Any]:
    """Show a cart. Problem 8: three functions ask for the same total, each with its own query."""
    cart = cart_number()
    if the_shop().fixes.has("dup"):
        lines = session().execute(statements.cart_lines(cart)).all()
        return answers.cart_with_total(cart, lines, total_of(cart))
    return answers.cart_shown(
        cart,
        session().execute(statements.cart_lines(cart)).all(),
        total=total_of(cart),
        shipping=shipping_of(cart),
        discount=discount_of(cart),
    )


@pages.post("/cart")
def add_to_cart() -> tuple[dict[str, Any], int]:
    """Put a product into a cart; a full cart drops an older one."""
    cart = cart_number()
    product, quantity = cart_change(request.get_data())
    if session().scalar(statements.known_product(product)) is None:
        abort(404, answers.no_product(product))
    session().execute(statements.put_into_cart(cart, product, quantity))
    session().commit()
    return answers.cart_changed(cart, total_of(cart)), 201


@pages.post("/checkout")
def check_out() -> tuple[dict[str, Any], int]:
    """Buy what is in a cart. Nobody handles a declined payment, so that some of these end as a 500."""
    cart = cart_number()
    lines = [(product, quantity) for product, quantity in session().execute(statements.cart_lines(cart)).all()]
    total = total_of(cart)
    total += shipping_cents(total) if the_shop().fixes.has("dup") else shipping_of(cart)
    receipt = the_shop().payments.charge(f"customer {cart}", total)
    order = Order(**new_order(cart, lines, total, datetime.now(UTC).date()))
    session().add(order)
    session().flush()
    session().execute(statements.orders_too_old(order.id))
    session().commit()
    return answers.order_placed(order.id, receipt, total), 201


@pages.get("/reports/daily")
def daily_report() -> list[dict[str, Any]]:
    """Report the orders of each day. Problem 5: the printing sleeps; here that blocks one thread, not everybody."""
    days = session().execute(statements.orders_by_day()).all()
    if not the_shop().fixes.has("block"):  # mended, it is printed elsewhere and later
        time.sleep(PRINTING)
    return answers.daily_report(days)


@pages.get("/orders/export")
def export_orders() -> Response:
    """Stream the newest orders as CSV, a chunk at a time."""
    limit = whole_number(request.args, "limit", default=USUAL_EXPORT, most=ORDERS)
    return Response(stream_with_context(order_lines(limit)), mimetype="text/csv")


def order_lines(limit: int) -> Iterator[str]:
    """Yield the newest *limit* orders as CSV; each chunk continues where the last one ended."""
    yield answers.EXPORT_HEAD
    below = 2**62
    while limit > 0:
        # A visitor who leaves in the middle leaves no connection behind.
        with new_session() as reading:
            orders = reading.execute(statements.orders_below(below, limit)).all()
        if not orders:
            return
        yield answers.export_lines(orders)
        limit -= len(orders)
        below = orders[-1][0]

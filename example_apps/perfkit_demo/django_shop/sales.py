"""The carts, the checkout, and what the office wants to know about the orders."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Count, F, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

from perfkit_demo.django_shop.apps import the_shop
from perfkit_demo.django_shop.models import CartItem, Order, Product
from perfkit_demo.django_shop.routing import audited
from perfkit_demo.shop import answers
from perfkit_demo.shop.data import CARTS, ORDERS
from perfkit_demo.shop.parameters import cart_change, whole_number
from perfkit_demo.shop.rules import (
    EXPORT_CHUNK,
    PRINTING,
    REPORT_DAYS,
    USUAL_EXPORT,
    cart_line,
    discount_cents,
    new_order,
    shipping_cents,
)

__all__ = ["add_to_cart", "check_out", "daily_report", "export_orders", "show_cart"]


def cart_number(request: HttpRequest) -> int:
    return whole_number(request.GET, "cart", default=1, most=CARTS)


def lines_of(cart: int) -> list[tuple[int, int]]:
    """Return what is in the cart, as (product, quantity)."""
    return list(CartItem.objects.filter(cart_id=cart).order_by("line").values_list("product_id", "quantity"))


def total_of(cart: int) -> int:
    """Add up what is in the cart, in cents."""
    total = Coalesce(Sum(F("product__price_cents") * F("quantity")), 0)
    cents: int = CartItem.objects.filter(cart_id=cart).aggregate(total=total)["total"]
    return cents


def shipping_of(cart: int) -> int:
    """Return what shipping the cart costs, in cents."""
    return shipping_cents(total_of(cart))


def discount_of(cart: int) -> int:
    """Return what is taken off the cart, in cents."""
    return discount_cents(total_of(cart))


@audited
def show_cart(request: HttpRequest) -> HttpResponse:
    """Show a cart. Problem 8: three functions ask for the same total, each with its own query."""
    cart = cart_number(request)
    if the_shop().fixes.has("dup"):
        return JsonResponse(answers.cart_with_total(cart, lines_of(cart), total_of(cart)))
    shown = answers.cart_shown(
        cart,
        lines_of(cart),
        total=total_of(cart),
        shipping=shipping_of(cart),
        discount=discount_of(cart),
    )
    return JsonResponse(shown)


@audited
def add_to_cart(request: HttpRequest) -> HttpResponse:
    """Put a product into a cart; a full cart drops an older one."""
    cart = cart_number(request)
    product, quantity = cart_change(request.body)
    if not Product.objects.filter(id=product).exists():
        raise Http404(answers.no_product(product))
    CartItem.objects.bulk_create(
        [CartItem(cart_id=cart, line=cart_line(product), product_id=product, quantity=quantity)],
        update_conflicts=True,
        unique_fields=["cart_id", "line"],
        update_fields=["product_id", "quantity"],
    )
    return JsonResponse(answers.cart_changed(cart, total_of(cart)), status=201)


@audited
def check_out(request: HttpRequest) -> HttpResponse:
    """Buy what is in a cart. Nobody handles a declined payment, so that some of these end as a 500."""
    cart = cart_number(request)
    lines = lines_of(cart)
    total = total_of(cart)
    total += shipping_cents(total) if the_shop().fixes.has("dup") else shipping_of(cart)
    receipt = the_shop().payments.charge(f"customer {cart}", total)
    with transaction.atomic():
        order = Order.objects.create(**new_order(cart, lines, total, datetime.now(UTC).date()))
        # The shop keeps its newest orders, so that a demo left alone does not fill the disk.
        Order.objects.filter(id__lte=order.id - ORDERS).delete()
    return JsonResponse(answers.order_placed(order.id, receipt, total), status=201)


@audited
def daily_report(request: HttpRequest) -> HttpResponse:
    """Report the orders of each day. Problem 5: the printing sleeps; here that blocks one thread, not everybody."""
    days = Order.objects.values_list("placed_on").annotate(orders=Count("id"), cents=Sum("total_cents"))
    newest = list(days.order_by("-placed_on")[:REPORT_DAYS])
    if not the_shop().fixes.has("block"):  # mended, it is printed elsewhere and later
        time.sleep(PRINTING)
    return JsonResponse(answers.daily_report(newest), safe=False)


@audited
def export_orders(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the newest orders as CSV, a chunk at a time."""
    limit = whole_number(request.GET, "limit", default=USUAL_EXPORT, most=ORDERS)
    return StreamingHttpResponse(order_lines(limit), content_type="text/csv; charset=utf-8")


def order_lines(limit: int) -> Iterator[str]:
    """Yield the newest *limit* orders as CSV; each chunk continues where the last one ended."""
    yield answers.EXPORT_HEAD
    columns = Order.objects.order_by("-id").values_list(
        "id", "customer", "placed_on", "product_id", "quantity", "total_cents"
    )
    below = 2**62
    while limit > 0:
        orders = list(columns.filter(id__lt=below)[: min(limit, EXPORT_CHUNK)])
        if not orders:
            return
        yield answers.export_lines(orders)
        limit -= len(orders)
        below = orders[-1][0]

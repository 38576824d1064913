"""What the shop asks its database, in SQLAlchemy; how often and from where it asks is the routes' affair."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Delete, Select, delete, func, select
from sqlalchemy.dialects.sqlite import Insert, insert

from perfkit_demo.database.models import CartItem, Order, Product, Review
from perfkit_demo.shop.data import ORDERS
from perfkit_demo.shop.recommend import CANDIDATES
from perfkit_demo.shop.rules import BEST_SELLERS, EXPORT_CHUNK, FOUND, PAGE_SIZE, REPORT_DAYS, cart_line, search_range

__all__ = [
    "best_sellers",
    "candidates",
    "cart_lines",
    "cart_total",
    "found_products",
    "known_product",
    "order_for_machines",
    "orders_below",
    "orders_by_day",
    "orders_too_old",
    "page_of_products",
    "product_for_machines",
    "put_into_cart",
    "rating",
    "ratings",
    "shown_product",
    "whole_product",
]


def best_sellers() -> Select[int, str, int]:
    """Select (id, name, sold) of what was sold most."""
    sold = func.sum(Order.quantity).label("sold")
    query = select(Product.id, Product.name, sold).join(Order, Order.product_id == Product.id)
    return query.group_by(Product.id).order_by(sold.desc(), Product.id).limit(BEST_SELLERS)


def page_of_products(page: int) -> Select[int, str, int]:
    """Select (id, name, price_cents) of the products of *page*."""
    query = select(Product.id, Product.name, Product.price_cents).order_by(Product.id)
    return query.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)


def rating(product_id: int) -> Select[float]:
    """Select what people think of one product."""
    return select(func.avg(Review.rating)).where(Review.product_id == product_id)


def ratings(product_ids: Sequence[int]) -> Select[int, float]:
    """Select (product, what people think of it) of many products: problem 1, mended."""
    query = select(Review.product_id, func.avg(Review.rating)).where(Review.product_id.in_(product_ids))
    return query.group_by(Review.product_id)


def shown_product(product_id: int) -> Select[int, str, str, int]:
    """Select what is shown of a product: problem 9, mended."""
    return select(Product.id, Product.sku, Product.name, Product.price_cents).where(Product.id == product_id)


def whole_product(product_id: int) -> Select[Product]:
    """Select a product with everything that belongs to it: problem 9, the photo comes along."""
    return select(Product).where(Product.id == product_id)


def known_product(product_id: int) -> Select[int]:
    """Select the id of a product, if there is one."""
    return select(Product.id).where(Product.id == product_id)


def found_products(start: str) -> Select[int, str, str]:
    """Select (id, sku, name) of the products whose SKU begins with *start*: problem 2, there is no index."""
    least, above = search_range(start)
    query = select(Product.id, Product.sku, Product.name).where(Product.sku >= least, Product.sku < above)
    return query.order_by(Product.sku).limit(FOUND)


def candidates() -> Select[int, str]:
    """Select (id, tags) of the products that may be recommended."""
    return select(Product.id, Product.tags).order_by(Product.id).limit(CANDIDATES)


def cart_lines(cart: int) -> Select[int, int]:
    """Select (product, quantity) of the lines of *cart*."""
    return select(CartItem.product_id, CartItem.quantity).where(CartItem.cart_id == cart).order_by(CartItem.line)


def cart_total(cart: int) -> Select[int]:
    """Select what is in *cart*, in cents."""
    total = func.coalesce(func.sum(Product.price_cents * CartItem.quantity), 0)
    return select(total).join(CartItem, CartItem.product_id == Product.id).where(CartItem.cart_id == cart)


def put_into_cart(cart: int, product_id: int, quantity: int) -> Insert:
    """Put a product into *cart*; a full cart drops an older one."""
    added = {"product_id": product_id, "quantity": quantity}
    line = insert(CartItem).values(cart_id=cart, line=cart_line(product_id), **added)
    return line.on_conflict_do_update(index_elements=["cart_id", "line"], set_=added)


def orders_too_old(newest: int) -> Delete:
    """Delete all but the newest orders, so that a demo left alone does not fill the disk."""
    return delete(Order).where(Order.id <= newest - ORDERS)


def orders_by_day() -> Select[str, int, int]:
    """Select (day, orders, cents) of the newest days."""
    query = select(Order.placed_on, func.count(), func.sum(Order.total_cents)).group_by(Order.placed_on)
    return query.order_by(Order.placed_on.desc()).limit(REPORT_DAYS)


def orders_below(order_id: int, most: int) -> Select[int, str, str, int, int, int]:
    """Select the newest orders before *order_id*, one chunk of them and at most *most*."""
    query = select(Order.id, Order.customer, Order.placed_on, Order.product_id, Order.quantity, Order.total_cents)
    return query.where(Order.id < order_id).order_by(Order.id.desc()).limit(min(most, EXPORT_CHUNK))


def product_for_machines(product_id: int) -> Select[str, int]:
    """Select (sku, price_cents) of a product."""
    return select(Product.sku, Product.price_cents).where(Product.id == product_id)


def order_for_machines(order_id: int) -> Select[str, int]:
    """Select (placed_on, total_cents) of an order."""
    return select(Order.placed_on, Order.total_cents).where(Order.id == order_id)

"""The carts, the checkout, and what the office wants to know about the orders."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from perfkit_demo.fastapi_shop.dependencies import DatabaseSession, TheShop, new_session
from perfkit_demo.models import CartItem, Order, Product
from perfkit_demo.shop.data import CART_LINES, CARTS, ORDERS

__all__ = ["router"]

EXPORT_CHUNK = 200
"""Orders in one chunk of the export."""

PRINTING = 0.12
"""Seconds that the daily report's old printing library takes."""

router = APIRouter()

CartNumber = Annotated[int, Query(ge=1, le=CARTS)]


class CartChange(BaseModel):
    """So many of one product."""

    product: int = Field(ge=1)
    quantity: int = Field(default=1, ge=1, le=9)


async def cart_total(session: AsyncSession, cart: int) -> int:
    """Add up what is in the cart, in cents."""
    total = func.coalesce(func.sum(Product.price_cents * CartItem.quantity), 0)
    query = select(total).join(CartItem, CartItem.product_id == Product.id).where(CartItem.cart_id == cart)
    return (await session.execute(query)).scalar_one()


async def shipping_cents(session: AsyncSession, cart: int) -> int:
    """Return what shipping costs: nothing for a full cart."""
    return 0 if await cart_total(session, cart) >= 10_000 else 490


async def discount_cents(session: AsyncSession, cart: int) -> int:
    """Return what is taken off: 5 % of a large order."""
    total = await cart_total(session, cart)
    return total // 20 if total >= 50_000 else 0


@router.get("/cart")
async def show_cart(session: DatabaseSession, cart: CartNumber = 1) -> dict[str, Any]:
    """Show a cart. Problem 8: three functions ask for the same total, each with its own query."""
    rows = await session.execute(
        select(CartItem.product_id, CartItem.quantity).where(CartItem.cart_id == cart).order_by(CartItem.line)
    )
    return {
        "cart": cart,
        "items": [{"product": product_id, "quantity": quantity} for product_id, quantity in rows.all()],
        "total_cents": await cart_total(session, cart),
        "shipping_cents": await shipping_cents(session, cart),
        "discount_cents": await discount_cents(session, cart),
    }


@router.post("/cart", status_code=201)
async def add_to_cart(change: CartChange, session: DatabaseSession, cart: CartNumber = 1) -> dict[str, int]:
    """Put a product into a cart; a full cart drops an older one."""
    known = await session.scalar(select(Product.id).where(Product.id == change.product))
    if known is None:
        raise HTTPException(404, f"There is no product {change.product}.")
    added = {"product_id": change.product, "quantity": change.quantity}
    line = insert(CartItem).values(cart_id=cart, line=change.product % CART_LINES, **added)
    await session.execute(line.on_conflict_do_update(index_elements=["cart_id", "line"], set_=added))
    await session.commit()
    return {"cart": cart, "total_cents": await cart_total(session, cart)}


@router.post("/checkout", status_code=201)
async def check_out(session: DatabaseSession, shop: TheShop, cart: CartNumber = 1) -> dict[str, Any]:
    """Buy what is in a cart. Nobody handles a declined payment, so that some of these end as a 500."""
    items = (await session.scalars(select(CartItem).where(CartItem.cart_id == cart))).all()
    total = await cart_total(session, cart) + await shipping_cents(session, cart)
    receipt = shop.payments.charge(f"customer {cart}", total)
    today = datetime.now(UTC).date().isoformat()
    order = Order(
        customer=f"customer {cart}",
        placed_on=today,
        product_id=items[0].product_id,
        quantity=sum(item.quantity for item in items),
        total_cents=total,
    )
    session.add(order)
    await session.flush()
    # The shop keeps its newest 5,000 orders, so that a demo left alone does not fill the disk.
    await session.execute(delete(Order).where(Order.id <= order.id - ORDERS))
    order_id = order.id
    await session.commit()
    return {"order": order_id, "receipt": receipt, "total_cents": total}


@router.get("/reports/daily")
async def daily_report(session: DatabaseSession) -> list[dict[str, Any]]:
    """Report the orders of each day. Problem 5: the printing blocks the event loop, and with it everybody."""
    query = select(Order.placed_on, func.count(), func.sum(Order.total_cents)).group_by(Order.placed_on)
    rows = (await session.execute(query.order_by(Order.placed_on.desc()).limit(30))).all()
    time.sleep(PRINTING)  # noqa: ASYNC251 - problem 5 itself
    return [{"day": day, "orders": count, "total_cents": total} for day, count, total in rows]


@router.get("/orders/export")
async def export_orders(request: Request, limit: Annotated[int, Query(ge=1, le=ORDERS)] = 1000) -> StreamingResponse:
    """Stream the newest orders as CSV, a chunk at a time."""
    return StreamingResponse(order_lines(request, limit), media_type="text/csv")


async def order_lines(request: Request, limit: int) -> AsyncIterator[str]:
    """Yield the newest *limit* orders as CSV; each chunk continues where the last one ended."""
    yield "id,customer,placed_on,product_id,quantity,total_cents\n"
    columns = select(Order.id, Order.customer, Order.placed_on, Order.product_id, Order.quantity, Order.total_cents)
    below = 2**62
    while limit > 0:
        query = columns.where(Order.id < below).order_by(Order.id.desc()).limit(min(limit, EXPORT_CHUNK))
        async with new_session(request) as session:
            rows = (await session.execute(query)).all()
        if not rows:
            return
        yield "".join(",".join(map(str, row)) + "\n" for row in rows)
        limit -= len(rows)
        below = rows[-1][0]

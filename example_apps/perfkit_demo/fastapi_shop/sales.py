"""The carts, the checkout, and what the office wants to know about the orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from perfkit_demo.database import statements
from perfkit_demo.database.models import Order
from perfkit_demo.fastapi_shop.dependencies import DatabaseSession, TheShop, new_session
from perfkit_demo.shop import answers
from perfkit_demo.shop.data import CARTS, ORDERS
from perfkit_demo.shop.rules import (
    MOST_OF_ONE,
    PRINTING,
    USUAL_EXPORT,
    discount_cents,
    new_order,
    shipping_cents,
)

__all__ = ["router"]

router = APIRouter()

CartNumber = Annotated[int, Query(ge=1, le=CARTS)]


class CartChange(BaseModel):
    """So many of one product."""

    product: int = Field(ge=1, strict=True)
    quantity: int = Field(default=1, ge=1, le=MOST_OF_ONE, strict=True)


async def total_of(session: AsyncSession, cart: int) -> int:
    """Add up what is in the cart, in cents."""
    return (await session.execute(statements.cart_total(cart))).scalar_one()


async def shipping_of(session: AsyncSession, cart: int) -> int:
    """Return what shipping the cart costs, in cents."""
    return shipping_cents(await total_of(session, cart))


async def discount_of(session: AsyncSession, cart: int) -> int:
    """Return what is taken off the cart, in cents."""
    return discount_cents(await total_of(session, cart))


@router.get("/cart")
async def show_cart(session: DatabaseSession, shop: TheShop, cart: CartNumber = 1) -> dict[str, Any]:
    """Show a cart. Problem 8: three functions ask for the same total, each with its own query."""
    if shop.fixes.has("dup"):
        lines = (await session.execute(statements.cart_lines(cart))).all()
        return answers.cart_with_total(cart, lines, await total_of(session, cart))
    return answers.cart_shown(
        cart,
        (await session.execute(statements.cart_lines(cart))).all(),
        total=await total_of(session, cart),
        shipping=await shipping_of(session, cart),
        discount=await discount_of(session, cart),
    )


@router.post("/cart", status_code=201)
async def add_to_cart(change: CartChange, session: DatabaseSession, cart: CartNumber = 1) -> dict[str, Any]:
    """Put a product into a cart; a full cart drops an older one."""
    if await session.scalar(statements.known_product(change.product)) is None:
        raise HTTPException(404, answers.no_product(change.product))
    await session.execute(statements.put_into_cart(cart, change.product, change.quantity))
    await session.commit()
    return answers.cart_changed(cart, await total_of(session, cart))


@router.post("/checkout", status_code=201)
async def check_out(session: DatabaseSession, shop: TheShop, cart: CartNumber = 1) -> dict[str, Any]:
    """Buy what is in a cart. Nobody handles a declined payment, so that some of these end as a 500."""
    rows = (await session.execute(statements.cart_lines(cart))).all()
    lines = [(product_id, quantity) for product_id, quantity in rows]
    total = await total_of(session, cart)
    total += shipping_cents(total) if shop.fixes.has("dup") else await shipping_of(session, cart)
    receipt = shop.payments.charge(f"customer {cart}", total)
    order = Order(**new_order(cart, lines, total, datetime.now(UTC).date()))
    session.add(order)
    await session.flush()
    await session.execute(statements.orders_too_old(order.id))
    await session.commit()
    return answers.order_placed(order.id, receipt, total)


@router.get("/reports/daily")
async def daily_report(session: DatabaseSession, shop: TheShop) -> list[dict[str, Any]]:
    """Report the orders of each day. Problem 5: the printing blocks the event loop, and with it everybody."""
    days = (await session.execute(statements.orders_by_day())).all()
    if shop.fixes.has("block"):
        await asyncio.sleep(PRINTING)
    else:
        time.sleep(PRINTING)  # noqa: ASYNC251 - problem 5 itself
    return answers.daily_report(days)


@router.get("/orders/export")
async def export_orders(
    request: Request, limit: Annotated[int, Query(ge=1, le=ORDERS)] = USUAL_EXPORT
) -> StreamingResponse:
    """Stream the newest orders as CSV, a chunk at a time."""
    return StreamingResponse(order_lines(request, limit), media_type="text/csv")


async def order_lines(request: Request, limit: int) -> AsyncIterator[str]:
    """Yield the newest *limit* orders as CSV; each chunk continues where the last one ended."""
    yield answers.EXPORT_HEAD
    below = 2**62
    while limit > 0:
        # A visitor who leaves in the middle leaves no connection behind.
        async with new_session(request) as session:
            orders = (await session.execute(statements.orders_below(below, limit))).all()
        if not orders:
            return
        yield answers.export_lines(orders)
        limit -= len(orders)
        below = orders[-1][0]

"""The shop's API for machines: an app of its own, mounted under /api/v1."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException
from sqlalchemy import select

from perfkit_demo.fastapi_shop.dependencies import DatabaseSession
from perfkit_demo.models import Order, Product

__all__ = ["create_api"]


async def api_product(product_id: int, session: DatabaseSession) -> dict[str, Any]:
    """Return what a machine wants to know about a product."""
    query = select(Product.sku, Product.price_cents).where(Product.id == product_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise HTTPException(404, f"There is no product {product_id}.")
    return {"sku": row.sku, "price_cents": row.price_cents}


async def api_order(order_id: int, session: DatabaseSession) -> dict[str, Any]:
    """Return what a machine wants to know about an order."""
    query = select(Order.placed_on, Order.total_cents).where(Order.id == order_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise HTTPException(404, f"There is no order {order_id}.")
    return {"placed_on": row.placed_on, "total_cents": row.total_cents}


def create_api() -> FastAPI:
    """Make the API; whoever mounts it gives it the state of the shop."""
    api = FastAPI(title="The shop's API")
    api.get("/products/{product_id}")(api_product)
    api.get("/orders/{order_id}")(api_order)
    return api

"""The shop's API for machines: an app of its own, mounted under /api/v1."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException

from perfkit_demo.database import statements
from perfkit_demo.fastapi_shop.dependencies import DatabaseSession
from perfkit_demo.fastapi_shop.errors import handle_errors
from perfkit_demo.shop import answers

__all__ = ["create_api"]


async def product(product_id: int, session: DatabaseSession) -> dict[str, Any]:
    """Return what a machine wants to know about a product."""
    row = (await session.execute(statements.product_for_machines(product_id))).one_or_none()
    if row is None:
        raise HTTPException(404, answers.no_product(product_id))
    return answers.api_product(*row)


async def order(order_id: int, session: DatabaseSession) -> dict[str, Any]:
    """Return what a machine wants to know about an order."""
    row = (await session.execute(statements.order_for_machines(order_id))).one_or_none()
    if row is None:
        raise HTTPException(404, answers.no_order(order_id))
    return answers.api_order(*row)


def create_api() -> FastAPI:
    """Make the API; whoever mounts it gives it the state of the shop."""
    api = FastAPI(title="The shop's API")
    api.get("/products/{product_id}")(product)
    api.get("/orders/{order_id}")(order)
    handle_errors(api)
    return api

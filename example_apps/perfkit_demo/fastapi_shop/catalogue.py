"""The products: listed, shown, searched, recommended, in stock or not."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from perfkit_demo.fastapi_shop.dependencies import DatabaseSession, TheShop
from perfkit_demo.models import Product, Review
from perfkit_demo.shop.recommend import CANDIDATES, recommend
from perfkit_demo.shop.services import StockUnavailableError

__all__ = ["PAGE_SIZE", "router"]

PAGE_SIZE = 54
"""Products on one page of the list."""

router = APIRouter()


@router.get("/products")
async def list_products(
    session: DatabaseSession, page: Annotated[int, Query(ge=1, le=1000)] = 1
) -> list[dict[str, Any]]:
    """List a page of products with their ratings. Problem 1: one more query for each of them."""
    query = select(Product.id, Product.name, Product.price_cents).order_by(Product.id)
    rows = await session.execute(query.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
    listed = []
    for product_id, name, price_cents in rows.all():
        rating = await session.scalar(select(func.avg(Review.rating)).where(Review.product_id == product_id))
        listed.append({"id": product_id, "name": name, "price_cents": price_cents, "rating": rating})
    return listed


@router.get("/products/{product_id}")
async def show_product(product_id: int, session: DatabaseSession) -> dict[str, Any]:
    """Show one product. Problem 9: the whole row is loaded, with a photo of 40 KiB that nobody asked for."""
    product = await session.scalar(select(Product).where(Product.id == product_id))
    if product is None:
        raise HTTPException(404, f"There is no product {product_id}.")
    return {"id": product.id, "sku": product.sku, "name": product.name, "price_cents": product.price_cents}


@router.get("/products/{product_id}/stock")
async def show_stock(product_id: int, shop: TheShop) -> dict[str, int]:
    """Ask the stock service. Problem 7: it fails and dawdles, and nothing protects the shop from it."""
    answer = shop.stock.ask()
    await asyncio.sleep(answer.delay)
    if answer.fails:
        error = StockUnavailableError("The stock service answered with an error.")
        raise HTTPException(503, str(error)) from error
    return {"id": product_id, "units": answer.units}


@router.get("/search")
async def search(
    session: DatabaseSession, q: Annotated[str, Query(min_length=1, max_length=40)]
) -> list[dict[str, Any]]:
    """Find products by the start of their SKU. Problem 2: without an index all 2,000 are read for a dozen."""
    query = select(Product.id, Product.sku, Product.name).where(Product.sku >= q, Product.sku < q + "~")
    rows = await session.execute(query.order_by(Product.sku).limit(20))
    return [{"id": product_id, "sku": sku, "name": name} for product_id, sku, name in rows.all()]


@router.get("/recommend")
async def recommendations(session: DatabaseSession, product: Annotated[int, Query(ge=1)] = 1) -> dict[str, list[int]]:
    """Recommend products like this one. Problem 3: the work grows with the square of the candidates."""
    rows = await session.execute(select(Product.id, Product.tags).order_by(Product.id).limit(CANDIDATES))
    candidates = [(product_id, tags) for product_id, tags in rows.all()]
    return {"products": await run_in_threadpool(recommend, candidates, product)}

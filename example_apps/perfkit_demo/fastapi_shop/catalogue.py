"""The products: listed, shown, searched, recommended, in stock or not."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from starlette.concurrency import run_in_threadpool

from perfkit_demo.database import statements
from perfkit_demo.fastapi_shop.dependencies import DatabaseSession, TheShop
from perfkit_demo.shop import answers
from perfkit_demo.shop.recommend import recommend, recommend_quickly
from perfkit_demo.shop.rules import LAST_PAGE, LONGEST_SEARCH
from perfkit_demo.stock import fetch

__all__ = ["router"]

router = APIRouter()


@router.get("/products")
async def list_products(
    session: DatabaseSession, shop: TheShop, page: Annotated[int, Query(ge=1, le=LAST_PAGE)] = 1
) -> list[dict[str, Any]]:
    """List a page of products with their ratings. Problem 1: one more query for each of them."""
    products = (await session.execute(statements.page_of_products(page))).all()
    if shop.fixes.has("n1"):
        rows = (await session.execute(statements.ratings([row.id for row in products]))).all()
        ratings = dict(rows)
        return [answers.listed(*product, ratings.get(product.id)) for product in products]
    listed = []
    for product_id, name, price_cents in products:
        rating = await session.scalar(statements.rating(product_id))
        listed.append(answers.listed(product_id, name, price_cents, rating))
    return listed


@router.get("/products/{product_id}")
async def show_product(product_id: int, session: DatabaseSession, shop: TheShop) -> dict[str, Any]:
    """Show one product. Problem 9: the whole row is loaded, with a photo of 40 KiB that nobody asked for."""
    product: Any
    if shop.fixes.has("cols"):
        product = (await session.execute(statements.shown_product(product_id))).one_or_none()
    else:
        product = await session.scalar(statements.whole_product(product_id))
    if product is None:
        raise HTTPException(404, answers.no_product(product_id))
    return answers.product_shown(product)


@router.get("/products/{product_id}/stock")
async def show_stock(product_id: int, shop: TheShop) -> dict[str, Any]:
    """Ask the stock service. Problem 7: it fails and dawdles, and nothing protects the shop from it."""
    if shop.stock_url:
        answer = await run_in_threadpool(fetch, shop.stock_url, is_mended=shop.fixes.has("flaky"))
    else:
        answer = shop.stock.ask()
        await asyncio.sleep(answer.delay)
    if answer.fails:
        raise HTTPException(503, answers.NO_STOCK)
    return answers.stock_shown(product_id, answer.units)


@router.get("/search")
async def search(
    session: DatabaseSession, q: Annotated[str, Query(min_length=1, max_length=LONGEST_SEARCH)]
) -> list[dict[str, Any]]:
    """Find products by the start of their SKU. Problem 2: without an index all 2,000 are read for a dozen."""
    return answers.found((await session.execute(statements.found_products(q))).all())


@router.get("/recommend")
async def recommendations(
    session: DatabaseSession, shop: TheShop, product: Annotated[int, Query(ge=1)] = 1
) -> dict[str, Any]:
    """Recommend products like this one. Problem 3: the work grows with the square of the candidates."""
    rows = (await session.execute(statements.candidates())).all()
    candidates = [(product_id, tags) for product_id, tags in rows]
    function = recommend_quickly if shop.fixes.has("cpu") else recommend
    return answers.recommended(await run_in_threadpool(function, candidates, product))

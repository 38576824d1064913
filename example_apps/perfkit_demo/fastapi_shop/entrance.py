"""The pages that everybody sees first: the list of what is here, the home page, the healthy page."""

from __future__ import annotations

import asyncio
import time
from html import escape
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from perfkit_demo.fastapi_shop.dependencies import DatabaseSession, TheShop, audited
from perfkit_demo.models import Order, Product
from perfkit_demo.shop.pages import CONTENT_DELAY
from perfkit_demo.shop.problems import PROBLEMS

__all__ = ["router"]

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
async def index() -> str:
    """Say what is here and what is wrong with it."""
    rows = "".join(
        f"<tr><td>{problem.number}<td>{escape(problem.route or 'the process')}<td>{escape(problem.title)}"
        for problem in PROBLEMS
    )
    return (
        '<!doctype html><html lang="en"><title>The shop</title><h1>The shop</h1>'
        "<p>A web shop with ten seeded problems. <a href='perfkit/'>See what perfkit finds</a>.</p>"
        f"<table><tr><th>#<th>Where<th>What{rows}</table>"
    )


@router.get("/about")
async def about() -> dict[str, str]:
    """Answer at once: number 10, the route with nothing wrong."""
    return {"name": "The shop", "since": "2026"}


@router.get("/home", dependencies=[Depends(audited)])
async def home(shop: TheShop, session: DatabaseSession) -> dict[str, Any]:
    """Show the best sellers. Problem 4: when the page expires, all who ask in that moment build it anew."""
    page: dict[str, Any] | None = shop.pages.get("home", time.monotonic())
    if page is None:
        page = await build_home(session)
        shop.pages.put("home", page, time.monotonic())
    return page


async def build_home(session: AsyncSession) -> dict[str, Any]:
    """Find the best sellers and wait for the banner of the content service."""
    sold = func.sum(Order.quantity).label("sold")
    query = select(Product.id, Product.name, sold).join(Order, Order.product_id == Product.id)
    rows = await session.execute(query.group_by(Product.id).order_by(sold.desc(), Product.id).limit(10))
    await asyncio.sleep(CONTENT_DELAY)
    return {
        "banner": "Summer sale",
        "best": [{"id": row.id, "name": row.name, "sold": row.sold} for row in rows],
    }

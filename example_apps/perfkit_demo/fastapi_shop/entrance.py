"""The pages that everybody sees first: the list of what is here, the home page, the healthy page."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from perfkit_demo.database import statements
from perfkit_demo.fastapi_shop.dependencies import DatabaseSession, TheShop, audited
from perfkit_demo.shop import answers
from perfkit_demo.shop.pages import CONTENT_DELAY

__all__ = ["router"]

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
async def index() -> str:
    """Say what is here and what is wrong with it."""
    return answers.index_page()


@router.get("/about")
async def about() -> dict[str, Any]:
    """Answer at once: number 10, the route with nothing wrong."""
    return answers.ABOUT


@router.get("/home", dependencies=[Depends(audited)])
async def home(shop: TheShop, session: DatabaseSession) -> dict[str, Any]:
    """Show the best sellers. Problem 4: when the page expires, all who ask in that moment build it anew."""
    page: dict[str, Any] | None = shop.pages.get("home", time.monotonic())
    if page is None:
        best = (await session.execute(statements.best_sellers())).all()
        await asyncio.sleep(CONTENT_DELAY)
        page = answers.home_page(best)
        shop.pages.put("home", page, time.monotonic())
    return page

"""The pages that everybody sees first: the list of what is here, the home page, the healthy page."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from perfkit_demo.database import statements
from perfkit_demo.fastapi_shop.dependencies import DatabaseSession, TheShop, audited, new_session, system_of
from perfkit_demo.shop import answers, workbench
from perfkit_demo.shop.pages import CONTENT_DELAY, STALE, Pages, until_round

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
async def home(request: Request, shop: TheShop, session: DatabaseSession) -> dict[str, Any]:
    """Show the best sellers. Problem 4: when the page expires, all who ask in that moment build it anew."""

    async def made() -> dict[str, Any]:
        # A session of its own: an old page may be served, and the request over, while the new one is made.
        async with new_session(request) as own:
            best = (await own.execute(statements.best_sellers())).all()
        await asyncio.sleep(CONTENT_DELAY)
        return answers.home_page(best)

    system = system_of(request)
    if system is not None and shop.fixes.has("storm"):
        mended = system.cache.amemoize("home", made, ttl=until_round(), stale_while_revalidate=STALE)
        once: dict[str, Any] = await mended
        return once
    pages: Pages = shop.pages if system is None else system.cache
    page: dict[str, Any] | None = pages.get("home")
    if page is None:
        best = (await session.execute(statements.best_sellers())).all()
        await asyncio.sleep(CONTENT_DELAY)
        page = answers.home_page(best)
        pages.set("home", page, ttl=until_round())
    return page


@router.get("/demo", include_in_schema=False)
async def workbench_page(request: Request, shop: TheShop) -> HTMLResponse:
    """Show the buttons that mend the problems, in development and on this machine."""
    if not shop.has_workbench or not workbench.is_ours(request.headers):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return HTMLResponse(workbench.page(shop.fixes))


@router.post("/demo", include_in_schema=False)
async def press(request: Request, shop: TheShop) -> Response:
    """Mend a problem, or seed it again."""
    if not shop.has_workbench or not workbench.is_ours(request.headers):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    status = await run_in_threadpool(workbench.press, shop.fixes, await request.body(), system_of(request))
    return Response(status_code=status, headers={"Location": "demo"})

"""The shop in FastAPI, with SQLAlchemy over aiosqlite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from perfkit_demo.database.connections import POOL, prepare
from perfkit_demo.fastapi_shop import catalogue, entrance, sales
from perfkit_demo.fastapi_shop.api import create_api
from perfkit_demo.fastapi_shop.dependencies import audited
from perfkit_demo.fastapi_shop.errors import handle_errors
from perfkit_demo.shop.audit import LEAK_LIMIT
from perfkit_demo.shop.state import Shop

__all__ = ["create_app"]


def create_app(
    database: Path | str,
    *,
    perfkit: bool = True,
    seed: int = 0,
    leak_limit: int = LEAK_LIMIT,
    stock_url: str = "",
    has_workbench: bool = False,
    **settings: Any,
) -> FastAPI:
    """Make the shop over a seeded *database*.

    Args:
        database: The file that `perfkit_demo.shop.seed` made.
        perfkit: Whether perfkit watches; False is for measuring what that costs.
        seed: Decides which calls of the stock service and which payments fail.
        leak_limit: Bytes at which the leak stops.
        stock_url: Where the stock service listens; empty for one that is made up in this process.
        has_workbench: Whether the page with the buttons is there.
        settings: perfkit's settings, handed on to its middleware.
    """
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}", pool_size=POOL)
    prepare(engine.sync_engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(title="The shop", lifespan=lifespan)
    app.state.engine = engine
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.state.shop = Shop(database, seed=seed, leak_limit=leak_limit, stock_url=stock_url, has_workbench=has_workbench)
    app.include_router(entrance.router)
    app.include_router(catalogue.router, dependencies=[Depends(audited)])
    app.include_router(sales.router, dependencies=[Depends(audited)])
    handle_errors(app)
    api = create_api()
    api.state = app.state
    app.mount("/api/v1", api)
    if perfkit:
        from perfkit_asgi import PerfkitMiddleware

        app.add_middleware(PerfkitMiddleware, service="shop", **settings)
    return app

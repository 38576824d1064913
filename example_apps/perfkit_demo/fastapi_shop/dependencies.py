"""What the routes ask for: the shop, a database session, and the audit of every call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from perfkit import PerformanceSystem
from perfkit_demo.shop.state import Shop

__all__ = ["DatabaseSession", "TheShop", "audited", "new_session", "system_of"]


# These are coroutines though they never wait: FastAPI would send plain functions to its thread pool.
async def the_shop(request: Request) -> Shop:
    """Give the shop that this app serves."""
    shop: Shop = request.app.state.shop
    return shop


def new_session(request: Request) -> AsyncSession:
    """Open a database session, for those who outlive their route function."""
    sessions: async_sessionmaker[AsyncSession] = request.app.state.sessions
    return sessions()


def system_of(request: Request) -> PerformanceSystem | None:
    """Return perfkit's system, if it watches."""
    system: PerformanceSystem | None = getattr(request.state, "perfkit", None)
    return system


async def database_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give a database session that is closed after the route."""
    async with new_session(request) as session:
        yield session


TheShop = Annotated[Shop, Depends(the_shop)]
DatabaseSession = Annotated[AsyncSession, Depends(database_session)]


async def audited(request: Request, shop: TheShop) -> None:
    """Write the call into the audit list, which is problem 6: it never forgets."""
    shop.note(request.method, request.url.path)

"""What the routes ask for: the shop, a database session, and the audit of every call."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, g, request
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from perfkit import PerformanceSystem
from perfkit_demo.shop.state import Shop

__all__ = ["Parts", "audit", "close_session", "new_session", "parts", "session", "the_shop", "the_system"]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the app has of the shop, as ``app.extensions["shop"]``.

    Attributes:
        engine: The database.
        shop: What the shop holds in memory.
    """

    engine: Engine
    shop: Shop


def parts() -> Parts:
    """Return what the app has of the shop."""
    found: Parts = current_app.extensions["shop"]
    return found


def the_shop() -> Shop:
    """Return the shop that this app serves."""
    return parts().shop


def the_system() -> PerformanceSystem | None:
    """Return perfkit's system, if it watches."""
    watching = current_app.extensions.get("perfkit")
    return None if watching is None else watching.system


def new_session() -> Session:
    """Open a database session, for those who outlive their route function."""
    return Session(parts().engine, expire_on_commit=False)


def session() -> Session:
    """Return the request's database session, which is closed after it."""
    if "session" not in g:
        g.session = new_session()
    found: Session = g.session
    return found


def close_session(error: BaseException | None = None) -> None:
    """Close the request's database session, if it opened one."""
    if "session" in g:
        g.pop("session").close()


def audit() -> None:
    """Write the call into the audit list, which is problem 6: it never forgets."""
    the_shop().note(request.method, request.path)

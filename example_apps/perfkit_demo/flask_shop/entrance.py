"""The pages that everybody sees first: the list of what is here, the home page, the healthy page."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from flask import Blueprint, Response, abort, request
from sqlalchemy import Engine

from perfkit_demo.database import statements
from perfkit_demo.flask_shop.state import audit, parts, session, the_shop, the_system
from perfkit_demo.shop import answers, workbench
from perfkit_demo.shop.pages import CONTENT_DELAY, STALE, Pages, until_round

__all__ = ["pages"]

pages = Blueprint("entrance", __name__)


@pages.get("/")
def index() -> str:
    """Say what is here and what is wrong with it."""
    return answers.index_page()


@pages.get("/about")
def about() -> dict[str, Any]:
    """Answer at once: number 10, the route with nothing wrong."""
    return answers.ABOUT


@pages.get("/home")
def home() -> dict[str, Any]:
    """Show the best sellers. Problem 4: when the page expires, all who ask in that moment build it anew."""
    audit()
    shop, system = the_shop(), the_system()
    if system is not None and shop.fixes.has("storm"):
        make = partial(make_home, parts().engine)
        mended: dict[str, Any] = system.cache.memoize("home", make, ttl=until_round(), stale_while_revalidate=STALE)
        return mended
    kept: Pages = shop.pages if system is None else system.cache
    page: dict[str, Any] | None = kept.get("home")
    if page is None:
        best = session().execute(statements.best_sellers()).all()
        time.sleep(CONTENT_DELAY)
        page = answers.home_page(best)
        kept.set("home", page, ttl=until_round())
    return page


def make_home(engine: Engine) -> dict[str, Any]:
    """Make the home page with a connection of its own: an old one may be served while this is made in a thread."""
    with engine.connect() as connection:
        best = connection.execute(statements.best_sellers()).all()
    time.sleep(CONTENT_DELAY)
    return answers.home_page(best)


@pages.get("/demo")
def workbench_page() -> str:
    """Show the buttons that mend the problems, in development and on this machine."""
    check_workbench()
    return workbench.page(the_shop().fixes)


@pages.post("/demo")
def press() -> Response:
    """Mend a problem, or seed it again."""
    check_workbench()
    form = request.stream.read(workbench.MOST_BYTES)
    return Response(status=workbench.press(the_shop().fixes, form, the_system()), headers={"Location": "demo"})


def check_workbench() -> None:
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not the_shop().has_workbench or not workbench.is_ours(headers):
        abort(404)

"""The pages that everybody sees first: the list of what is here, the home page, the healthy page."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint

from perfkit_demo.database import statements
from perfkit_demo.flask_shop.state import audit, session, the_shop
from perfkit_demo.shop import answers
from perfkit_demo.shop.pages import CONTENT_DELAY

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
    shop = the_shop()
    page: dict[str, Any] | None = shop.pages.get("home", time.monotonic())
    if page is None:
        best = session().execute(statements.best_sellers()).all()
        time.sleep(CONTENT_DELAY)
        page = answers.home_page(best)
        shop.pages.put("home", page, time.monotonic())
    return page

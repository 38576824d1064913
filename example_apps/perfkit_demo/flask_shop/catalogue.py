"""The products: listed, shown, searched, recommended, in stock or not."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, abort, request

from perfkit_demo.database import statements
from perfkit_demo.flask_shop.state import audit, session, the_shop
from perfkit_demo.shop import answers
from perfkit_demo.shop.parameters import text, whole_number
from perfkit_demo.shop.recommend import recommend, recommend_quickly
from perfkit_demo.shop.rules import LAST_PAGE, LONGEST_SEARCH
from perfkit_demo.stock import fetch

__all__ = ["pages"]

pages = Blueprint("catalogue", __name__)
pages.before_request(audit)


@pages.get("/products")
def list_products() -> list[dict[str, Any]]:
    """List a page of products with their ratings. Problem 1: one more query for each of them."""
    page = whole_number(request.args, "page", default=1, most=LAST_PAGE)
    products = session().execute(statements.page_of_products(page)).all()
    if the_shop().fixes.has("n1"):
        rows = session().execute(statements.ratings([row.id for row in products])).all()
        ratings = dict(rows)
        return [answers.listed(*product, ratings.get(product.id)) for product in products]
    listed = []
    for product_id, name, price_cents in products:
        rating = session().scalar(statements.rating(product_id))
        listed.append(answers.listed(product_id, name, price_cents, rating))
    return listed


@pages.get("/products/<int:product_id>")
def show_product(product_id: int) -> dict[str, Any]:
    """Show one product. Problem 9: the whole row is loaded, with a photo of 40 KiB that nobody asked for."""
    product: Any
    if the_shop().fixes.has("cols"):
        product = session().execute(statements.shown_product(product_id)).one_or_none()
    else:
        product = session().scalar(statements.whole_product(product_id))
    if product is None:
        abort(404, answers.no_product(product_id))
    return answers.product_shown(product)


@pages.get("/products/<int:product_id>/stock")
def show_stock(product_id: int) -> dict[str, Any]:
    """Ask the stock service. Problem 7: it fails and dawdles, and nothing protects the shop from it."""
    shop = the_shop()
    if shop.stock_url:
        answer = fetch(shop.stock_url, is_mended=shop.fixes.has("flaky"))
    else:
        answer = shop.stock.ask()
        time.sleep(answer.delay)
    if answer.fails:
        abort(503, answers.NO_STOCK)
    return answers.stock_shown(product_id, answer.units)


@pages.get("/search")
def search() -> list[dict[str, Any]]:
    """Find products by the start of their SKU. Problem 2: without an index all 2,000 are read for a dozen."""
    wanted = text(request.args, "q", longest=LONGEST_SEARCH)
    return answers.found(session().execute(statements.found_products(wanted)).all())


@pages.get("/recommend")
def recommendations() -> dict[str, Any]:
    """Recommend products like this one. Problem 3: the work grows with the square of the candidates."""
    product = whole_number(request.args, "product", default=1)
    candidates = [(product_id, tags) for product_id, tags in session().execute(statements.candidates()).all()]
    function = recommend_quickly if the_shop().fixes.has("cpu") else recommend
    return answers.recommended(function(candidates, product))

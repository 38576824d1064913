"""The shop's API for machines: a blueprint of its own under /api/v1."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort

from perfkit_demo.database import statements
from perfkit_demo.flask_shop.state import session
from perfkit_demo.shop import answers

__all__ = ["pages"]

pages = Blueprint("api", __name__, url_prefix="/api/v1")


@pages.get("/products/<int:product_id>")
def product(product_id: int) -> dict[str, Any]:
    """Return what a machine wants to know about a product."""
    row = session().execute(statements.product_for_machines(product_id)).one_or_none()
    if row is None:
        abort(404, answers.no_product(product_id))
    return answers.api_product(*row)


@pages.get("/orders/<int:order_id>")
def order(order_id: int) -> dict[str, Any]:
    """Return what a machine wants to know about an order."""
    row = session().execute(statements.order_for_machines(order_id)).one_or_none()
    if row is None:
        abort(404, answers.no_order(order_id))
    return answers.api_order(*row)

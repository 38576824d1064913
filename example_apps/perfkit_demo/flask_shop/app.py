"""The shop in Flask, with SQLAlchemy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import create_engine

from perfkit_demo.database.connections import POOL, prepare
from perfkit_demo.flask_shop import api, catalogue, entrance, sales
from perfkit_demo.flask_shop.errors import handle_errors
from perfkit_demo.flask_shop.state import Parts, close_session
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
) -> Flask:
    """Make the shop over a seeded *database*.

    Args:
        database: The file that `perfkit_demo.shop.seed` made.
        perfkit: Whether perfkit watches; False is for measuring what that costs.
        seed: Decides which calls of the stock service and which payments fail.
        leak_limit: Bytes at which the leak stops.
        stock_url: Where the stock service listens; empty for one that is made up in this process.
        has_workbench: Whether the page with the buttons is there.
        settings: perfkit's settings.
    """
    engine = create_engine(f"sqlite:///{database}", pool_size=POOL)
    prepare(engine)
    app = Flask(__name__)
    shop = Shop(database, seed=seed, leak_limit=leak_limit, stock_url=stock_url, has_workbench=has_workbench)
    app.extensions["shop"] = Parts(engine=engine, shop=shop)
    app.teardown_appcontext(close_session)
    app.register_blueprint(entrance.pages)
    app.register_blueprint(catalogue.pages)
    app.register_blueprint(sales.pages)
    app.register_blueprint(api.pages)
    handle_errors(app)
    if perfkit:
        from perfkit_flask import Perfkit

        Perfkit(app, service="shop", **settings)
    return app

"""What a framework makes of the app's routes is the same with and without perfkit: OpenAPI documents and addresses."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, NoMatchFound, Route
from starlette.testclient import TestClient

from perfkit.cache import Namespace
from perfkit_asgi import PerfkitMiddleware, cache_of

SETTINGS: dict[str, Any] = {"environment": "testing", "access": {"token": "a-token-for-the-neighbours-of-32"}}
Greetings = Annotated[Namespace, Depends(cache_of("greetings"))]
Whole = Annotated[Namespace, Depends(cache_of())]


class Product(BaseModel):
    """Something to buy."""

    number: int
    name: str = "book"


def fastapi(*, with_perfkit: bool, with_cache: bool = False) -> FastAPI:
    app = FastAPI(title="Shop", version="2.8.1")
    if with_perfkit:
        app.add_middleware(PerfkitMiddleware, **SETTINGS)

    if with_cache:

        @app.get("/products/{number}", tags=["products"])
        async def cached_product(number: int, q: str | None = None, *, cache: Greetings, whole: Whole) -> Product:
            cache.set(number, q)
            return Product(number=number)

        app.routes[-1].endpoint.__name__ = "product"  # type: ignore[attr-defined]  # a route of FastAPI has it
    else:

        @app.get("/products/{number}", tags=["products"])
        async def product(number: int, q: str | None = None) -> Product:
            return Product(number=number)

    @app.post("/products", status_code=201)
    async def create(product: Product) -> Product:
        return product

    sub = FastAPI()

    @sub.get("/inner")
    async def inner() -> str:
        return "inner"

    app.mount("/sub", sub)
    return app


def test_the_openapi_document_of_fastapi_is_the_same() -> None:
    assert fastapi(with_perfkit=True).openapi() == fastapi(with_perfkit=False).openapi()


def test_the_served_document_is_the_same_byte_for_byte_before_and_after_requests() -> None:
    bodies = []
    for with_perfkit in (True, False):
        with TestClient(fastapi(with_perfkit=with_perfkit)) as client:
            bodies += [client.get(path).content for path in ("/openapi.json", "/docs", "/redoc", "/sub/openapi.json")]
            client.get("/products/7")
            bodies.append(client.get("/openapi.json").content)
    assert bodies[:5] == bodies[5:]
    assert b"perfkit" not in b"".join(bodies)


def test_a_cache_as_a_dependency_adds_no_parameter() -> None:
    with_cache = fastapi(with_perfkit=True, with_cache=True).openapi()
    without = fastapi(with_perfkit=False).openapi()
    told = json.loads(json.dumps(with_cache).replace("cached_product", "product").replace("Cached Product", "Product"))
    assert told == without
    with TestClient(fastapi(with_perfkit=True, with_cache=True)) as client:
        assert client.get("/products/7?q=x").json() == {"number": 7, "name": "book"}


def starlette(*, with_perfkit: bool) -> Starlette:
    async def product(request: Request) -> PlainTextResponse:
        found = str(request.url_for("product", number=7)), str(request.app.url_path_for("nested:item", item="a"))
        return PlainTextResponse(" ".join(found))

    nested = Mount("/nested", name="nested", routes=[Route("/items/{item}", product, name="item")])
    app = Starlette(routes=[Route("/products/{number:int}", product, name="product"), nested])
    if with_perfkit:
        app.add_middleware(PerfkitMiddleware, **SETTINGS)
    return app


def test_the_addresses_of_starlette_are_the_same() -> None:
    said = []
    for with_perfkit in (True, False):
        app = starlette(with_perfkit=with_perfkit)
        with TestClient(app, root_path="/shop") as client:
            said.append([client.get("/shop/products/7").text, str(app.url_path_for("product", number=7))])
        assert [getattr(route, "path", "") for route in app.routes] == ["/products/{number:int}", "/nested"]
        with pytest.raises(NoMatchFound):
            app.url_path_for("perfkit")
    assert (
        said[0]
        == said[1]
        == [
            "http://testserver/shop/products/7 /nested/items/a",
            "/products/7",
        ]
    )

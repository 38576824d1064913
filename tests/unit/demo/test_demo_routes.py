"""The shop in FastAPI: every route answers, and the problems are really there."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import event
from starlette.testclient import TestClient

from perfkit_demo.fastapi_app import create_app
from perfkit_demo.fastapi_shop.catalogue import PAGE_SIZE
from perfkit_demo.fastapi_shop.sales import PRINTING
from perfkit_demo.shop.data import CART_LINES, ORDERS


@pytest.fixture
def statements(shop: FastAPI) -> Iterator[list[tuple[str, Any]]]:
    """All SQL that the shop runs, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def listen(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        seen.append((statement, parameters))

    engine = shop.state.engine.sync_engine
    event.listen(engine, "before_cursor_execute", listen)
    yield seen
    event.remove(engine, "before_cursor_execute", listen)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 200),
        ("/about", 200),
        ("/home", 200),
        ("/products", 200),
        ("/products?page=999", 200),
        ("/products?page=0", 422),
        ("/products/7", 200),
        ("/products/2001", 404),
        ("/products/seven", 422),
        ("/products/7/stock", 200),
        ("/search?q=SK-0007", 200),
        ("/search", 422),
        ("/recommend?product=5", 200),
        ("/reports/daily", 200),
        ("/cart?cart=3", 200),
        ("/cart?cart=51", 422),
        ("/orders/export", 200),
        ("/api/v1/products/4", 200),
        ("/api/v1/products/2001", 404),
        ("/api/v1/orders/4", 200),
        ("/api/v1/orders/99999", 404),
        ("/nowhere", 404),
    ],
)
def test_a_route_answers(client: TestClient, target: str, status: int) -> None:
    assert client.get(target).status_code == status


def test_a_list_of_products_asks_once_more_for_each_of_them(
    client: TestClient, statements: list[tuple[str, Any]]
) -> None:
    listed = client.get("/products").json()
    assert len(listed) == PAGE_SIZE > 50
    assert len(statements) == 1 + PAGE_SIZE
    repeated, times = Counter(statement for statement, _ in statements).most_common(1)[0]
    assert ("FROM review" in repeated, times) == (True, PAGE_SIZE)


def test_a_search_reads_the_whole_table(client: TestClient, statements: list[tuple[str, Any]], database: Path) -> None:
    assert len(client.get("/search?q=SK-0007").json()) == 12
    [(statement, parameters)] = statements
    with closing(sqlite3.connect(database)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    assert "SCAN product" in str(plan)


def test_one_product_drags_its_photo_along(client: TestClient, statements: list[tuple[str, Any]]) -> None:
    shown = client.get("/products/7").json()
    assert "photo" not in shown
    assert "product.photo" in statements[0][0]


def test_a_list_of_products_leaves_the_photos_alone(client: TestClient, statements: list[tuple[str, Any]]) -> None:
    client.get("/products")
    assert not any("photo" in statement for statement, _ in statements)


def test_a_cart_asks_three_times_for_the_same_total(client: TestClient, statements: list[tuple[str, Any]]) -> None:
    client.get("/cart?cart=3")
    assert [times for _, times in Counter(map(repr, statements)).most_common(2)] == [3, 1]


def test_the_healthy_route_asks_nothing(client: TestClient, shop: FastAPI, statements: list[tuple[str, Any]]) -> None:
    assert client.get("/about").json()["name"] == "The shop"
    assert (statements, shop.state.shop.audit.entries) == ([], [])


def test_every_other_call_stays_in_the_audit_list(client: TestClient, shop: FastAPI) -> None:
    for target in ("/home", "/products/7", "/cart?cart=1"):
        client.get(target)
    entries = shop.state.shop.audit.entries
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("GET", "/home"),
        ("GET", "/products/7"),
        ("GET", "/cart"),
    ]


def test_a_cart_takes_products_but_never_more_than_its_lines(client: TestClient) -> None:
    answers = [client.post("/cart?cart=9", json={"product": product, "quantity": 2}) for product in range(1, 30)]
    assert {answer.status_code for answer in answers} == {201}
    cart = client.get("/cart?cart=9").json()
    assert len(cart["items"]) == CART_LINES
    assert {"product": 29, "quantity": 2} in cart["items"]
    assert cart["total_cents"] == answers[-1].json()["total_cents"]


def test_a_product_that_is_not_there_cannot_be_bought(client: TestClient) -> None:
    assert client.post("/cart?cart=9", json={"product": 2001}).status_code == 404


def checkouts(database: Path, count: int) -> list[int]:
    with TestClient(create_app(database, perfkit=False, seed=7), raise_server_exceptions=False) as client:
        return [client.post("/checkout?cart=1").status_code for _ in range(count)]


def test_some_checkouts_fail_and_the_same_ones_for_the_same_seed(database: Path) -> None:
    statuses = checkouts(database, 60)
    assert set(statuses) == {201, 500}
    assert statuses == checkouts(database, 60)


def test_checkouts_do_not_make_the_table_of_orders_longer(client: TestClient, database: Path) -> None:
    bought = [client.post("/checkout?cart=2") for _ in range(20)]
    assert any(answer.status_code == 201 for answer in bought)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (ORDERS,)


def test_the_export_comes_in_chunks_with_the_newest_order_first(
    client: TestClient, statements: list[tuple[str, Any]]
) -> None:
    lines = client.get("/orders/export?limit=450").text.splitlines()
    assert lines[0].startswith("id,customer,")
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(5_000, 4_550, -1))
    assert len(statements) == 3


def test_the_export_ends_where_the_orders_end(client: TestClient) -> None:
    assert len(client.get(f"/orders/export?limit={ORDERS}").text.splitlines()) == ORDERS + 1


def in_process(shop: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=shop), base_url="http://shop")


@pytest.mark.anyio
async def test_all_who_find_the_home_page_expired_build_it(shop: FastAPI) -> None:
    async with in_process(shop) as client:
        answers = await asyncio.gather(*(client.get("/home") for _ in range(4)))
        assert shop.state.shop.pages.misses == 4
        assert len({answer.text for answer in answers}) == 1
        await client.get("/home")
        assert (shop.state.shop.pages.hits, shop.state.shop.pages.misses) == (1, 4)
    await shop.state.engine.dispose()


@pytest.mark.anyio
async def test_the_daily_report_holds_up_the_event_loop(shop: FastAPI) -> None:
    gaps = []

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0)
            gaps.append(time.monotonic() - before)

    watcher = asyncio.create_task(watch())
    async with in_process(shop) as client:
        assert (await client.get("/reports/daily")).status_code == 200
    watcher.cancel()
    assert max(gaps) >= PRINTING
    await shop.state.engine.dispose()

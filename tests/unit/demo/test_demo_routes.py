"""The shop in every framework: all answer alike, and the problems are really there."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from demo_shops import SEED, ShopClient

from perfkit_demo.described import FRAMEWORKS
from perfkit_demo.fastapi_shop.app import create_app
from perfkit_demo.shop.data import CART_LINES, ORDERS
from perfkit_demo.shop.problems import PROBLEMS, Problem
from perfkit_demo.shop.rules import PAGE_SIZE, PRINTING
from perfkit_demo.shop.services import PaymentDeclinedError, Payments


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /", 200),
        ("GET /about", 200),
        ("GET /home", 200),
        ("GET /products", 200),
        ("GET /products?page=37", 200),
        ("GET /products?page=999", 200),
        ("GET /products?page=0", 422),
        ("GET /products?page=many", 422),
        ("GET /products/7", 200),
        ("GET /products/2000", 200),
        ("GET /products/2001", 404),
        ("GET /products/seven", 404),
        ("GET /products/7/stock", 200),
        ("GET /search?q=SK-0007", 200),
        ("GET /search?q=nothing", 200),
        ("GET /search", 422),
        ("GET /search?q=" + 41 * "x", 422),
        ("GET /recommend?product=5", 200),
        ("GET /recommend?product=0", 422),
        ("GET /reports/daily", 200),
        ("GET /cart", 200),
        ("GET /cart?cart=3", 200),
        ("GET /cart?cart=51", 422),
        ("POST /cart?cart=51", 422),
        ("GET /orders/export?limit=450", 200),
        ("GET /orders/export?limit=0", 422),
        ("GET /api/v1/products/4", 200),
        ("GET /api/v1/products/2001", 404),
        ("GET /api/v1/products/four", 404),
        ("GET /api/v1/orders/4", 200),
        ("GET /api/v1/orders/99999", 404),
        ("GET /nowhere", 404),
        ("GET /api/v1/nowhere", 404),
        ("PUT /about", 405),
        ("GET /checkout", 405),
        ("POST /checkout?cart=51", 422),
    ],
)
def test_every_framework_answers_alike(shops: dict[str, ShopClient], request_line: str, status: int) -> None:
    method, target = request_line.split(" ")
    answers = {framework: shop.ask(method, target) for framework, shop in shops.items()}
    assert {framework: answer.status for framework, answer in answers.items()} == dict.fromkeys(FRAMEWORKS, status)
    said = {framework: answer.said for framework, answer in answers.items()}
    assert said == dict.fromkeys(FRAMEWORKS, said["fastapi"])
    assert len({answer.content_type for answer in answers.values()}) == 1
    assert all((answer.allow != "") == (status == 405) for answer in answers.values())


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"product": 0},
        {"product": "3"},
        {"product": True},
        {"product": 2.5},
        {"product": None},
        {"product": 3, "quantity": 0},
        {"product": 3, "quantity": 10},
        {"product": 3, "quantity": None},
        {"product": 2001},
    ],
)
def test_every_framework_refuses_the_same_changes_of_a_cart(shops: dict[str, ShopClient], body: object) -> None:
    answers = {framework: shop.post("/cart?cart=4", body) for framework, shop in shops.items()}
    outcomes = {framework: (answer.status, answer.said) for framework, answer in answers.items()}
    assert outcomes == dict.fromkeys(FRAMEWORKS, outcomes["fastapi"])
    assert outcomes["fastapi"][0] == (404 if body == {"product": 2001} else 422)


@pytest.mark.parametrize(
    "problem", [problem for problem in PROBLEMS if problem.route], ids=lambda problem: problem.name
)
def test_every_problem_has_its_route_in_every_framework(shops: dict[str, ShopClient], problem: Problem) -> None:
    method, template = problem.route.split(" ")
    target = template.replace("{product_id}", "7")
    assert not {shop.ask(method, target).status for shop in shops.values()} & {404, 405}


def test_a_list_of_products_asks_once_more_for_each_of_them(client: ShopClient) -> None:
    listed = client.get("/products").json()
    assert len(listed) == PAGE_SIZE > 50
    repeated, times = Counter(statement for statement, _ in client.statements).most_common(1)[0]
    assert (any(f"FROM {quoted}" in repeated for quoted in ("review", '"review"')), times) == (True, PAGE_SIZE)
    assert len(client.statements) == 1 + PAGE_SIZE


def test_a_search_reads_the_whole_table(client: ShopClient, seeded: Path) -> None:
    assert len(client.get("/search?q=SK-0007").json()) == 12
    [(statement, parameters)] = client.statements
    with closing(sqlite3.connect(seeded)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    assert "SCAN product" in str(plan)


def test_one_product_drags_its_photo_along(client: ShopClient) -> None:
    shown = client.get("/products/7").json()
    assert "photo" not in shown
    [(statement, _)] = client.statements
    assert "photo" in statement


@pytest.mark.parametrize("target", ["/products", "/home", "/search?q=SK-0007", "/recommend", "/cart"])
def test_other_pages_leave_the_photos_alone(client: ShopClient, target: str) -> None:
    assert client.get(target).status == 200
    assert client.statements
    assert not any("photo" in statement for statement, _ in client.statements)


def test_a_cart_asks_three_times_for_the_same_total(client: ShopClient) -> None:
    client.get("/cart?cart=3")
    assert [times for _, times in Counter(map(repr, client.statements)).most_common(2)] == [3, 1]


def test_the_healthy_route_asks_nothing(client: ShopClient) -> None:
    assert client.get("/about").json()["name"] == "The shop"
    assert (client.statements, client.audited) == ([], [])


def test_every_other_call_stays_in_the_audit_list(client: ShopClient) -> None:
    for target in ("/home", "/products/7", "/api/v1/products/7", "/nowhere", "/cart?cart=1", "/cart?cart=none"):
        client.get(target)
    client.post("/cart?cart=1", {"product": 3})
    assert client.audited == [
        ("GET", "/home"),
        ("GET", "/products/7"),
        ("GET", "/cart"),
        ("GET", "/cart"),
        ("POST", "/cart"),
    ]


def test_all_who_find_the_home_page_expired_build_it(client: ShopClient) -> None:
    answers = client.home_at_once(4)
    assert client.pages == (0, 4)
    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.text for answer in answers}) == 1
    client.get("/home")
    assert client.pages == (1, 4)


def test_a_cart_takes_products_but_never_more_than_its_lines(client: ShopClient) -> None:
    answers = [client.post("/cart?cart=9", {"product": product, "quantity": 2}) for product in range(1, 30)]
    assert {answer.status for answer in answers} == {201}
    cart = client.get("/cart?cart=9").json()
    assert len(cart["items"]) == CART_LINES
    assert {"product": 29, "quantity": 2} in cart["items"]
    assert cart["total_cents"] == answers[-1].json()["total_cents"]


def test_the_same_checkouts_fail_in_every_framework_and_say_no_more_than_that(client: ShopClient) -> None:
    payments = Payments(SEED)
    expected = [is_paid(payments) for _ in range(25)]
    answers = [client.post("/checkout?cart=2") for _ in expected]
    assert [answer.status for answer in answers] == [201 if paid else 500 for paid in expected]
    assert False in expected
    assert all(answer.said == {"detail": "Internal Server Error"} for answer in answers if answer.status == 500)


def is_paid(payments: Payments) -> bool:
    try:
        payments.charge("Ada", 100)
    except PaymentDeclinedError:
        return False
    return True


def test_checkouts_do_not_make_the_table_of_orders_longer(client: ShopClient) -> None:
    placed = [answer.json() for answer in (client.post("/checkout?cart=2") for _ in range(20)) if answer.status == 201]
    assert [order["order"] for order in placed] == list(range(ORDERS + 1, ORDERS + 1 + len(placed)))
    assert len(client.get(f"/orders/export?limit={ORDERS}").text.splitlines()) == 1 + ORDERS


def test_the_export_comes_in_chunks_with_the_newest_order_first(client: ShopClient) -> None:
    lines = client.get("/orders/export?limit=450").text.splitlines()
    assert lines[0].startswith("id,customer,")
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(5_000, 4_550, -1))
    assert len(client.statements) == 3


@pytest.mark.anyio
async def test_the_daily_report_holds_up_the_event_loop(database: Path) -> None:
    shop = create_app(database, perfkit=False)
    gaps = []

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0)
            gaps.append(time.monotonic() - before)

    watcher = asyncio.create_task(watch())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=shop), base_url="http://shop") as client:
        assert (await client.get("/reports/daily")).status_code == 200
    watcher.cancel()
    assert max(gaps) >= PRINTING
    await shop.state.engine.dispose()

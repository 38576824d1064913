"""The switches that mend the shop's problems, the page with the buttons, and the stub of the stock service."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import pytest
from demo_shops import ShopClient
from hypothesis import given
from hypothesis import strategies as st

from perfkit_demo.shop import workbench
from perfkit_demo.shop.fixes import Fixes
from perfkit_demo.shop.problems import FIXABLE
from perfkit_demo.shop.recommend import recommend, recommend_quickly
from perfkit_demo.shop.rules import PAGE_SIZE
from perfkit_demo.stock import StockServer, fetch

ADDRESS = "127.0.0.1:8000"


@pytest.fixture
def fixes(database: Path) -> Fixes:
    return Fixes(database)


def mend(client: ShopClient, database: Path, name: str) -> None:
    Fixes(database).flip(name, on=True)


@pytest.fixture
def home(client: ShopClient, framework: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The database that the shop of the test serves."""
    if framework == "django":
        path: Path = client._database  # type: ignore[attr-defined]  # of the shop in another process
        return path
    return tmp_path / "shop.db"


def statements_of(client: ShopClient, target: str) -> int:
    before = len(client.statements)
    client.get(target)
    return len(client.statements) - before


def test_the_same_is_answered_mended_or_not(client: ShopClient, home: Path) -> None:
    targets = ("/products?page=2", "/products/7", "/search?q=SK-0007", "/recommend?product=5", "/cart?cart=3")
    before = [client.get(target).said for target in (*targets, "/reports/daily", "/products/2001")]
    try:
        Fixes(home).begin_with(FIXABLE)
        _wait_until_known()
        assert [client.get(target).said for target in (*targets, "/reports/daily", "/products/2001")] == before
        assert statements_of(client, "/products") == 2
        assert statements_of(client, "/cart?cart=3") == 2
        client.get("/products/7")
        assert "photo" not in client.statements[-1][0]
    finally:
        for name in FIXABLE:
            Fixes(home).flip(name, on=False)
    _wait_until_known()
    assert statements_of(client, "/products") == 1 + PAGE_SIZE
    assert Counter(map(repr, client.statements))


def _wait_until_known() -> None:
    """Let the shop read its switches anew."""
    import time

    from perfkit_demo.shop.fixes import FRESH

    time.sleep(FRESH + 0.05)


def test_a_switch_is_seen_by_other_workers_and_survives_them(database: Path) -> None:
    one, other = Fixes(database), Fixes(database)
    one.flip("dup", on=True)
    assert one.has("dup")
    assert other.has("dup")
    assert Fixes(database).on() == {"dup"}
    one.flip("dup", on=False)
    assert Fixes(database).on() == frozenset()


def test_the_index_is_made_and_dropped(fixes: Fixes, database: Path) -> None:
    def plan() -> str:
        with closing(sqlite3.connect(database)) as connection:
            return str(
                connection.execute(
                    "EXPLAIN QUERY PLAN SELECT sku FROM product WHERE sku >= 'a' AND sku < 'b'"
                ).fetchall()
            )

    fixes.flip("index", on=True)
    assert "product_sku_name" in plan()
    fixes.flip("index", on=False)
    assert "SCAN product" in plan()


@pytest.mark.parametrize("name", ["", "about", "../../etc/passwd", "n1/..", "N1"])
def test_there_is_no_other_fix(fixes: Fixes, database: Path, name: str) -> None:
    with pytest.raises(LookupError, match="There is no fix"):
        fixes.flip(name, on=True)
    assert not Path(f"{database}.fixes").exists()


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (b"fix=n1&on=1", HTTPStatus.SEE_OTHER),
        (b"fix=n1&on=0", HTTPStatus.SEE_OTHER),
        (b"fix=n1&on=2", HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"fix=about&on=1", HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"fix=../x&on=1", HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"fix=n1&on=1&release=%0d%0aX", HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"", HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"\xff\xfe", HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"x" * 10_000 + b"&fix=n1&on=1", HTTPStatus.UNPROCESSABLE_ENTITY),
    ],
)
def test_a_button_does_one_thing_and_a_wrong_form_nothing(fixes: Fixes, form: bytes, status: HTTPStatus) -> None:
    before = fixes.on()
    assert workbench.press(fixes, form, None) is status
    if status is not HTTPStatus.SEE_OTHER:
        assert fixes.on() == before


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"host": ADDRESS}, True),
        ({"host": "localhost:8000", "sec-fetch-site": "same-origin", "origin": "http://localhost:8000"}, True),
        ({"host": "[::1]:8000"}, True),
        ({"host": ADDRESS, "sec-fetch-site": "none"}, True),
        ({"host": ADDRESS, "sec-fetch-site": "cross-site"}, False),
        ({"host": ADDRESS, "sec-fetch-site": "same-site"}, False),
        ({"host": ADDRESS, "origin": "http://evil.example"}, False),
        ({"host": ADDRESS, "origin": "null"}, False),
        ({"host": ADDRESS, "origin": "http://127.0.0.1:9000"}, False),
        ({"host": "rebound.example:8000"}, False),
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"host": ADDRESS, "x-forwarded-for": "10.0.0.1"}, False),
        ({}, False),
    ],
)
def test_only_our_own_pages_on_this_machine_press_buttons(headers: dict[str, str], is_ours: bool) -> None:
    assert workbench.is_ours(headers) is is_ours


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_workbench_its_page_is_not_there(client: ShopClient, method: str) -> None:
    assert client.ask(method, "/demo").status == 404


def test_the_page_has_a_button_for_each_problem_that_can_be_mended(fixes: Fixes) -> None:
    fixes.flip("n1", on=True)
    shown = workbench.page(fixes)
    assert shown.count("<button>") == len(FIXABLE) == 9
    assert shown.count("Break it again") == 1


@given(
    tags=st.lists(st.sets(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=1, max_size=12),
    product=st.integers(1, 14),
)
def test_the_quick_recommendations_are_the_slow_ones(tags: list[set[str]], product: int) -> None:
    candidates = [(number, " ".join(sorted(words))) for number, words in enumerate(tags, start=1)]
    assert recommend_quickly(candidates, product) == recommend(candidates, product)


def test_the_stock_service_fails_over_http_and_its_replica_does_not() -> None:
    server = StockServer(seed=3)
    server._server.service.ask = lambda: _answer(fails=True)  # type: ignore[method-assign]  # the worst of its moods
    server.start()
    try:
        assert fetch(server.url, is_mended=False).fails
        mended = fetch(server.url, is_mended=True)
        assert (mended.fails, mended.units) == (False, 7)
    finally:
        server.stop()
    assert fetch(server.url, is_mended=True).fails, "one that is gone fails too"


def _answer(*, fails: bool) -> object:
    from perfkit_demo.shop.services import StockAnswer

    return StockAnswer(delay=0.0, units=7, fails=fails)

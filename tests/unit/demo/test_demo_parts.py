"""The parts of the shop that hold its problems."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.testing import FakeClock
from perfkit_demo.fastapi_shop.app import create_app
from perfkit_demo.shop.audit import LEAK_LIMIT, AuditLog
from perfkit_demo.shop.pages import PageCache
from perfkit_demo.shop.problems import PROBLEMS
from perfkit_demo.shop.recommend import likeness, recommend
from perfkit_demo.shop.services import (
    DECLINED,
    FAILURES,
    TAIL,
    TAIL_DELAY,
    PaymentDeclinedError,
    Payments,
    StockService,
)


def test_the_audit_list_never_forgets() -> None:
    log = AuditLog()
    for number in range(100):
        log.record("GET", f"/products/{number}")
    assert [entry.subject for entry in log.entries] == [f"/products/{number}" for number in range(100)]


def test_the_leak_stops_at_its_limit() -> None:
    log = AuditLog(limit=1_000_000)
    for number in range(1_000):
        log.record("GET", "/" + "x" * number)
    held = sys.getsizeof(log.entries) + sum(
        sys.getsizeof(entry) + sys.getsizeof(entry.subject) + sys.getsizeof(entry.detail) for entry in log.entries
    )
    assert 800_000 < held <= 1_000_000
    assert LEAK_LIMIT <= 64 * 1024 * 1024


def test_a_page_is_found_until_it_expires() -> None:
    clock = FakeClock()
    cache = PageCache(clock.monotonic)
    assert cache.get("home") is None
    cache.set("home", {"banner": "Hello"}, ttl=5.0)
    clock.advance(4.9)
    assert cache.get("home") == {"banner": "Hello"}
    clock.advance(0.2)
    assert cache.get("home") is None
    assert (cache.hits, cache.misses) == (1, 2)


def test_the_stock_service_fails_and_dawdles_as_often_as_it_should() -> None:
    service = StockService(seed=1)
    answers = [service.ask() for _ in range(10_000)]
    assert sum(answer.fails for answer in answers) == pytest.approx(10_000 * FAILURES, rel=0.1)
    assert sum(answer.delay == TAIL_DELAY for answer in answers) == pytest.approx(10_000 * TAIL, rel=0.25)
    assert sorted(answer.delay for answer in answers)[5_000] < 0.02


def test_the_same_seed_fails_at_the_same_calls() -> None:
    one, other, different = StockService(3), StockService(3), StockService(4)
    calls = [one.ask() for _ in range(200)]
    assert calls == [other.ask() for _ in range(200)]
    assert calls != [different.ask() for _ in range(200)]


def outcomes(payments: Payments, count: int) -> list[bool]:
    paid = []
    for _ in range(count):
        try:
            paid.append(payments.charge("Ada", 100).startswith("R-"))
        except PaymentDeclinedError:
            paid.append(False)
    return paid


def test_some_payments_are_declined_and_the_same_ones_for_the_same_seed() -> None:
    paid = outcomes(Payments(5), 2_000)
    assert paid.count(False) == pytest.approx(2_000 * DECLINED, rel=0.3)
    assert paid == outcomes(Payments(5), 2_000)


@given(
    tags=st.lists(st.sets(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=1, max_size=12), data=st.data()
)
def test_recommendations_agree_with_the_obvious_model(tags: list[set[str]], data: st.DataObject) -> None:
    candidates = [(number, " ".join(sorted(words))) for number, words in enumerate(tags, start=1)]
    wanted, ours = data.draw(st.sampled_from(candidates))
    others = [(number, theirs) for number, theirs in candidates if number != wanted]
    best = sorted(others, key=lambda other: (-likeness(ours, other[1]), other[0]))
    assert recommend(candidates, wanted, count=3) == [number for number, _ in best[:3]]


def test_a_product_outside_the_candidates_is_like_none() -> None:
    assert recommend([(1, "oak"), (2, "steel")], 99) == [1, 2]


def test_every_problem_with_a_route_has_that_route_in_the_shop() -> None:
    routes = set(create_app("unused.db", perfkit=False).openapi()["paths"])
    assert [problem.number for problem in PROBLEMS] == list(range(1, 11))
    for problem in PROBLEMS:
        assert not problem.route or problem.route.split(" ")[1] in routes

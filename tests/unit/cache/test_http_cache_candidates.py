"""Which routes would gain from a response cache, by a sample."""

from __future__ import annotations

import random

import pytest

from perfkit.cache.http import Candidates


def fed(bodies: dict[str, list[bytes]], *, seconds: float = 0.1, one_in: int = 1) -> Candidates:
    """Feed each URL's bodies in turn, one a second."""
    candidates, now = Candidates(one_in), 0.0
    for place in range(max(map(len, bodies.values()))):
        for url, given in bodies.items():
            if place < len(given):
                candidates.note("/page", url, given[place], seconds, now)
        now += 1.0
    return candidates


def test_a_route_that_always_answers_the_same_is_one() -> None:
    (found,) = fed({"/page": [b"same"] * 100}).found(100.0)
    assert found.route == "GET /page"
    assert found.repeat_ratio == 1.0
    assert found.rate == pytest.approx(1.0)
    assert found.saved == pytest.approx(0.1)
    assert found.ttl == pytest.approx(99.0)


def test_a_route_that_always_answers_something_else_is_none() -> None:
    assert fed({"/page": [str(n).encode() for n in range(100)]}).found(100.0) == []


def test_how_long_a_response_stays_the_same_is_the_time_to_live() -> None:
    (found,) = fed({"/page": [str(n // 10).encode() for n in range(200)]}).found(200.0)
    assert found.ttl == pytest.approx(10.0, rel=0.2)
    assert found.repeat_ratio == pytest.approx(0.9, abs=0.02)


def test_urls_that_nobody_asks_for_twice_are_no_gain() -> None:
    assert fed({f"/page/{n}": [b"same"] for n in range(1000)}).found(1.0) == []


def test_urls_that_were_not_followed_count_against_it() -> None:
    rng, candidates = random.Random(1), Candidates(1)
    for now in range(3000):
        url = "/page/popular" if rng.random() < 0.3 else f"/page/{now}"
        candidates.note("/page", url, b"same", 0.1, float(now))
    assert candidates.found(3000.0) == []
    (found,) = candidates.found(3000.0, least_ratio=0.1)
    assert found.repeat_ratio == pytest.approx(0.3, abs=0.05)


def test_a_route_that_is_seldom_asked_for_is_none() -> None:
    assert fed({"/page": [b"same"] * 50}).found(1_000_000.0) == []


def test_too_few_samples_say_nothing() -> None:
    assert fed({"/page": [b"same"] * 15}).found(15.0) == []


def test_the_rate_is_that_of_all_requests_not_of_the_sample() -> None:
    (found,) = fed({"/page": [b"same"] * 100}, one_in=50).found(100.0)
    assert found.rate == pytest.approx(50.0)


def test_those_that_save_most_come_first() -> None:
    candidates = Candidates(1)
    for now in range(100):
        candidates.note("/cheap", "/cheap", b"same", 0.001, float(now))
        candidates.note("/dear", "/dear", b"same", 0.5, float(now))
    assert [each.route for each in candidates.found(100.0)] == ["GET /dear", "GET /cheap"]


def test_another_url_takes_the_place_of_one_that_is_not_met_any_more() -> None:
    candidates = Candidates(1)
    for now in range(32):
        candidates.note("/page", f"/page/{now}", b"same", 0.1, float(now))
    for now in range(32, 2000):
        candidates.note("/page", "/page/new", b"same", 0.1, float(now))
    (found,) = candidates.found(2000.0)
    assert found.repeat_ratio > 0.5


def test_what_is_remembered_is_bounded() -> None:
    candidates = Candidates(1)
    for now in range(20_000):
        candidates.note(f"/{now % 1000}", f"/{now}", b"x", 0.1, float(now))
    assert len(candidates._routes) == 200
    assert all(len(route.urls) <= 32 for route in candidates._routes.values())

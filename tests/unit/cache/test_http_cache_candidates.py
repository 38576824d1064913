"""Which routes would gain from a response cache, by a sample."""

from __future__ import annotations

import random
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from perfkit.cache.http import Candidates
from perfkit.config import get_performance_config
from perfkit.core.findings import Finding
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock
from perfkit_asgi import PerfkitMiddleware


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
    assert found.ttl == pytest.approx(99.0)
    assert (found.keep_for, found.outdated) == (10.0, 0.0)
    assert found.hit_ratio == pytest.approx(10 / 11, rel=0.02)
    assert found.saved == pytest.approx(0.1 * found.hit_ratio)


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
    assert all(len(route.urls) <= 250 for route in candidates._routes.values())


def serve(requests: int, *, takes: float = 0.02, body: str = "same", settings: dict[str, Any]) -> dict[str, Finding]:
    """Return what a system tells after *requests* of a page, one each half second."""
    clock = FakeClock()

    async def page(request: Request) -> PlainTextResponse:
        clock.advance(takes)
        return PlainTextResponse(body.format(clock.monotonic()))

    with PerformanceSystem({"cache": settings}, environment="testing", clock=clock) as system:
        app = Starlette(routes=[Route("/items/{item}", page)])
        with TestClient(PerfkitMiddleware(app, system=system)) as client:
            for _ in range(requests):
                assert client.get("/items/1").status_code == 200
                clock.advance(0.5)
        return {finding.code: finding for finding in system.cache.findings()}


def test_a_route_worth_caching_is_a_finding_with_the_rule_that_would_keep_it() -> None:
    finding = serve(200, settings={"http": {"sample": 1}})["PK308"]
    assert finding.object == "GET /items/{item}"
    assert finding.evidence["repeat_ratio"] == 1.0
    assert finding.estimate is not None
    assert finding.estimate["seconds_saved_per_second"] == pytest.approx(0.02 / 0.52, rel=0.1)
    name, _, rule = finding.fix["environment"].partition("=")
    config = get_performance_config(environ={name: rule})
    assert list(config.cache.http_cache) == ["GET /items/{item}"]


def test_routes_not_worth_it_are_no_finding() -> None:
    sampled = {"http": {"sample": 1}}
    assert "PK308" not in serve(100, body="{}", settings=sampled)  # another answer each time
    assert "PK308" not in serve(100, takes=0.0001, settings=sampled)  # nothing to save
    assert "PK308" not in serve(100, settings={"http": {"sample": 0}})  # nobody looks
    assert "PK308" not in serve(100, settings={**sampled, "http_cache": {"GET /items/{item}": 30}})


@pytest.mark.parametrize(("one_in", "rate", "urls"), [(1, 5.0, 20), (10, 20.0, 40), (20, 50.0, 200)])
def test_the_hit_ratio_that_is_foretold_is_that_of_a_cache(one_in: int, rate: float, urls: int) -> None:
    """By a cache that really keeps each URL for its time, asked by chance, of which a part is looked at."""
    chance, candidates, now = random.Random(3), Candidates(one_in), 0.0
    weights = [1.0 / (number + 1) for number in range(urls)]
    asked = []
    while now < 900.0:
        now += chance.expovariate(rate)
        url = chance.choices(range(urls), weights)[0]
        asked.append((now, url))
        if chance.random() < 1.0 / one_in:
            if chance.random() < 0.1:
                candidates.pass_by("/page", now)
            else:
                candidates.note("/page", f"/page/{url}", b"same", 0.1, now)
    (found,) = candidates.found(now)
    kept_from, kept_until, hits = [0.0] * urls, [0.0] * urls, 0
    for at, url in asked:
        if chance.random() < 0.1:
            continue
        hits += kept_from[url] <= at < kept_until[url]
        if at >= kept_until[url]:
            kept_from[url], kept_until[url] = at + 0.1, at + 0.1 + found.keep_for
    assert found.hit_ratio == pytest.approx(hits / len(asked), rel=0.15)
    assert found.saved == pytest.approx(0.1 * rate * hits / len(asked), rel=0.15)


def test_what_changes_is_kept_for_half_as_long_at_most_and_it_says_how_often_it_is_outdated() -> None:
    (found,) = fed({"/page": [str(n // 20).encode() for n in range(2000)]}).found(2000.0)
    assert found.ttl == pytest.approx(20.0, rel=0.1)
    assert found.keep_for <= 10.0
    assert found.outdated == pytest.approx(found.keep_for / found.ttl / 2.0, abs=0.05)


def test_one_route_is_known_by_its_name_whether_it_would_gain_or_not() -> None:
    candidates = fed({"/page": [str(n).encode() for n in range(100)]})
    found = candidates.of("GET /page", 100.0)
    assert found is not None
    assert found.repeat_ratio == 0.0
    assert candidates.of("POST /page", 100.0) is None
    assert candidates.of("GET /other", 100.0) is None

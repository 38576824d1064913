"""From requests to advice within one system: the N+1 of an app is told with what the kept requests say of it."""

from __future__ import annotations

import json
import sqlite3
from time import sleep
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from perfkit import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware

LOOPBACK = {"host": "127.0.0.1", "authorization": "Bearer a-token-for-this-test"}
SETTINGS: dict[str, Any] = {
    "service": "shop",
    "recorder": {"sample": 1, "window": 1.0},
    "cache": {"http": {"sample": 1}},
    "access": {"token": "a-token-for-this-test"},
}


@pytest.fixture
def shop() -> Any:
    """A system whose app has answered 60 requests with an N+1, the same each time, and a client of it."""
    system = PerformanceSystem(SETTINGS, environment="testing")
    database = system.database

    def products(request: Request) -> PlainTextResponse:
        plain = sqlite3.connect(":memory:")
        plain.create_function("wait", 1, sleep)
        plain.execute("CREATE TABLE review (product)")
        plain.executemany("INSERT INTO review VALUES (?)", [(number,) for number in range(10)])
        connection = database.wrap(plain)
        for number in range(10):
            connection.execute("SELECT wait(0.002) FROM review WHERE product = ?", (number,)).fetchall()
        connection.close()
        return PlainTextResponse("products")

    app = Starlette(routes=[Route("/products", products)])
    with system, TestClient(PerfkitMiddleware(app, system=system), client=("127.0.0.1", 1)) as client:
        for _ in range(60):
            assert client.get("/products").status_code == 200
        yield system, client


def test_the_advice_of_a_system_is_what_its_kept_requests_say(shop: Any) -> None:
    system, client = shop
    system.database.digest()
    found = {each.code: each for each in system.get_optimization_recommendations()}
    finding = found["PK101"]
    assert finding.basis.startswith("the times of 60 requests; how each would change is known of ")
    estimate = finding.estimate
    assert 0.0 < estimate["seconds_saved"] < estimate["p95_from"]
    assert estimate["p95_to"] < estimate["p95_from"]
    assert 0.0 < estimate["request_time_share"] < 1.0
    answer = client.get("/perfkit/api/overview", headers=LOOPBACK)
    told = next(each for each in json.loads(answer.text)["recommendations"] if each["code"] == "PK101")
    assert told["basis"] == finding.basis
    page = client.get("/perfkit/advice", headers=LOOPBACK).text
    assert "p95 of GET /products " in page
    assert "estimated from" in page


def test_the_page_of_a_route_reads_once_what_is_kept_and_tells_what_a_cache_would_gain(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, client = shop
    reads: list[str] = []
    read = system.recorder.prospects

    def prospects(*routes: str) -> Any:
        reads.extend(routes)
        return read(*routes)

    monkeypatch.setattr(system.recorder, "prospects", prospects)
    monkeypatch.setattr(system.recorder, "list", lambda **_: pytest.fail("the page lists what it has read already"))
    answer = client.get("/perfkit/api/route?r=GET+/products", headers=LOOPBACK)
    assert reads.count("GET /products") == 1
    subjects = [each["subject"] for each in json.loads(answer.text)["what_if"]]
    assert any("test_system_foresight.py:" in each for each in subjects)
    assert any(each.endswith(" s would answer") for each in subjects)

"""A route without a rule is found worth caching; the rule is set as the finding says, and does what was foretold."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from typing import Any, NamedTuple

import pytest
from fleet import Fleet, started
from patience import until

RATE, SECONDS = 40.0, 6.0
URLS = 30
CLOSE = 0.15
"""Part of the truth by which what was foretold may be off."""

ARGUMENTS = ("-m", "uvicorn", "foretold_cache_app:app", "--port", "{port}", "--log-level", "warning")


def visits() -> list[tuple[float, int]]:
    """Return when which page is asked for: by chance, few of them often and most seldom, the same each time."""
    chance, at, made = random.Random(4), 0.0, []
    weights = [1.0 / (number + 1) for number in range(URLS)]
    while (at := at + chance.expovariate(RATE)) < SECONDS:
        made.append((at, chance.choices(range(URLS), weights)[0]))
    return made


def visit(server: Fleet) -> float:
    """Ask for each page at its time; return the part that came out of the cache."""
    plan, began, hits = visits(), time.monotonic(), itertools.count()
    left, lock = iter(plan), threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while True:
            with lock:
                at, page = next(left, (None, 0))
            if at is None:
                break
            time.sleep(max(0.0, began + at - time.monotonic()))
            connection.request("GET", f"/items/{page}")
            answer = connection.getresponse()
            answer.read()
            if answer.getheader("cache-status", "").startswith("perfkit; hit"):
                next(hits)
        connection.close()

    clients = [threading.Thread(target=work) for _ in range(12)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return next(hits) / len(plan)


def numbers(server: Fleet) -> dict[str, Any]:
    status, text = server.get("/numbers")
    assert status == 200
    return dict(json.loads(text))


def advice(server: Fleet) -> dict[str, Any] | None:
    return next((each for each in numbers(server)["found"] if each["code"] == "PK308"), None)


class Story(NamedTuple):
    """The finding, what came out of the cache when its rule was set, and the route before and after."""

    finding: dict[str, Any]
    ratio: float
    before: dict[str, Any]
    after: dict[str, Any]
    left: dict[str, Any] | None


@pytest.fixture(scope="module")
def story() -> Story:
    with started(ARGUMENTS, {"PERFKIT_CACHE__HTTP__SAMPLE": "1"}) as server:
        assert visit(server) == 0.0
        finding = until(lambda: advice(server))
        before = numbers(server)["route"]
    name, _, rule = finding["fix"]["environment"].partition("=")
    with started(ARGUMENTS, {name: rule}) as server:
        ratio = visit(server)
        after = until(lambda: numbers(server)["route"])
        return Story(finding, ratio, before, after, advice(server))


def test_a_cache_answers_as_much_as_was_foretold_once_its_rule_is_set(story: Story) -> None:
    finding = story.finding
    assert finding["route"] == "GET /items/{item}"
    assert finding["estimate"]["hit_ratio"] == pytest.approx(story.ratio, rel=CLOSE)
    assert finding["basis"].endswith("requests, any of which may be a hit")
    assert 0.0 < finding["estimate"]["request_time_share"] <= 1.0
    assert story.left is None


@pytest.mark.acceptance
def test_and_saves_as_much_time(story: Story) -> None:
    estimate, before, after = story.finding["estimate"], story.before["latency"], story.after["latency"]
    assert estimate["p95_from"] == pytest.approx(before["p95"], rel=0.07)
    assert estimate["seconds_saved"] == pytest.approx(before["mean"] - after["mean"], rel=CLOSE)
    assert estimate["p95_to"] == pytest.approx(after["p95"], rel=CLOSE)

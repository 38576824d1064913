"""The demo with four workers: whichever answers, the same is told, and the totals are what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from patience import until
from running_demo import RunningDemo, get

from perfkit_demo.described import FRAMEWORKS

pytestmark = [pytest.mark.acceptance, pytest.mark.server, pytest.mark.timeout(400)]

SENT = {"/products?page=1": 60, "/products/7/stock": 160, "/cart?cart=3": 40, "/about": 140}
"""How often each path is asked for."""

VISITORS = 8
ASKED = 12
"""Answers that are compared, each over a connection of its own."""


@pytest.fixture(params=FRAMEWORKS)
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path, "--framework", request.param, "--workers", "4", "--no-story", "--no-traffic")
    try:
        yield running
    finally:
        running.kill()


def send(demo: RunningDemo) -> Counter[str]:
    """Send all of `SENT`, each visitor its part, and return how many of each path were answered."""
    base = demo.addresses["shop"].rstrip("/")
    paths = [path for path, count in SENT.items() for _ in range(count)]

    def visit(visitor: int) -> Counter[str]:
        answered: Counter[str] = Counter()
        for path in paths[visitor::VISITORS]:
            # A connection of its own each time, so that all workers have their part.
            answered[path] += httpx2.get(base + path, timeout=60.0, trust_env=False).status_code in (200, 503)
        return answered

    with ThreadPoolExecutor(VISITORS) as pool:
        return sum(pool.map(visit, range(VISITORS)), Counter())


def asked(demo: RunningDemo, name: str) -> dict[str, Any]:
    # More than 20 a second are refused, and a quick machine asks more.
    answer = until(lambda: get(f"{demo.addresses['dashboard']}api/{name}"), lambda answer: answer.status_code == 200)
    told: dict[str, Any] = answer.json()
    return told


def totals(demo: RunningDemo) -> tuple[tuple[str, int], ...]:
    routes = asked(demo, "routes")["routes"]
    return tuple(sorted((f"{each['method']} {each['route']}", each["requests"]) for each in routes))


def findings(demo: RunningDemo) -> tuple[tuple[str, str, str], ...]:
    told = asked(demo, "overview")["recommendations"]
    return tuple(sorted((each["code"], each["site"] or "", each["fingerprint"]) for each in told))


def test_all_four_workers_say_the_same_and_count_what_was_sent(demo: RunningDemo) -> None:
    assert send(demo) == Counter(SENT)
    wanted = {
        "GET /products": SENT["/products?page=1"],
        "GET /cart": SENT["/cart?cart=3"],
        "GET /about": SENT["/about"],
    }
    until(lambda: {name: count for name, count in totals(demo) if name in wanted}, wanted.__eq__)
    answers = until(lambda: {totals(demo) for _ in range(ASKED)}, lambda answers: len(answers) == 1)
    assert sum(count for _, count in answers.pop()) == sum(SENT.values())
    codes = {"PK101", "PK102", "PK503"}
    until(lambda: codes - {code for code, _, _ in findings(demo)}, lambda missing: not missing)
    (told,) = until(lambda: {findings(demo) for _ in range(ASKED)}, lambda answers: len(answers) == 1)
    assert next(site for code, site, _ in told if code == "PK503").rpartition(":")[0].endswith("perfkit_demo/stock.py")
    assert len(asked(demo, "overview")["performance"]["workers"]) == 4

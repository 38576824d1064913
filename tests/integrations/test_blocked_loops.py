"""A real server whose app blocks its loop: what is reported, from any worker, and what is not."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from typing import Any

import blocking_app
import pytest
from fleet import PATIENT, Fleet, started
from patience import until

WANTED, MOST_GOES = 10, 60
"""Blocks to be found, and how often one is made at most: on a busy machine the watchdog may be kept waiting, too."""


SERVERS = [("asyncio", 1), ("asyncio", 2), *([("uvloop", 1)] if importlib.util.find_spec("uvloop") else [])]


@pytest.fixture(params=SERVERS, ids=lambda each: f"{each[0]}-{each[1]}")
def server(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    loop, workers = request.param
    arguments = ["-m", "uvicorn", "blocking_app:app", "--port", "{port}", "--loop", loop, "--log-level", "warning"]
    if workers > 1:
        arguments += ["--workers", str(workers), *PATIENT]
    with started(arguments, {}, workers=workers if workers > 1 else 0) as running:
        yield running


def blocked(server: Fleet) -> list[dict[str, Any]]:
    """Return the reports of the endpoint that blocks."""
    status, text = server.get("/blocked")
    assert status == 200
    return [site for site in json.loads(text) if site["function"] == "block"]


def block(server: Fleet, milliseconds: int) -> float:
    """Block the loop; return the seconds that it took as the app measured them."""
    return float(json.loads(server.get(f"/block/{milliseconds}")[1])["seconds"])


def count(server: Fleet) -> int:
    return sum(site["count"] for site in blocked(server))


def the_line() -> int:
    with open(blocking_app.__file__, encoding="utf-8") as file:
        return next(n for n, line in enumerate(file, 1) if "the line that the reports" in line)


def test_blocks_of_110_ms_are_reported_with_place_and_route_from_any_worker(server: Fleet) -> None:
    taken: list[float] = []
    while len(taken) < MOST_GOES and (len(taken) < WANTED or count(server) < WANTED):
        taken.append(block(server, 110))
    # What changed is written down every five seconds, and read by all.
    for _ in range(4):
        until(lambda: count(server), lambda found: found >= WANTED)
    (site,) = blocked(server)
    assert site["site"].endswith(f"blocking_app.py:{the_line()}")
    assert site["code"].startswith("time.sleep(milliseconds / 1000)")
    assert site["route"] == "/block/{milliseconds}"
    assert site["longest"] >= 0.09
    assert site["count"] <= len(taken)


def test_blocks_of_60_ms_are_not_reported(server: Fleet) -> None:
    taken = [block(server, 60) for _ in range(10)]
    server.get("/wait/100")
    assert count(server) <= sum(seconds > 0.085 for seconds in taken)


def test_requests_that_waited_meanwhile_are_told_with_their_route(server: Fleet) -> None:
    victims: list[str] = []
    for _ in range(MOST_GOES):
        others = [threading.Thread(target=server.get, args=("/wait/700",)) for _ in range(4)]
        for other in others:
            other.start()
        server.get("/wait/200")
        block(server, 250)
        for other in others:
            other.join()
        victims = [route for site in blocked(server) for route in site["victims"]]
        if victims:
            break
    assert set(victims) == {"/wait/{milliseconds}"}

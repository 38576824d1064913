"""What-if in real servers: one as it is, one in which each fix is made, and what the first foretold of the second.

Both serve the same requests at the same time, each taking what it takes in both, so a busy machine delays them alike.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from fleet import Fleet, started
from patience import until

REQUESTS = 60
CLOSE = 0.15
"""Part of the truth by which what was foretold may be off."""

CASES = (
    "one_after_another",
    "one_query_in_place_of_many",
    "the_same_asked_three_times",
    "an_index_that_leaves_a_tenth",
    "beside_a_shorter_one",
    "beside_a_longer_one",
    "where_its_branch_goes_on",
    "a_branch_beside_a_chain",
    "where_threads_are_few",
    "a_call_after_a_query",
    "a_template_with_a_query_in_it",
    "beside_a_call",
    "in_a_part_of_the_requests",
    "a_loop_in_a_branch",
)


class Served(NamedTuple):
    """What both servers took, by case, and what the first says."""

    before: dict[str, list[float]]
    after: dict[str, list[float]]
    told: dict[str, dict[str, Any]]
    found: list[dict[str, Any]]


def ask(server: Fleet, case: str) -> list[float]:
    """Return the seconds of the requests, one after another on one connection."""
    connection, taken = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60), []
    for number in range(-1, REQUESTS):  # the first loads modules and opens connections
        began = time.perf_counter()
        connection.request("GET", f"/cases/{case}?number={number}")
        answer = connection.getresponse()
        answer.read()
        taken.append(time.perf_counter() - began)
        assert answer.status == 200
    connection.close()
    return taken[1:]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    arguments = ["-m", "uvicorn", "foretold_app:app", "--port", "{port}", "--log-level", "warning"]
    with ExitStack() as stack:
        servers = [stack.enter_context(started(arguments, {"FORETOLD_FIXED": fixed})) for fixed in ("", "1")]
        taken: list[dict[str, list[float]]] = [{}, {}]

        def work(which: int, case: str) -> None:
            taken[which][case] = ask(servers[which], case)

        # A few at a time, as the machine has few cores.
        for first in range(0, len(CASES), 7):
            clients = [
                threading.Thread(target=work, args=(which, case))
                for which in (0, 1)
                for case in CASES[first : first + 7]
            ]
            for client in clients:
                client.start()
            for client in clients:
                client.join()

        def foretold() -> dict[str, Any]:
            status, text = servers[0].get("/foretold")
            assert status == 200
            return dict(json.loads(text))

        answer = until(foretold, lambda each: all(each["told"].values()) and each["found"])
        yield Served(taken[0], taken[1], answer["told"], answer["found"])


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[int(q * len(values))]


@pytest.mark.parametrize("case", CASES)
def test_what_is_foretold_is_what_the_fix_brings(served: Served, case: str) -> None:
    told, after = served.told[case], served.after[case]
    assert told["p50_after"] == pytest.approx(quantile(after, 0.5), rel=CLOSE)
    assert told["p95_after"] == pytest.approx(quantile(after, 0.95), rel=CLOSE)
    saved = (sum(served.before[case]) - sum(after)) / REQUESTS
    assert told["seconds_saved"] == pytest.approx(saved, abs=CLOSE * sum(after) / REQUESTS)

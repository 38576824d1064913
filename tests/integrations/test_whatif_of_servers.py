"""What-if in real servers: one as it is, one in which each fix is made, and what the first foretold of the second.

Both serve the same requests at the same time, each taking what it takes in both, so a busy machine delays them alike.
"""

from __future__ import annotations

import http.client
import json
import threading
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
    """What both servers counted of each case, and what the first foretold."""

    before: dict[str, dict[str, float]]
    after: dict[str, dict[str, float]]
    told: dict[str, dict[str, Any]]


def ask(server: Fleet, case: str, requests: int = REQUESTS) -> None:
    """Ask one after another on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for number in range(-1, requests):  # the first loads modules and opens connections
        connection.request("GET", f"/cases/{case}?number={number}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def said(server: Fleet) -> dict[str, Any]:
    status, text = server.get("/foretold")
    assert status == 200
    return dict(json.loads(text))


class Rounds:
    """The servers' rounds, as many as are asked for."""

    def __init__(self) -> None:
        self._served: list[Served] = []

    def __getitem__(self, number: int) -> Served:
        while len(self._served) <= number:
            self._served.append(serve())
        return self._served[number]


@pytest.fixture(scope="module")
def rounds() -> Rounds:
    return Rounds()


def serve() -> Served:
    arguments = ["-m", "uvicorn", "foretold_app:app", "--port", "{port}", "--log-level", "warning"]
    with ExitStack() as stack:
        servers = [stack.enter_context(started(arguments, {"FORETOLD_FIXED": fixed})) for fixed in ("", "1")]
        clients = [threading.Thread(target=ask, args=(server, case)) for server in servers for case in CASES]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

        first = until(lambda: said(servers[0]), lambda each: all(each["told"].values()))
        return Served(first["took"], said(servers[1])["took"], first["told"])


def misses(served: Served, case: str) -> list[str]:
    """Return which figures of *case* are off by more than 15 %."""
    told, before, after = served.told[case], served.before[case], served.after[case]
    # The mean that is left, as of what saves nothing no part can be taken.
    foretold = {"p50": told["p50_after"], "p95": told["p95_after"], "mean": before["mean"] - told["seconds_saved"]}
    return [
        f"{name} {promise:.3f} s was foretold, {after[name]:.3f} s it was"
        for name, promise in foretold.items()
        if abs(promise / after[name] - 1.0) > CLOSE
    ]


@pytest.mark.acceptance
@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES)
def test_what_is_foretold_is_what_the_fix_brings(rounds: Rounds, case: str) -> None:
    """Other work on the machine disturbs one round and not the next; wrong arithmetic is wrong in each."""
    seen = []
    for number in range(3):
        wrong = misses(rounds[number], case)
        if not wrong:
            return
        seen.append(wrong)
    pytest.fail(f"{case}: {seen}")


@pytest.mark.acceptance
@pytest.mark.timeout(400)
def test_over_all_cases_it_is_off_by_little(rounds: Rounds, capsys: pytest.CaptureFixture[str]) -> None:
    served = rounds[0]
    off = {
        name: sum(abs(served.told[case][f"{name}_after"] / served.after[case][name] - 1.0) for case in CASES)
        / len(CASES)
        for name in ("p50", "p95")
    }
    wrong = sum(bool(misses(served, case)) for case in CASES)
    with capsys.disabled():
        told = ", ".join(f"{name} off by {error:.1%} on average" for name, error in off.items())
        print(f"\nwhat-if of servers: {len(CASES)} cases, {told}; {wrong} beyond 15 % in the first round")  # noqa: T201
    assert off["p50"] < 0.1


def test_a_server_ranks_its_findings_by_what_its_requests_would_save() -> None:
    """The N+1 is told with what the requests that were kept say, not with what its queries took."""
    arguments = ["-m", "uvicorn", "foretold_app:app", "--port", "{port}", "--log-level", "warning"]
    case = "one_query_in_place_of_many"
    with started(arguments, {"FORETOLD_FIXED": ""}) as server:
        clients = [threading.Thread(target=ask, args=(server, case, 8)) for _ in range(6)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

        def finding(answer: dict[str, Any]) -> dict[str, Any] | None:
            return next((each for each in answer["found"] if each["code"] == "PK101" and each["basis"]), None)

        seen = until(lambda: said(server), finding)
    found, told = finding(seen), seen["told"][case]
    assert found is not None
    assert found["route"] == f"GET /cases/{case}"
    assert "kept" in found["basis"]
    estimate = found["estimate"]
    assert 0.0 < estimate["p95_to"] < estimate["p95_from"]
    assert estimate["seconds_saved"] == pytest.approx(told["seconds_saved"], rel=0.2)
    assert 0.0 < estimate["request_time_share"] < 1.0

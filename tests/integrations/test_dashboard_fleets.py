"""Four workers, one dashboard: whichever answers, the pages and their JSON are the same, and what one did all show."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest
from fleet import TOKEN, Fleet, Load, fleet
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def ask(running: Fleet, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], str]:
    """Ask over a connection of its own, so that any worker may answer."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    if body is not None:
        headers |= {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)) as connection:
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


def told(running: Fleet, name: str) -> dict[str, Any]:
    # More than 20 a second are refused, and a quick machine asks more.
    status, _, body = until(lambda: ask(running, f"/perfkit/api/{name}"), lambda answer: answer[0] != 429)
    assert status == 200, body
    document: dict[str, Any] = json.loads(body)
    return document


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_whichever_worker_answers_the_pages_are_the_same(server: str) -> None:
    with fleet(server, env={"PERFKIT_ACCESS__ACTIONS": "true"}) as running:
        load = Load(running.port).run(1000)
        running.settle()
        until(lambda: _counted(told(running, "routes")), lambda number: load.explains(number))
        # Each worker keeps an answer for a second, and the last one may be of before.
        until(lambda: {_shape(told(running, "routes")) for _ in range(12)}, lambda lists: len(lists) == 1)
        name = "route?r=GET+/items/%7Bitem_id%7D"
        route = until(lambda: told(running, name), lambda route: load.explains(route["route"]["requests"]))
        assert sum(route["counts"]) == route["route"]["requests"]
        _measure_anew(running)
        done = _do(running, "service-drain")
        page, said = f"/perfkit/actions?done={done}", "The service says that it is not ready"
        until(lambda: [said in ask(running, page)[2] for _ in range(12)], all)
        until(
            lambda: {told(running, "actions")["done"][0]["id"] for _ in range(12)},
            {done}.__eq__,
        )
        until(lambda: [ask(running, "/health/ready")[0] for _ in range(12)], lambda codes: set(codes) == {503})


def _counted(document: dict[str, Any]) -> int:
    return sum(each["requests"] for each in document["routes"] if each["route"] == "/items/{item_id}")


def _shape(document: dict[str, Any]) -> tuple[tuple[str, str, int, int], ...]:
    return tuple(
        sorted((each["method"], each["route"], each["requests"], each["errors"]) for each in document["routes"])
    )


def _measure_anew(running: Fleet) -> None:
    """Begin a recording in whichever worker answers: all tell only what came since, and what was before beside it."""
    _do(running, "recording-begin")
    until(lambda: {_counted(told(running, "routes")) for _ in range(12)}, {0}.__eq__)
    load = Load(running.port).run(200)
    running.settle()
    until(lambda: _counted(told(running, "routes")), lambda number: load.explains(number))
    name = "route?r=GET+/items/%7Bitem_id%7D"
    # Whoever was not asked since hears of the recording within a second, and has nothing to compare until then.
    both = until(
        lambda: told(running, name)["comparison"],
        lambda both: both is not None and load.explains(both["since"]["requests"]),
    )
    assert both["before"]["requests"] >= 900
    _do(running, "recording-end")
    until(lambda: {_counted(told(running, "routes")) > 1000 for _ in range(12)}, {True}.__eq__)


def _do(running: Fleet, what: str) -> str:
    """Send the form of a page that one worker made to whichever answers; return the id of what was done."""
    _, _, page = ask(running, "/perfkit/actions")
    token = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert token
    body = urlencode({"token": token[1], "do": what, "back": "actions"}).encode()
    status, headers, said = ask(running, "/perfkit/act", body)
    assert status == 303, said
    return headers["location"].rpartition("done=")[2]

"""Several workers keep requests, and each of them tells what all have kept."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest
from fleet import SERVERS, Fleet, Load, fleet
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

WSGI = "-m gunicorn fleet_wsgi_app:app -b 127.0.0.1:{port} -w 4 --timeout 120"


def listed(running: Fleet, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told(running, f"/perfkit/api/requests?{query}")["requests"]
    return found


def told(running: Fleet, path: str) -> Any:
    """Return what *path* answers, when the limit of requests a second lets us."""
    status, body = until(lambda: running.get(path, token=True), lambda answer: answer[0] != 429)
    assert status == 200, body
    return json.loads(body)


def agreed(running: Fleet) -> frozenset[str]:
    """Return the ids that twelve connections in a row are told of, whoever takes them; empty if they differ."""
    answers = {frozenset(each["id"] for each in listed(running, "limit=500")) for _ in range(12)}
    return answers.pop() if len(answers) == 1 else frozenset()


@pytest.mark.parametrize(("server", "route"), [(SERVERS["uvicorn"], "/items/{item_id}"), (WSGI, "/items/<item_id>")])
def test_any_worker_lists_what_all_have_kept(server: str, route: str) -> None:
    with fleet(server) as running:
        for number in range(8):
            running.get(f"/nowhere/{number}?card=4111111111111111")

        def both() -> tuple[int, set[str]]:
            """Send more, as one worker may have got all; return how many workers have kept some, and of what."""
            Load(running.port).run(100)
            found = listed(running, "limit=500")
            return len({each["pid"] for each in found}), {each["route"] for each in found}

        until(both, lambda kept: kept[0] >= 2 and kept[1] == {route, ""})
        ids = until(lambda: agreed(running))
        found = [each for each in listed(running, "limit=500") if each["id"] in ids]
        assert len({each["id"] for each in found}) == len(found)
        until(lambda: [each["status"] for each in listed(running, "status=4xx&limit=1")], [404].__eq__)
        until(lambda: {each["query"] for each in listed(running, "status=404")}, {"card=█"}.__eq__)
        name = found[-1]["id"]
        # Twelve connections may all have met the same worker; the others learn of it within a second or two.
        path = f"/perfkit/api/request?id={name}"
        answers = [until(lambda: running.get(path, token=True), lambda answer: answer[0] == 200) for _ in range(8)]
        whole = [json.loads(body) for _, body in answers]
        assert all(each == whole[0] for each in whole)
        assert whole[0]["request"]["id"] == name
        assert running.get(f"/perfkit/api/request?id={name}")[0] == 404, "a stranger gets the app's own 404"


def test_what_a_dead_worker_kept_is_still_told() -> None:
    with fleet(WSGI) as running:
        Load(running.port).run(400)
        before = until(lambda: agreed(running))
        victim = next(each["pid"] for each in listed(running, "limit=500") if each["id"] in before)
        os.kill(victim, signal.SIGKILL)
        until(running.workers, lambda pids: len(pids) == 4 and victim not in pids)
        until(lambda: agreed(running), lambda ids: before <= ids)

"""The response cache in several workers: what one makes invalid is so in all, when the client hears of it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import PATIENT, Fleet, started
from patience import until

pytestmark = pytest.mark.server


def ask(running: Fleet, method: str = "GET", path: str = "/value") -> tuple[str, dict[str, str]]:
    """Send one request over a connection of its own, which any worker may take."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    value = Path(tmp_path_factory.mktemp("value"), "value")
    value.write_text("0")
    arguments = ["-m", "uvicorn", "http_cache_app:app", "--port", "{port}", "--log-level", "warning", "--workers", "3"]
    with started([*arguments, *PATIENT], {"HTTP_CACHE_VALUE": str(value)}, workers=3) as fleet:
        yield fleet


def warm(running: Fleet) -> None:
    """Ask until at least two workers answer from their caches."""
    holders: set[str] = set()

    def more() -> set[str]:
        _, headers = ask(running)
        if "; hit" in headers["cache-status"]:
            holders.add(headers["x-pid"])
        return holders

    until(more, lambda found: len(found) >= 2)


def test_a_change_in_one_worker_is_one_in_all_at_once(running: Fleet) -> None:
    for number in range(1, 6):
        warm(running)
        ask(running, "PUT", f"/value?is={number}")
        assert {ask(running)[0] for _ in range(30)} == {str(number)}


def test_a_route_that_one_worker_makes_invalid_is_so_in_all(running: Fleet) -> None:
    warm(running)
    ask(running, "POST", "/refresh")
    told = [ask(running)[1] for _ in range(30)]
    askers = {headers["x-pid"] for headers in told if "; hit" not in headers["cache-status"]}
    assert {headers["x-pid"] for headers in told} == askers, "each worker asked the app anew before it served"


def test_hits_are_counted_as_requests_of_their_route(running: Fleet) -> None:
    before = running.counted("/value")
    for _ in range(20):
        ask(running)
    assert running.counted("/value") == before + 20

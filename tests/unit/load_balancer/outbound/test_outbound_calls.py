from __future__ import annotations

import asyncio
import socket
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import urllib3

from perfkit.core.errors import ErrorLog
from perfkit.core.spans import begin_exchange, seal_exchange, spans_of
from perfkit.load_balancer import LoadBalancer
from perfkit.load_balancer.outbound import patches
from perfkit.load_balancer.outbound.calls import CALLS, MOST_HOSTS
from perfkit.load_balancer.outbound.recorder import Recorder
from perfkit.recorder.folding import fold
from perfkit.recorder.order import touches
from perfkit.store import Store
from perfkit.system import PerformanceSystem

SECRET = "/private/4711?token=hunter2"


@pytest.fixture
def port() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500 if "fail" in self.path else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder(Store(), ErrorLog())
    patches.add(made)
    yield made
    patches.remove(made)


def counted(store: Store) -> dict[tuple[str, ...], int]:
    """Return how many calls there were, by host, method and outcome."""
    points = [point for family in store.families((CALLS.name,)) for point in family.points]
    counts = {point.labels: int(sum(point.value.counts)) for point in points}
    return {labels: count for labels, count in counts.items() if count}


def by_httpx(url: str) -> None:
    with httpx.Client() as client:
        client.get(url)


def by_httpx_async(url: str) -> None:
    async def run() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(url)

    asyncio.run(run())


def by_requests(url: str) -> None:
    requests.get(url, timeout=30)


def by_urllib3(url: str) -> None:
    with urllib3.PoolManager(retries=False) as pool:
        pool.request("GET", url)


def by_urllib(url: str) -> None:
    try:
        urllib.request.urlopen(url, timeout=30).close()
    except urllib.error.HTTPError as error:
        error.close()


def by_aiohttp(url: str) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.read()

    asyncio.run(run())


CLIENTS = [by_httpx, by_httpx_async, by_requests, by_urllib3, by_urllib, by_aiohttp]
Call = Callable[[str], None]


@pytest.mark.parametrize("call", CLIENTS)
def test_a_call_is_counted_once_and_is_a_span_without_its_path(call: Call, port: int, recorder: Recorder) -> None:
    exchange = begin_exchange()
    call(f"http://127.0.0.1:{port}{SECRET}")
    seal_exchange(exchange)
    host = f"127.0.0.1:{port}"
    assert counted(recorder._store) == {(host, "GET", "2xx"): 1}
    (span,) = spans_of(exchange)
    assert (span.kind, span.name, span.detail) == ("outbound", f"GET {host}", "2xx")
    assert span.seconds > 0
    assert "private" not in repr(span)
    assert "hunter2" not in repr(span)


@pytest.mark.parametrize("call", CLIENTS)
def test_an_error_of_the_other_is_its_own_outcome(call: Call, port: int, recorder: Recorder) -> None:
    call(f"http://127.0.0.1:{port}/fail")
    assert counted(recorder._store) == {(f"127.0.0.1:{port}", "GET", "5xx"): 1}


@pytest.mark.parametrize("call", CLIENTS)
def test_who_cannot_be_reached_is_told_so(call: Call, recorder: Recorder) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(Exception, match=r".*"):
            call(f"http://127.0.0.1:{port}/")
    assert counted(recorder._store) == {(f"127.0.0.1:{port}", "GET", "unreachable"): 1}


def test_a_timeout_is_told_so(recorder: Recorder) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(requests.Timeout):
            requests.get(url, timeout=0.1)
        with pytest.raises(httpx.TimeoutException):
            httpx.get(url, timeout=0.1)
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            urllib.request.urlopen(url, timeout=0.1)
    assert list(counted(recorder._store).values()) == [3]
    assert {labels[2] for labels in counted(recorder._store)} == {"timeout"}


def test_all_is_as_it_was_when_the_last_has_gone(port: int) -> None:
    before = [getattr(getattr(sys.modules[each.module], each.owner), each.method) for each in loaded()]
    first, second = Recorder(Store(), ErrorLog()), Recorder(Store(), ErrorLog())
    patches.add(first)
    patches.add(second)
    patches.remove(first)
    by_requests(f"http://127.0.0.1:{port}/")
    assert counted(first._store) == {}
    assert sum(counted(second._store).values()) == 1
    patches.remove(second)
    assert [getattr(getattr(sys.modules[each.module], each.owner), each.method) for each in loaded()] == before


def loaded() -> list[Any]:
    return [each for each in patches.PLACES if each.module in sys.modules]


def test_another_wrapper_on_top_of_ours_is_not_taken_away(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, seen = Recorder(Store(), ErrorLog()), []
    patches.add(recorder)
    ours = httpx.HTTPTransport.handle_request

    def theirs(self: Any, request: Any) -> Any:
        seen.append(request)
        return ours(self, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", theirs)
    patches.remove(recorder)
    assert httpx.HTTPTransport.handle_request is theirs
    by_httpx(f"http://127.0.0.1:{port}/")
    assert len(seen) == 1
    assert counted(recorder._store) == {}
    monkeypatch.undo()
    patches.add(recorder)
    patches.remove(recorder)
    assert "perfkit" not in httpx.HTTPTransport.handle_request.__code__.co_filename


def test_hosts_are_bounded(recorder: Recorder) -> None:
    for number in range(MOST_HOSTS + 30):
        recorder.record(f"h{number}.example", "GET", "2xx", 0.0)
    recorder.record("not a host\n", "BREW", "2xx", 0.0)
    counts = counted(recorder._store)
    assert counts["_other", "GET", "2xx"] == 30
    assert counts["_other", "_OTHER", "2xx"] == 1
    assert len({labels[0] for labels in counts}) == MOST_HOSTS + 1


def test_a_dependency_that_fails_is_a_finding(recorder: Recorder) -> None:
    for number in range(100):
        recorder.record("flaky.example", "GET", "timeout" if number % 10 == 0 else "2xx", 0.0)
        recorder.record("fine.example", "GET", "2xx", 0.0)
    (finding,) = recorder.findings()
    assert (finding.code, finding.object) == ("PK503", "flaky.example")
    assert finding.evidence == {"calls": 100, "failures": 10}
    recorder.tick(1000.0)
    assert len(list(recorder.findings())) == 1
    for minute in range(1, 8):
        recorder.tick(1000.0 + 60.0 * minute)
    assert list(recorder.findings()) == []


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:43121", "127.0.0.1"),
        ("localhost:60999", "localhost"),
        ("[::1]:32768", "[::1]"),
        ("127.0.0.1:15001", "127.0.0.1:15001"),
        ("localhost", "localhost"),
        ("10.0.0.7:43121", "10.0.0.7:43121"),
        ("stock.example:43121", "stock.example:43121"),
    ],
)
def test_a_stub_on_any_free_port_of_this_machine_is_the_same_problem_in_the_next_run(
    recorder: Recorder, host: str, name: str
) -> None:
    for _ in range(100):
        recorder.record(host, "GET", "timeout", 0.0)
    (finding,) = recorder.findings()
    assert (finding.object, finding.fingerprint) == (host, f"failing_dependency:{name}")


def test_what_would_be_gained_is_the_time_of_the_calls_that_failed(recorder: Recorder) -> None:
    exchange = begin_exchange()
    try:
        for number in range(100):
            recorder.record("flaky.example", "GET", "timeout" if number % 10 == 0 else "2xx", 0.0)
    finally:
        seal_exchange(exchange)
    (finding,) = recorder.findings()
    assert finding.effect is not None
    rows = fold(exchange[1:], 0.0)
    assert [(row.count, touches(finding.effect, row)) for row in rows] == [(10, True), (90, False)]


def test_it_is_over_when_it_fails_no_more_and_there_again_when_it_does(recorder: Recorder) -> None:
    def call(outcome: str, count: int = 40) -> None:
        for _ in range(count):
            recorder.record("flaky.example", "GET", outcome, 0.0)

    now = 1000.0
    recorder.tick(now)
    call("5xx")
    call("2xx", count=60)
    assert [each.evidence["calls"] for each in recorder.findings()] == [100]
    for _ in range(2):
        now += 60.0
        recorder.tick(now)
        call("2xx")
    assert list(recorder.findings()) == [], "of the last two minutes' calls none failed"
    call("timeout", count=5)
    (finding,) = recorder.findings()
    assert (finding.evidence["calls"], finding.evidence["failures"]) == (185, 45)


@pytest.mark.parametrize("call", CLIENTS)
def test_where_the_app_calls_is_told_in_the_span_and_in_the_finding(call: Call, port: int, recorder: Recorder) -> None:
    for _ in range(60):
        exchange = begin_exchange()
        call(f"http://127.0.0.1:{port}/fail")
        seal_exchange(exchange, "GET /products/{id}/stock")
    recorder.tick(1000.0)
    (finding,) = recorder.findings()
    (span,) = spans_of(exchange)
    file, _, line = str(finding.site).rpartition(":")
    asked = Path(file).read_text().splitlines()[int(line) - 1]
    assert file.endswith("test_outbound_calls.py")
    assert any(word in asked for word in (".get(", ".request(", ".urlopen("))
    assert span.site == finding.site
    assert finding.route == "GET /products/{id}/stock"
    assert "timeout" in finding.fix["python"]
    compile("async def f():\n" + textwrap.indent(finding.fix["python"], "    "), "fix", "exec")


@pytest.mark.parametrize("is_on", [True, False])
def test_a_system_records_calls_unless_told_otherwise(is_on: bool, port: int) -> None:
    with PerformanceSystem({"load_balancer": {"outbound": is_on}}) as system:
        by_requests(f"http://127.0.0.1:{port}/")
        assert sum(counted(system.store).values()) == int(is_on)
    by_requests(f"http://127.0.0.1:{port}/")
    assert sum(counted(system.store).values()) == int(is_on)


def test_a_balancer_of_ones_own_records_nothing(port: int) -> None:
    balancer = LoadBalancer()
    balancer.start()
    try:
        assert patches._Patched.recorders == ()
    finally:
        balancer.stop()


def test_an_error_of_ours_does_not_reach_the_caller(
    port: int, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []
    recorder.errors.count = lambda component, kind: seen.append((component, kind))

    def fail(*about: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(recorder, "record", fail)
    by_httpx(f"http://127.0.0.1:{port}/")
    assert seen == [("load_balancer", "RuntimeError")]

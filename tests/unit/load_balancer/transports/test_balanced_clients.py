"""httpx in both worlds, and requests: the same promises, over real connections."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import requests

from perfkit.core.errors import DeadlineExceeded, NoServerAvailable
from perfkit.load_balancer import LoadBalancer, LoadBalancerSettings, deadline
from perfkit.testing import FakeClock

Answer = tuple[int, bytes]
Ask = Callable[..., Answer]


class End:
    """A server behind: how it answers, and what it saw."""

    def __init__(self) -> None:
        self.status, self.body, self.claims, self.delay = 200, b"fine", 0, 0.0
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.headers: dict[str, str] = {}
        end = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                end.seen.append((self.command, self.path, {name.lower(): text for name, text in self.headers.items()}))
                time.sleep(end.delay)
                self.send_response(end.status)
                self.send_header("Content-Length", str(end.claims or len(end.body)))
                for name, text in end.headers.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(end.body)
                self.close_connection = bool(end.claims)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *about: None  # type: ignore[method-assign]  # clients that left are the subject
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def ends() -> Iterator[list[End]]:
    made = [End(), End()]
    yield made
    for end in made:
        end.stop()


@pytest.fixture
def balancer(ends: list[End]) -> LoadBalancer:
    return in_turn(ends)


def in_turn(ends: list[End], **options: Any) -> LoadBalancer:
    made = LoadBalancer("round_robin", slow_start=0, **options)
    for place, end in enumerate(ends):
        made.add_server(f"s{place}", host="127.0.0.1", port=end.port)
    return made


@pytest.fixture(params=["httpx", "httpx async", "requests"])
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(client: str, balancer: LoadBalancer, path: str = "/a?b=%2F", method: str = "GET", **more: Any) -> Answer:
    url, options = f"http://shop{path}", more.pop("options", {})
    if client == "httpx":
        with httpx.Client(transport=balancer.transport(**options)) as session:
            answer = session.request(method, url, **more)
            return answer.status_code, answer.content
    if client == "requests":
        with requests.Session() as session:
            session.mount("http://shop/", balancer.adapter(**options))
            got = session.request(method, url, timeout=30, **more)
            return got.status_code, got.content

    async def run() -> Answer:
        async with httpx.AsyncClient(transport=balancer.atransport(**options)) as session:
            answer = await session.request(method, url, **more)
            return answer.status_code, answer.content

    return asyncio.run(run())


def in_flight(balancer: LoadBalancer) -> int:
    return sum(server.in_flight for server in balancer.servers)


def test_requests_are_spread_and_go_out_as_they_are(client: str, balancer: LoadBalancer, ends: list[End]) -> None:
    for _ in range(4):
        assert ask(client, balancer) == (200, b"fine")
    assert [len(end.seen) for end in ends] == [2, 2]
    method, path, headers = ends[0].seen[0]
    assert (method, path, headers["host"]) == ("GET", "/a?b=%2F", f"127.0.0.1:{ends[0].port}")
    assert in_flight(balancer) == 0
    assert sum(server.successes for server in balancer.servers) == 4


def test_the_host_is_kept_where_that_is_wanted(client: str, balancer: LoadBalancer, ends: list[End]) -> None:
    ask(client, balancer, options={"preserve_host": True})
    assert [end.seen[0][2]["host"] for end in ends if end.seen] == ["shop"]


def test_a_key_chooses_the_server(client: str, ends: list[End]) -> None:
    balancer = LoadBalancer("hash")
    for place, end in enumerate(ends):
        balancer.add_server(f"s{place}", host="127.0.0.1", port=end.port)
    for _ in range(6):
        ask(client, balancer, options={"key": lambda request: "same"})
    assert sorted(len(end.seen) for end in ends) == [0, 6]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whoever_cannot_be_reached_is_passed_over(client: str, method: str, ends: list[End]) -> None:
    balancer = LoadBalancer("round_robin", slow_start=0)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        balancer.add_server("gone", host="127.0.0.1", port=holder.getsockname()[1])
        balancer.add_server("there", host="127.0.0.1", port=ends[0].port)
        assert [ask(client, balancer, method=method)[0] for _ in range(3)] == [200, 200, 200]
    assert balancer.server("gone").failures >= 1
    assert in_flight(balancer) == 0


def test_a_failed_answer_is_tried_again_only_if_that_may_be(client: str, ends: list[End]) -> None:
    # On a clock that stands still: whose turn it is must not depend on how busy this machine is.
    balancer = in_turn(ends, clock=FakeClock())
    ends[0].status = 503
    assert [ask(client, balancer)[0] for _ in range(2)] == [200, 200]
    posts = [ask(client, balancer, method="POST", data={"a": "b"})[0] for _ in range(2)]
    assert sorted(posts) == [200, 503]
    keyed = [ask(client, balancer, method="POST", headers={"Idempotency-Key": "k"})[0] for _ in range(2)]
    assert keyed == [200, 200]
    assert in_flight(balancer) == 0


def test_retries_end_with_their_budget(client: str, balancer: LoadBalancer, ends: list[End]) -> None:
    for end in ends:
        end.status = 503
    for _ in range(40):
        assert ask(client, balancer)[0] == 503
    assert sum(len(end.seen) for end in ends) <= 40 + 5 + 0.21 * 40


def test_a_body_that_breaks_off_is_a_failure_of_its_server(
    client: str, balancer: LoadBalancer, ends: list[End]
) -> None:
    for end in ends:
        end.claims = 100
    with pytest.raises((httpx.HTTPError, requests.RequestException)):
        ask(client, balancer)
    assert sum(server.failures for server in balancer.servers) == 1
    assert in_flight(balancer) == 0


def test_the_load_that_a_server_reports_is_taken(client: str, balancer: LoadBalancer, ends: list[End]) -> None:
    ends[0].headers = ends[1].headers = {"endpoint-load-metrics": "TEXT named_metrics.rif=3"}
    ask(client, balancer)
    assert [server.report.in_flight for server in balancer.servers if server.report is not None] == [3]


def test_a_deadline_caps_the_tries_and_is_passed_on(client: str, balancer: LoadBalancer, ends: list[End]) -> None:
    with deadline(30):
        assert ask(client, balancer)[0] == 200
    told = next(end.seen[0][2]["x-request-timeout-ms"] for end in ends if end.seen)
    assert 0 < int(told) <= 30_000
    for end in ends:
        end.delay = 1.0
    with deadline(0.1), pytest.raises((httpx.TimeoutException, requests.Timeout, DeadlineExceeded)):
        ask(client, balancer)
    assert in_flight(balancer) == 0


def test_without_a_server_it_is_said_so(client: str) -> None:
    with pytest.raises(NoServerAvailable):
        ask(client, LoadBalancer())


def test_a_lease_lasts_until_the_body_is_closed(balancer: LoadBalancer, ends: list[End]) -> None:
    with httpx.Client(transport=balancer.transport()) as session, session.stream("GET", "http://shop/"):
        assert in_flight(balancer) == 1
    assert in_flight(balancer) == 0
    with requests.Session() as other:
        other.mount("http://shop/", balancer.adapter())
        answer = other.get("http://shop/", stream=True, timeout=30)
        assert in_flight(balancer) == 1
        answer.close()
    assert in_flight(balancer) == 0


@pytest.mark.anyio
async def test_a_cancelled_request_gives_its_server_back(balancer: LoadBalancer, ends: list[End]) -> None:
    ends[0].delay = ends[1].delay = 2.0
    async with httpx.AsyncClient(transport=balancer.atransport()) as session:
        task = asyncio.create_task(session.get("http://shop/"))
        async with asyncio.timeout(60):
            while not any(end.seen for end in ends):  # noqa: ASYNC110 - threads see it
                await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert in_flight(balancer) == 0
    assert sum(server.failures for server in balancer.servers) == 0


@pytest.mark.anyio
async def test_a_slow_answer_is_asked_for_a_second_time(ends: list[End]) -> None:
    # With a budget that the requests before cannot have used up, however slow the machine let them be.
    balancer = LoadBalancer("round_robin", settings=LoadBalancerSettings(hedging=True, retry_budget=1.0))
    for place, end in enumerate(ends):
        balancer.add_server(f"s{place}", host="127.0.0.1", port=end.port)
    async with httpx.AsyncClient(transport=balancer.atransport()) as session:
        for _ in range(24):
            await session.get("http://shop/")
        ends[0].delay = 30.0
        before = balancer.retry_budget.granted
        async with asyncio.timeout(25):
            for _ in range(2):
                answer = await session.get("http://shop/", timeout=60)
                assert answer.status_code == 200
        assert balancer.retry_budget.granted > before
        assert in_flight(balancer) == 0
        ends[0].delay = 0.0


def test_without_its_library_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r"pip install 'perfkit\[httpx\]'"):
        LoadBalancer().transport()
    monkeypatch.setitem(sys.modules, "requests.adapters", None)
    with pytest.raises(ImportError, match=r"pip install 'perfkit\[requests\]'"):
        LoadBalancer().adapter()

"""Active checks and discovery: what runs beside requests where it is asked for."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from patience import until

from perfkit.core.errors import MissingDependencyError
from perfkit.load_balancer import (
    LoadBalancer,
    LoadBalancerError,
    LoadBalancerSettings,
    Server,
    ServerSpec,
    dns,
    file,
    srv,
)
from perfkit.load_balancer.discovery.sources import specs_of
from perfkit.load_balancer.health.active import ActiveChecks, http_check, tcp_check
from perfkit.load_balancer.roster import MOST_SERVERS


def balancer_of(**settings: object) -> LoadBalancer:
    return LoadBalancer(settings=LoadBalancerSettings(**settings), rng=random.Random(1))  # type: ignore[arg-type]


@pytest.fixture
def web() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(self.server.status)  # type: ignore[attr-defined]
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status = 200  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def dripping() -> Iterator[tuple[int, list[int]]]:
    """A server that sends one byte of an endless status line every 50 ms; yield its port, and what it sent so far."""
    sent, listener, over = [0], socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                while not over.wait(0.05) and sent[0] < 1000:
                    connection.sendall(b"H")
                    sent[0] += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], sent
    over.set()
    listener.close()
    thread.join(10)


def test_a_check_is_over_in_time_however_slowly_the_server_speaks(dripping: tuple[int, list[int]]) -> None:
    port, sent = dripping
    server = Server(ServerSpec(name="slow", host="127.0.0.1", port=port))
    with pytest.raises(TimeoutError):
        http_check("/", 0.3)(server)
    # A bound for each read alone would have waited for all of its thousand bytes.
    assert 0 < sent[0] < 1000


@pytest.mark.parametrize(
    ("line", "is_well"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.0 302\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 2000\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"x" * 2000, False),
        (b"", False),
    ],
)
def test_a_check_believes_only_a_status_below_400(line: bytes, is_well: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(line)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        server = Server(ServerSpec(name="one", host="127.0.0.1", port=listener.getsockname()[1]))
        assert http_check("/a b\r\nX: y", 10.0)(server) is is_well
        thread.join(10)
    assert asked[0].startswith(b"GET /a%20b%0D%0AX:%20y HTTP/1.1\r\nHost: 127.0.0.1:")


def test_a_status_changes_after_answers_that_agree() -> None:
    checks = ActiveChecks(interval=1.0, rise=2, fall=3, rng=random.Random(1))
    server = Server(ServerSpec(name="one"))
    found = []
    now = 0.0
    for good in [False, False, True, False, False, False, True, False, True, True]:
        now += 2.0
        assert checks.due([server], now) == ([server] if now > 2.0 else [])
        if now == 2.0:
            now += 2.0
            assert checks.due([server], now) == [server]
        assert checks.due([server], now) == []
        changed = checks.answered(server, good, now)
        if changed is not None:
            server.is_healthy = changed
        found.append(changed)
    assert found == [None, None, None, None, None, False, None, None, None, True]


def test_servers_are_not_all_asked_at_once() -> None:
    checks = ActiveChecks(interval=10.0, rise=1, fall=1, rng=random.Random(1))
    servers = [Server(ServerSpec(name=f"s{number}")) for number in range(50)]
    checks.due(servers, 0.0)
    for server in checks.due(servers, 1.0):
        checks.answered(server, True, 1.0)
    times = [len(checks.due(servers, 9.8 + step * 0.2)) for step in range(12)]
    assert sum(times) == 50
    assert max(times) < 25


def test_http_and_tcp_checks_ask_real_servers(web: ThreadingHTTPServer) -> None:
    host, port = web.server_address[0], web.server_address[1]
    server = Server(ServerSpec(name="one", host=str(host), port=port))
    assert http_check("/", 5.0)(server)
    assert tcp_check(5.0)(server)
    web.status = 503  # type: ignore[attr-defined]
    assert not http_check("/", 5.0)(server)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    gone = Server(ServerSpec(name="two", host="127.0.0.1", port=free))
    for check in (http_check("/", 1.0), tcp_check(1.0)):
        with pytest.raises(OSError, match="refused"):
            check(gone)


def test_a_running_balancer_checks_its_servers_and_believes_what_it_hears(web: ThreadingHTTPServer) -> None:
    balancer = balancer_of(check="http", check_interval=0.5, check_timeout=0.5, check_fall=1, check_rise=1)
    balancer.add_server("one", host="127.0.0.1", port=web.server_address[1])
    web.status = 500  # type: ignore[attr-defined]
    balancer.start()
    try:
        until(lambda: balancer.server("one").is_healthy, lambda healthy: not healthy)
        web.status = 200  # type: ignore[attr-defined]
        until(lambda: balancer.server("one").is_healthy, bool)
    finally:
        balancer.stop()
    # A check that is under way ends within its time limit.
    until(
        lambda: [each for each in threading.enumerate() if each.name.startswith("perfkit-balancer")],
        lambda left: not left,
    )


def test_a_check_of_ones_own_may_raise_or_be_a_coroutine() -> None:
    balancer = balancer_of(check_interval=0.5, check_timeout=0.5, check_fall=1)
    balancer.add_server("good", host="h")
    balancer.add_server("bad", host="h")

    async def check(server: Server) -> bool:
        if server.name == "bad":
            raise RuntimeError("not well")
        return True

    balancer.start()
    balancer.check_servers(check)
    try:
        until(lambda: balancer.server("bad").is_healthy, lambda healthy: not healthy)
    finally:
        balancer.stop()
    assert balancer.server("good").is_healthy


def test_discovery_follows_its_source_and_keeps_the_last_good_set() -> None:
    balancer = balancer_of()
    there = ["10.0.0.1:80", "10.0.0.2:80"]

    def source() -> list[str]:
        if "error" in there:
            raise OSError("no answer")
        return list(there)

    balancer.start()
    balancer.discover(source, interval=0.3)
    try:
        assert [server.name for server in balancer.servers] == there
        there.append("10.0.0.3:80")
        until(lambda: len(balancer.servers), lambda count: count == 3)
        asked: list[int] = []
        there.clear()
        until(lambda: asked.append(1) or len(asked), lambda count: count > 20)
        assert len(balancer.servers) == 3
        there.append("error")
        asked.clear()
        until(lambda: asked.append(1) or len(asked), lambda count: count > 20)
        assert len(balancer.servers) == 3
        there[:] = ["10.0.0.3:80"]
        until(lambda: [server.name for server in balancer.servers], lambda names: names == ["10.0.0.3:80"])
    finally:
        balancer.stop()


def test_discovery_looks_once_even_if_nothing_runs() -> None:
    balancer = balancer_of()
    balancer.discover(lambda: [{"name": "one", "host": "h", "port": 80, "weight": 2.0}])
    assert balancer.server("one").weight == 2.0


def test_a_file_of_servers_may_be_a_list_or_an_object(tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    path.write_text(json.dumps(["a:1", {"name": "b", "host": "b", "port": 2}]))
    assert [(spec.name, spec.host, spec.port) for spec in specs_of(file(path)())] == [("a:1", "a", 1), ("b", "b", 2)]
    path.write_text(json.dumps({"b": {"host": "b", "port": 2, "zone": "z"}}))
    assert specs_of(file(path)()) == [ServerSpec(name="b", host="b", port=2, zone="z")]
    path.write_text("3")
    with pytest.raises(LoadBalancerError, match="must hold a list"):
        file(path)()


@pytest.mark.parametrize("given", [[3], [{"host": "h"}], [{"name": "a", "prot": 80}], ["host:port"], [None]])
def test_what_is_no_server_is_refused(given: list[object]) -> None:
    with pytest.raises(LoadBalancerError, match="A source of servers returned"):
        specs_of(given)


def test_names_are_resolved_to_a_server_for_each_address() -> None:
    found = {spec.name: spec for spec in specs_of(dns("localhost", 8000)())}
    assert found
    for name, spec in found.items():
        assert name in ("127.0.0.1:8000", "[::1]:8000")
        assert Server(spec).address == name


def test_srv_records_bring_priorities_and_weights() -> None:
    records = [(20, 5, 80, "c.internal."), (10, 0, 81, "a.internal."), (10, 3, 82, "b.internal.")]
    found = specs_of(srv("_http._tcp.shop", resolve=lambda name: records)())
    assert [(spec.name, spec.priority, spec.weight) for spec in found] == [
        ("a.internal:81", 0, 0.01),
        ("b.internal:82", 0, 3.0),
        ("c.internal:80", 1, 5.0),
    ]


def test_srv_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'perfkit\[srv\]'"):
        srv("_http._tcp.shop")()


def test_the_root_as_target_is_no_server() -> None:
    assert srv("_http._tcp.gone", resolve=lambda name: [(0, 0, 0, ".")])() == []


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0, 0.0])
def test_one_server_that_cannot_be_leaves_all_as_they_are(weight: float) -> None:
    balancer = balancer_of()
    balancer.reconcile([ServerSpec(name="one"), ServerSpec(name="two")])
    with pytest.raises(LoadBalancerError, match="weight"):
        balancer.reconcile([ServerSpec(name="three"), ServerSpec(name="four", weight=weight)])
    assert [server.name for server in balancer.servers] == ["one", "two"]


def test_more_servers_than_a_balancer_may_know_leave_all_as_they_are() -> None:
    balancer = balancer_of()
    balancer.add_server("one")
    with pytest.raises(LoadBalancerError, match="at most"):
        balancer.reconcile(ServerSpec(name=f"s{number}") for number in range(MOST_SERVERS + 1))
    assert [server.name for server in balancer.servers] == ["one"]


def test_servers_that_are_discovered_have_limits_too() -> None:
    balancer = balancer_of(concurrency_limit=True)
    balancer.discover(lambda: ["10.0.0.1:80"])
    balancer.add_server("two")
    assert balancer.server("10.0.0.1:80").limit == balancer.server("two").limit < float("inf")


def test_a_server_whose_check_was_given_up_is_checked_by_the_next_run() -> None:
    checks = ActiveChecks(interval=1.0, rise=1, fall=1, rng=random.Random(1))
    server = Server(ServerSpec(name="one"))
    checks.due([server], 0.0)
    assert checks.due([server], 2.0) == [server]
    assert checks.due([server], 60.0) == []
    checks.begin()
    assert checks.due([server], 60.0) == [server]

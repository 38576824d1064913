"""Tricks with paths and broken HTTP: the server stays up, and nothing of ours leaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import TOKEN, Fleet
from raw_http import RawAnswer, raw_exchange
from served import served

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

OURS = (
    b"http_server_request_duration",
    b"perfkit_build_info",
    b"<!doctype html",
    b"perfkit-",
    b"root:x:",
    b'"verdict"',
)
"""What only our pages, or files of this machine, have in them."""

TRICKS = (
    "//metrics",
    "/metrics/",
    "/metrics//",
    "/metrics/.",
    "/./metrics",
    "/perfkit/../metrics",
    "/perfkit/%2e%2e/metrics",
    "/perfkit/%2e%2e%2fmetrics",
    "/%2fmetrics",
    "/x/../metrics",
    "/METRICS",
    "/Perfkit/",
    "/metrics%00",
    "/metrics%20",
    "/metrics;x=1",
    "/metrics%3ft=1",
    "/metrics%0d%0aX-Injected:%201",
    "/perfkit//",
    "/perfkit/api",
    "/perfkit/api/overview/",
    "/perfkit/api/../api/overview",
    "/perfkit/static",
    "/perfkit/static/",
    "/perfkit/static/../../etc/passwd",
    "/perfkit/static/..%2f..%2f..%2fetc/passwd",
    "/perfkit/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/perfkit/static//etc/passwd",
    "/perfkit/static/%00",
    "/perfkit/static/perfkit.css%00.html",
    "/perfkit/static/__init__.py",
    "/perfkit/static/..\\..\\settings.py",
    "/health/../metrics",
    "/health/live/../../metrics",
    "/t/../metrics",
    "/t/acme/../../perfkit/",
    "/" + "a" * 30_000,
    "/perfkit/static/" + "a" * 30_000,
    "/" + "/" * 1_000,
    "/perfkit/" + "../" * 1_000 + "metrics",
    "*",
    "/%",
    "/%zz",
    "/%ff%fe%80",
    "/\u00e9\u00ff",
)
"""Each is none of our paths, letter by letter, so nobody gets our pages there: not even who brings the token."""

MALFORMED = (
    b"",
    b"\r\n\r\n",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET /metrics\r\n\r\n",
    b"GET /metrics HTTP/9.9\r\n\r\n",
    b"GET  /metrics  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /metrics HTTP/1.1\nHost: localhost\n\n",
    b"GET /metrics HTTP/1.1\r\nHost localhost\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n Authorization: Bearer x\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: \x00\xff\r\nConnection: close\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /metrics\x00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /perfkit/static/\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /metrics?t=%zz&t=%00&name[]=%ff&format=%0d%0a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /metrics?" + b"a=b&" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\x80\r\nConnection: close\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic \xff\r\nConnection: close\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"perfkit-=.;" * 3_000 + b"\r\nConnection: close\r\n\r\n",
)


@pytest.fixture(scope="module")
def production() -> Iterator[Fleet]:
    with served(environment="production") as running:
        yield running


def request(path: str, *headers: str, version: str = "1.1", host: str = "127.0.0.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", *([f"Host: {host}"] if host else []), *headers, "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def assert_nothing_of_ours(answer: RawAnswer, sent: object = "") -> None:
    assert answer.status in (0, *range(400, 500)), (sent, answer.raw[:300])
    assert not any(mark in answer.raw for mark in OURS), (sent, answer.raw[:300])
    assert TOKEN.encode() not in answer.raw
    assert answer.header("x-injected") is None


def assert_still_serving(running: Fleet) -> None:
    assert running.process.poll() is None
    assert running.get("/pid")[0] == 200
    status, page = running.get("/metrics", token=True)
    assert status == 200
    assert "perfkit_errors_total" not in page
    log = running.log.read_text()
    # The server's own tracebacks about broken HTTP are its own affair; ours would be logged by these.
    assert not any(name in log for name in ("perfkit.asgi:", "perfkit.http:", "perfkit.store:"))
    assert TOKEN not in log


@pytest.mark.parametrize("who", ["stranger", "friend"])
def test_a_path_that_only_looks_like_ours_is_the_app_s(production: Fleet, who: str) -> None:
    headers = (f"Authorization: Bearer {TOKEN}",) if who == "friend" else ()
    for path in TRICKS:
        assert_nothing_of_ours(raw_exchange(production.port, request(path, *headers)), path)
    assert_still_serving(production)


def test_an_encoded_letter_is_that_letter_and_so_our_path(production: Fleet) -> None:
    friend = f"Authorization: Bearer {TOKEN}"
    for path in ("/%6detrics", "/perf%6bit/", "/perfkit%2f", "/perfkit%2Fapi%2foverview"):
        assert raw_exchange(production.port, request(path, friend)).status == 200
        assert_nothing_of_ours(raw_exchange(production.port, request(path)))


def test_an_absolute_address_is_no_way_around(production: Fleet) -> None:
    for path in ("/metrics", "/perfkit/", "/perfkit/api/overview"):
        for host in ("localhost", "evil.example", f"127.0.0.1:{production.port}"):
            assert_nothing_of_ours(raw_exchange(production.port, request(f"http://{host}{path}", host=host)))
    assert_still_serving(production)


def test_http_1_0_without_a_host_is_a_stranger_like_any_other(production: Fleet) -> None:
    for path in ("/metrics", "/perfkit/"):
        assert_nothing_of_ours(raw_exchange(production.port, request(path, version="1.0", host="")))
    allowed = raw_exchange(
        production.port, request("/metrics", f"Authorization: Bearer {TOKEN}", version="1.0", host="")
    )
    assert allowed.status == 200
    assert_still_serving(production)


def test_http_1_0_without_a_host_is_nobody_in_development() -> None:
    with served(environment="development") as running:
        assert_nothing_of_ours(raw_exchange(running.port, request("/metrics", version="1.0", host="")))
        assert raw_exchange(running.port, request("/metrics", host="localhost")).status == 200


def test_malformed_requests_get_nothing_and_the_server_stays(production: Fleet) -> None:
    for each in MALFORMED:
        assert_nothing_of_ours(raw_exchange(production.port, each, patience=2.0, hangs_up=True), each[:200])
    assert_still_serving(production)


def test_a_visitor_who_leaves_in_the_middle_harms_nobody(production: Fleet) -> None:
    friend = request("/metrics", f"Authorization: Bearer {TOKEN}")
    for end in (10, 40, len(friend) - 1):
        assert raw_exchange(production.port, friend[:end], patience=2.0, hangs_up=True).status in (0, 400)
    assert_still_serving(production)
    assert production.in_flight() == 0

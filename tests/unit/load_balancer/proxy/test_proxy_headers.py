from __future__ import annotations

import pytest
from proxied import behind, exchange, fronted, proxy_to

pytestmark = pytest.mark.anyio

GET = b"GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n"


def headers_of(request: bytes) -> dict[bytes, bytes]:
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return {name: value for name, _, value in (line.partition(b": ") for line in lines)}


async def passed_on(more: bytes, **options: object) -> dict[bytes, bytes]:
    async with behind() as end, fronted(proxy_to(end, **options)) as port:
        answer = await exchange(port, GET + more + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert len(end.requests) == 1
        return headers_of(end.requests[0])


async def test_a_request_is_passed_on_and_its_answer_comes_back() -> None:
    async with behind() as end, fronted(proxy_to(end)) as port:
        answer = await exchange(port, GET + b"X-Mine: 1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n\r\nok")
    assert end.requests[0].startswith(b"GET /a HTTP/1.1\r\nhost: 127.0.0.1:")
    assert headers_of(end.requests[0])[b"x-mine"] == b"1"


async def test_hop_by_hop_headers_and_those_named_in_connection_end_here() -> None:
    sent = b"Keep-Alive: 5\r\nProxy-Authorization: x\r\nProxy-Connection: y\r\n"
    sent += b"TE: gzip\r\nX-Hop: 1\r\nConnection: X-Hop\r\n"
    seen = await passed_on(sent)
    for name in (b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"x-hop", b"connection"):
        assert name not in seen


async def test_te_trailers_goes_on() -> None:
    assert (await passed_on(b"TE: trailers\r\n"))[b"te"] == b"trailers"


async def test_connection_cannot_take_out_what_is_for_the_server() -> None:
    seen = await passed_on(
        b"Authorization: Bearer a\r\nCookie: c=1\r\nConnection: authorization, cookie, x-forwarded-for, host\r\n"
    )
    assert seen[b"authorization"] == b"Bearer a"
    assert seen[b"cookie"] == b"c=1"
    assert seen[b"x-forwarded-for"] == b"127.0.0.1"
    assert b"host" in seen


async def test_what_a_stranger_says_of_where_it_comes_from_is_replaced() -> None:
    seen = await passed_on(
        b"X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
        b"X-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /x\r\nForwarded: for=1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\n"
        b"X-Request-Timeout-Ms: 1\r\nEndpoint-Load-Metrics: TEXT cpu_utilization=0\r\n"
    )
    assert seen[b"x-forwarded-for"] == b"127.0.0.1"
    assert seen[b"x-forwarded-proto"] == b"http"
    assert seen[b"x-forwarded-host"] == b"shop.example"
    for name in (b"x-real-ip", b"x-forwarded-port", b"x-forwarded-prefix", b"forwarded", b"x_forwarded_for",
                 b"x-request-timeout-ms", b"endpoint-load-metrics"):  # fmt: skip
        assert name not in seen


async def test_what_a_trusted_proxy_says_is_kept_and_continued() -> None:
    seen = await passed_on(
        b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\nForwarded: for=1.2.3.4\r\n"
        b"X-Request-Timeout-Ms: 5000\r\n",
        trusted_proxies=("127.0.0.0/8",),
    )
    assert seen[b"x-forwarded-for"] == b"1.2.3.4, 127.0.0.1"
    assert seen[b"x-forwarded-proto"] == b"https"
    assert seen[b"x-forwarded-host"] == b"outer"
    assert seen[b"forwarded"] == b"for=1.2.3.4, for=127.0.0.1;proto=http"
    assert 0 < int(seen[b"x-request-timeout-ms"]) <= 5000


async def test_a_deadline_that_is_over_is_answered_at_once() -> None:
    async with behind() as end, fronted(proxy_to(end, trusted_proxies=("127.0.0.1",))) as port:
        answer = await exchange(port, GET + b"X-Request-Timeout-Ms: 0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 504")
    assert end.requests == []


async def test_the_host_is_kept_where_that_is_wanted() -> None:
    assert (await passed_on(b"", preserve_host=True))[b"host"] == b"shop.example"


@pytest.mark.parametrize(
    ("host", "status"), [(b"shop.example", b"200"), (b"SHOP.example:80", b"200"), (b"evil.example", b"421")]
)
async def test_only_hosts_that_are_allowed_are_served(host: bytes, status: bytes) -> None:
    async with behind() as end, fronted(proxy_to(end, allowed_hosts=("shop.example",))) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] == status


async def test_a_request_that_comes_round_is_refused() -> None:
    async with behind() as end, fronted(proxy_to(end, pseudonym="me")) as port:
        first = await exchange(port, GET + b"\r\n")
        again = await exchange(port, GET + b"Via: 1.1 other, 1.1 me\r\n\r\n")
        far = await exchange(port, GET + b"Via: " + b"1.1 x, " * 11 + b"1.1 y\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200")
    assert headers_of(end.requests[0])[b"via"] == b"1.1 me"
    assert again.startswith(b"HTTP/1.1 508")
    assert far.startswith(b"HTTP/1.1 508")


async def test_an_answer_loses_what_is_for_this_hop_and_what_tells_the_load() -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: 5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
        b"endpoint-load-metrics: TEXT named_metrics.rif=3\r\nX-Request-Timeout-Ms: 9\r\n"
        b"X-Stays: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok"
    )
    async with behind(raw) as end:
        proxy = proxy_to(end)
        async with fronted(proxy) as port:
            answer = (await exchange(port, GET + b"\r\n")).lower()
    for name in (b"keep-alive:", b"x-hop", b"endpoint-load-metrics", b"x-request-timeout-ms"):
        assert name not in answer
    assert b"x-stays: 1" in answer
    assert answer.count(b"set-cookie:") == 2
    assert proxy.balancer.servers[0].report.in_flight == 3


@pytest.mark.parametrize(
    "name", [b"endpoint-load-metrics", b"Endpoint-Load-Metrics-JSON", b"endpoint-load-metrics-bin"]
)
@pytest.mark.parametrize("is_passed", [False, True])
async def test_how_busy_a_server_is_goes_on_only_where_that_is_wanted(name: bytes, is_passed: bool) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + name + b": x\r\nX-Request-Timeout-Ms: 5\r\n\r\nok"
    async with behind(raw) as end, fronted(proxy_to(end, pass_reports=is_passed)) as port:
        answer = (await exchange(port, GET + b"\r\n")).lower()
    assert (b"\r\n" + name.lower() + b": x\r\n" in answer) is is_passed


async def test_a_redirect_is_passed_on_and_not_followed() -> None:
    raw = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with behind(raw) as end, fronted(proxy_to(end)) as port:
        answer = await exchange(port, GET + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 302")
    assert len(end.requests) == 1


@pytest.mark.parametrize("target", [b"//evil.example/x", b"/a/%2e%2e/b%2Fc;d?q=%00", b"/../../x", b"/a?b=//c&d=?"])
async def test_a_target_goes_on_as_it_came(target: bytes) -> None:
    async with behind() as end, fronted(proxy_to(end)) as port:
        await exchange(port, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert end.requests[0].split(b" ")[1] == target

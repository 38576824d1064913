"""Who counts as this very machine."""

from __future__ import annotations

import pytest

from tests.unit.http.visitors import ask, bearer, gate, stranger

AREAS = ("dashboard", "metrics", "load", "health_details")


@pytest.mark.parametrize("area", AREAS)
def test_in_development_this_machine_needs_no_token(area: str) -> None:
    assert gate("development").decide(ask(), area).allowed  # type: ignore[arg-type]


@pytest.mark.parametrize("environment", ["production", "testing", "", "Development", "staging"])
@pytest.mark.parametrize("area", AREAS)
def test_anywhere_else_loopback_is_no_permission(environment: str, area: str) -> None:
    assert not gate(environment).decide(ask(), area).allowed  # type: ignore[arg-type]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
def test_loopback_peers_are_local(peer: str) -> None:
    assert gate().decide(ask(peer=peer), "dashboard").allowed


@pytest.mark.parametrize(
    "peer",
    [
        None, "", "172.17.0.1", "10.0.0.1", "0.0.0.0", "::", "::ffff:10.0.0.1", "fe80::1%eth0", "testclient",
        "localhost",
        "127.0.0.1:5000", "127.0.0.1, 10.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "unix:/run/app.sock",
        "1" * 10_000,
    ],
)  # fmt: skip
def test_other_peers_are_not(peer: str | None) -> None:
    assert not gate().decide(ask(peer=peer), "dashboard").allowed


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8000", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8000",
        "shop.localhost", "a.b.localhost:3000",
    ],
)  # fmt: skip
def test_hosts_of_this_machine_are_local(host: str) -> None:
    assert gate().decide(ask(headers={"host": host}), "dashboard").allowed


@pytest.mark.parametrize(
    "host",
    [
        "evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "[::1]evil", "[::1].evil.com", "", " ",
        "localhost, evil.com",
        "evil.com, localhost", "localhost,localhost", "evillocalhost", ".localhost", "a..localhost", "localhost.",
        "localhost:80:80", "localhost:", "localhost:123456", "user@localhost", "localhost@evil.com",
        "evil.com#.localhost",
        "evil.com/.localhost", "localhost\n", "localhost\r\nx: y", "127.0.0.2", "0.0.0.0", "[::]", "::1",
        "127.0.0.1\x00",
        "localhos\u0074\u0301", "ｌocalhost", "localhost:８０", "a." * 5_000 + "localhost", "x" * 100_000,
    ],
)  # fmt: skip
def test_any_other_host_is_a_rebinding(host: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        for path in ("/perfkit", "/perfkit/", "/perfkit/api/overview", "/perfkit/static/x.css", "/metrics"):
            assert not gate().decide(ask(path, method=method, headers={"host": host}), "dashboard").allowed


def test_a_request_without_a_host_is_not_local() -> None:
    request = ask()
    assert not gate().decide(type(request)(method="GET", path="/perfkit/", peer="127.0.0.1"), "dashboard").allowed


@pytest.mark.parametrize(
    "name",
    [
        "forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-anything",
        "x-real-ip",
        "X-Forwarded-For", "x_forwarded_for", "cf-connecting-ip", "true-client-ip", "x-original-forwarded-for",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["127.0.0.1", "198.51.100.7", ""])
def test_what_a_proxy_forwarded_is_not_local(name: str, value: str) -> None:
    assert not gate().decide(ask(headers={name: value}), "dashboard").allowed


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://localhost.evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "file://"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    ],
)
def test_what_a_page_of_another_site_asks_for_is_not_local(headers: dict[str, str]) -> None:
    decision = gate().decide(ask(headers=headers), "dashboard")
    assert not decision.allowed
    assert decision.reason == "asked for by a page of another site"
    assert gate().decide(ask(headers=headers | bearer()), "dashboard").allowed


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "origin": "http://127.0.0.1:8000"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_a_page_of_this_machine_or_a_link_that_is_followed_is_local(headers: dict[str, str]) -> None:
    assert gate().decide(ask(headers=headers), "dashboard").allowed


@pytest.mark.parametrize("area", AREAS)
def test_off_shuts_everybody_out_whatever_they_bring(area: str) -> None:
    access = gate(access="off")
    assert not access.decide(ask(headers=bearer()), area).allowed  # type: ignore[arg-type]
    assert not access.decide(ask(), area).allowed  # type: ignore[arg-type]


def test_by_token_alone_this_machine_needs_it_too() -> None:
    access = gate(access="token")
    assert not access.decide(ask(), "dashboard").allowed
    assert access.decide(ask(headers=bearer()), "dashboard").allowed


def test_metrics_may_have_a_rule_of_their_own() -> None:
    access = gate("production", access="off", metrics_access="token")
    assert access.decide(stranger("/metrics", headers=bearer()), "metrics").allowed
    assert not access.decide(stranger(headers=bearer()), "dashboard").allowed

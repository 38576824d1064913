"""Who may see our pages, on a real server: strangers get the app's own 404, byte for byte."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from fleet import TOKEN, Fleet
from raw_http import RawAnswer, raw_exchange
from served import served

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

PAGES = ("/metrics", "/perfkit", "/perfkit/", "/perfkit/api/overview", "/perfkit/static/perfkit.css")
UNKNOWN = "/no/such/page"
METHODS = ("GET", "POST", "OPTIONS", "PUT", "DELETE", "PROPFIND")
STATIC = "/perfkit/static/"

WRONG = {
    "no token": [],
    "a wrong token": ["Authorization: Bearer wrong-wrong-wrong-wrong"],
    "a token that is cut": [f"Authorization: Bearer {TOKEN[:-1]}"],
    "a token with an end": [f"Authorization: Bearer {TOKEN}x"],
    "a wrong password": [f"Authorization: Basic {base64.b64encode(b'user:wrong').decode()}"],
    "broken basic": ["Authorization: Basic ====="],
    "a forged cookie": [f"Cookie: perfkit-00000000=9999999999.{'0' * 64}"],
    "X-Forwarded-For": ["X-Forwarded-For: 127.0.0.1"],
    "Forwarded": ["Forwarded: for=127.0.0.1;host=localhost;proto=https"],
    "X-Real-IP": ["X-Real-IP: 127.0.0.1"],
    "a rebound name": ["Host: perfkit.evil.example"],
    "a host of both": ["Host: localhost.evil.example"],
}


@pytest.fixture(scope="module")
def production() -> Iterator[Fleet]:
    with served(environment="production") as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[Fleet]:
    """A server of one's own, for tests that bring wrong tokens: they are counted for a minute."""
    with served(environment="production") as running:
        yield running


@pytest.fixture(scope="module")
def development() -> Iterator[Fleet]:
    with served(environment="development") as running:
        yield running


def send(running: Fleet, path: str, *headers: str, method: str = "GET") -> RawAnswer:
    lines = [f"{method} {path} HTTP/1.1", *headers, "Connection: close"]
    if not any(line.lower().startswith("host:") for line in headers):
        lines.insert(1, f"Host: 127.0.0.1:{running.port}")
    return raw_exchange(running.port, "\r\n".join([*lines, "", ""]).encode("latin-1"))


def bearer(token: str = TOKEN) -> str:
    return f"Authorization: Bearer {token}"


def indistinguishable(answer: RawAnswer, other: RawAnswer) -> bool:
    return (answer.status, answer.headers, answer.body) == (other.status, other.headers, other.body)


@pytest.mark.parametrize("method", METHODS)
def test_a_stranger_on_loopback_in_production_gets_the_app_s_own_404(production: Fleet, method: str) -> None:
    unknown = send(production, UNKNOWN, method=method)
    assert unknown.status == 404
    for path in PAGES:
        assert indistinguishable(send(production, path, method=method), unknown), path


@pytest.mark.parametrize("what", WRONG)
def test_nothing_but_the_token_opens_in_production(fresh: Fleet, what: str) -> None:
    for path in PAGES:
        assert indistinguishable(send(fresh, path, *WRONG[what]), send(fresh, UNKNOWN, *WRONG[what])), path


def test_health_says_its_word_to_everybody_and_no_more(production: Fleet) -> None:
    for path in ("/health", "/health/live", "/health/ready", "/health/startup"):
        answer = send(production, path, "Accept: application/health+json")
        assert answer.status == 200, path
        assert set(json.loads(answer.body)) == {"status"}, path
    detailed = json.loads(send(production, "/health", bearer(), "Accept: application/health+json").body)
    assert {"status", "serviceId", "checks"} <= set(detailed)


def test_the_token_opens_as_bearer_and_as_password(production: Fleet) -> None:
    basic = f"Authorization: Basic {base64.b64encode(f'anybody:{TOKEN}'.encode()).decode()}"
    for header in (bearer(), basic, f"authorization: bearer {TOKEN}"):
        assert send(production, "/metrics", header).status == 200, header
        assert send(production, "/perfkit/", header).status == 200, header


def test_the_token_in_the_query_is_swapped_for_a_cookie_that_opens_the_dashboard_only(production: Fleet) -> None:
    door = send(production, f"/perfkit/?live=5&t={TOKEN}")
    assert (door.status, door.header("location"), door.body) == (303, "./?live=5", b"")
    assert door.header("cache-control") == "no-store"
    cookie = door.header("set-cookie") or ""
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/perfkit"} <= attributes
    carried = f"Cookie: {cookie.split(';')[0]}"
    assert send(production, "/perfkit/", carried).status == 200
    assert send(production, "/perfkit/api/overview", carried).status == 200
    for path in ("/metrics", "/perfkitx"):
        assert indistinguishable(send(production, path, carried), send(production, UNKNOWN, carried)), path


def test_a_cookie_of_another_token_or_with_a_later_expiry_opens_nothing(production: Fleet) -> None:
    cookie = (send(production, f"/perfkit/?t={TOKEN}").header("set-cookie") or "").split(";")[0]
    name, _, value = cookie.partition("=")
    expiry, _, signature = value.partition(".")
    forged = f"{name}={int(expiry) + 1}.{signature}"
    for each in (forged, f"{name}={expiry}.{signature[::-1]}", f"{name}={expiry}", f"{name}=", f"perfkit={value}"):
        assert send(production, "/perfkit/", f"Cookie: {each}").status == 404, each
    assert send(production, "/perfkit/", f"Cookie: {cookie}").status == 200


def test_after_ten_wrong_tokens_none_is_checked_but_who_is_inside_stays(fresh: Fleet) -> None:
    cookie = (send(fresh, f"/perfkit/?t={TOKEN}").header("set-cookie") or "").split(";")[0]
    unknown = send(fresh, UNKNOWN)
    for number in range(10):
        assert indistinguishable(send(fresh, "/perfkit/", bearer(f"wrong-{number}-wrong-wrong")), unknown)
    assert indistinguishable(send(fresh, "/metrics", bearer()), unknown)
    assert send(fresh, f"/perfkit/?t={TOKEN}").status == 404
    assert send(fresh, "/perfkit/", f"Cookie: {cookie}").status == 200
    assert send(fresh, "/health").status == 200


def test_no_answer_and_no_log_line_has_the_token(fresh: Fleet) -> None:
    answers = [send(fresh, path, *headers) for path in (*PAGES, UNKNOWN) for headers in ((), (bearer(),))]
    answers += [
        send(fresh, f"{path}?t={TOKEN}", *headers)
        for path in ("/perfkit", "/perfkit/", "/perfkit/api/overview", "/metrics")
        for headers in ((), ("Accept: text/html",))
    ]
    answers += [send(fresh, f"/health?t={TOKEN}")]
    assert {200, 303, 308, 404} <= {answer.status for answer in answers}
    assert not any(TOKEN.encode() in answer.raw for answer in answers)
    log = fresh.log.read_text()
    assert "GET /perfkit/" in log  # the server's own access log is among what is looked through
    assert [line for line in log.splitlines() if TOKEN in line] == []


def test_this_very_machine_comes_in_in_development(development: Fleet) -> None:
    for path in PAGES[:1] + PAGES[2:4]:
        assert send(development, path).status == 200, path
        assert send(development, path, f"Host: localhost:{development.port}").status == 200, path


@pytest.mark.parametrize(
    "header",
    [
        "Host: perfkit.evil.example",
        "Host: localhost.evil.example",
        "Host: 127.0.0.1.evil.example",
        "Host: 192.168.1.5",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: localhost",
        "x_forwarded_for: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "Via: 1.1 proxy",
        "X-Real-IP: 127.0.0.1",
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
    ],
)
def test_a_proxy_a_rebound_name_or_another_site_is_no_loopback_in_development(development: Fleet, header: str) -> None:
    unknown = send(development, UNKNOWN, header)
    for path in PAGES:
        assert indistinguishable(send(development, path, header), unknown), path
    assert send(development, "/metrics", header, bearer()).status == 200


def test_a_refusal_is_one_line_that_says_what_to_do(fresh: Fleet) -> None:
    for _ in range(20):
        send(fresh, "/perfkit/")
    lines = [line for line in fresh.log.read_text().splitlines() if "refused for peer" in line]
    assert len(lines) == 1
    assert "?t=<token>" in lines[0]

"""The cookie that a token in the query is swapped for."""

from __future__ import annotations

import hashlib

import pytest

from perfkit.http.access import Access, Decision
from perfkit.http.credentials import COOKIE_LIFETIME
from perfkit.testing import FakeClock
from tests.unit.http.visitors import TOKEN, ask, bearer, gate, stranger


def swap(access: Access, request: object = None) -> Decision:
    decision = access.decide(request or stranger(query=f"t={TOKEN}"), "dashboard")  # type: ignore[arg-type]
    assert decision.allowed
    assert decision.set_cookie is not None
    return decision


def carried(decision: Decision) -> dict[str, str]:
    assert decision.set_cookie is not None
    return {"cookie": decision.set_cookie.split(";")[0]}


def attributes(decision: Decision) -> list[str]:
    assert decision.set_cookie is not None
    return decision.set_cookie.split("; ")[1:]


def test_the_cookie_opens_afterwards() -> None:
    access = gate("production")
    headers = carried(swap(access))
    assert access.decide(stranger(headers=headers), "dashboard").allowed
    assert access.decide(stranger("/perfkit/api/overview", headers=headers), "dashboard").allowed


def test_the_cookie_opens_at_another_worker_with_the_same_token() -> None:
    assert gate("production").decide(stranger(headers=carried(swap(gate("production")))), "dashboard").allowed


def test_the_cookie_is_found_among_others() -> None:
    access = gate("production")
    ours = carried(swap(access))["cookie"]
    for line in (f"session=1; {ours}; x=y", f"a=b, {ours}", f"{ours};", f"{ours.split('=')[0]}=stale; {ours}"):
        assert access.decide(stranger(headers={"cookie": line}), "dashboard").allowed


def test_the_cookie_has_all_its_guards_and_secure_on_https_only() -> None:
    plain = attributes(swap(gate("production")))
    assert plain == [f"Max-Age={COOKIE_LIFETIME}", "Path=/perfkit", "HttpOnly", "SameSite=Strict"]
    assert "Secure" in attributes(swap(gate("production"), stranger(query=f"t={TOKEN}", scheme="https")))


def test_the_cookie_is_not_the_token_nor_a_plain_hash_of_it() -> None:
    value = carried(swap(gate("production")))["cookie"]
    assert TOKEN not in value
    assert hashlib.sha256(TOKEN.encode()).hexdigest() not in value


def test_the_path_of_the_cookie_has_the_application_root_in_it() -> None:
    decision = swap(gate("production"), stranger(query=f"t={TOKEN}", root_path="/shop a;b"))
    assert "Path=/shop%20a%3Bb/perfkit" in attributes(decision)


def test_behind_a_proxy_that_may_cut_a_prefix_off_the_browser_knows_the_path() -> None:
    request = stranger(query=f"t={TOKEN}", headers={"x-forwarded-for": "203.0.113.1"})
    assert not any(each.startswith("Path") for each in attributes(swap(gate("production"), request)))
    page_without_slash = stranger("/perfkit", f"t={TOKEN}", headers={"x-forwarded-for": "203.0.113.1"})
    assert "Path=/perfkit" in attributes(swap(gate("production"), page_without_slash))


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/perfkit/", f"t={TOKEN}", "./"),
        ("/perfkit", f"t={TOKEN}", "./perfkit"),
        ("/perfkit/", f"live=5&t={TOKEN}&x=%2F%26", "./?live=5&x=%2F%26"),
        ("/perfkit/api/overview", f"a=1&a=2&t={TOKEN}", "./overview?a=1&a=2"),
        ("/perfkit/", f"%74={TOKEN}&x=", "./?x="),
        ("/perfkit//evil.com", f"t={TOKEN}", "./evil.com"),
        ("/perfkit/javascript:alert(1)", f"t={TOKEN}", "./javascript%3Aalert%281%29"),
        ("/perfkit/", f"t={TOKEN}&x=a\r\nset-cookie: y", "./?x=a%0D%0Aset-cookie:%20y"),
        ("/perfkit/", f"t={TOKEN}&x=ü\ud800", "./?x=%C3%BC?"),
    ],
)
def test_the_token_leaves_the_url_and_all_else_stays(path: str, query: str, location: str) -> None:
    assert swap(gate("production"), stranger(path, query)).redirect == location


def test_in_development_the_printed_url_loses_its_token_too() -> None:
    assert swap(gate("development"), ask(query=f"t={TOKEN}")).redirect == "./"


def test_a_wrong_token_in_the_query_does_not_shut_out_who_is_known() -> None:
    access = gate("production")
    headers = carried(swap(access))
    assert access.decide(stranger(query="t=wrong", headers=headers), "dashboard").allowed
    assert gate("development").decide(ask(query="t=of-the-last-start"), "dashboard").allowed


def test_a_right_header_beside_a_wrong_query_opens_without_a_cookie() -> None:
    decision = gate("production").decide(stranger(query="t=wrong", headers=bearer()), "dashboard")
    assert decision.allowed
    assert decision.set_cookie is None


def test_the_cookie_ends_after_a_day() -> None:
    clock = FakeClock()
    access = gate("production", clock=clock)
    headers = carried(swap(access))
    clock.advance(COOKIE_LIFETIME - 2)
    assert access.decide(stranger(headers=headers), "dashboard").allowed
    clock.advance(3)
    assert not access.decide(stranger(headers=headers), "dashboard").allowed


def test_a_cookie_is_good_for_its_mount_and_its_area_only() -> None:
    access = gate("production")
    headers = carried(swap(access))
    assert not access.decide(stranger(headers=headers, root_path="/other"), "dashboard").allowed
    assert not access.decide(stranger("/metrics", headers=headers), "metrics").allowed
    assert not access.decide(stranger("/health", headers=headers), "health_details").allowed


def test_a_cookie_of_another_token_is_nothing() -> None:
    headers = carried(swap(gate("production")))
    assert (
        not gate("production", token="another-token-altogether").decide(stranger(headers=headers), "dashboard").allowed
    )


def test_two_services_on_one_host_use_cookies_of_different_names() -> None:
    other = gate("production", token="another-token-altogether")
    theirs = other.decide(stranger(query="t=another-token-altogether"), "dashboard")
    assert carried(theirs)["cookie"].split("=")[0] != carried(swap(gate("production")))["cookie"].split("=")[0]


def test_forged_cookies_do_not_open() -> None:
    access = gate("production")
    name, _, value = carried(swap(access))["cookie"].partition("=")
    expiry, _, signature = value.partition(".")
    forged = [
        f"{int(expiry) + 1}.{signature}", f"{expiry}.{signature[:-1]}", f"{expiry}.", f".{signature}", expiry, "", ".",
        f"{expiry}.{signature}0", f"-{expiry}.{signature}", f"{expiry}.{'0' * 64}", f"9{'9' * 5_000}.{signature}",
        f"{expiry}.\udcff", "²." + signature,
        f"{expiry}.{signature.upper()}" if signature.upper() != signature else ".",
        TOKEN, f"{expiry}.{TOKEN}",
    ]  # fmt: skip
    for each in forged:
        assert not access.decide(stranger(headers={"cookie": f"{name}={each}"}), "dashboard").allowed, each
    assert not access.decide(stranger(headers={"cookie": f"x{name}={value}"}), "dashboard").allowed
    assert not access.decide(stranger(headers={"cookie": "a=b;" * 10_000 + f"{name}={value}"}), "dashboard").allowed


def test_known_visitors_stay_in_while_a_neighbour_guesses() -> None:
    access = gate("production")
    headers = carried(swap(access))
    for _ in range(20):
        access.decide(stranger(headers=bearer("wrong")), "dashboard")
    assert access.decide(stranger(headers=headers), "dashboard").allowed
    assert access.decide(stranger(headers=headers | bearer("for the app")), "dashboard").allowed


def test_stale_cookies_are_no_guesses() -> None:
    access = gate("production")
    for _ in range(30):
        access.decide(stranger(headers={"cookie": "perfkit-12345678=1.2"}), "dashboard")
    assert access.decide(stranger(headers=bearer()), "dashboard").allowed


def test_scrapers_keep_no_cookies_so_they_are_answered_at_once() -> None:
    access = gate("production")
    scraper = stranger("/metrics", f"t={TOKEN}", headers={"accept": "text/plain;version=0.0.4,*/*;q=0.1"})
    assert access.decide(scraper, "metrics").redirect is None
    browser = stranger("/metrics", f"format=json&t={TOKEN}", headers={"accept": "text/html,*/*;q=0.8"})
    decision = access.decide(browser, "metrics")
    assert decision.redirect == "./metrics?format=json"
    assert "Path=/metrics" in attributes(decision)
    assert access.decide(stranger("/metrics", headers=carried(decision)), "metrics").allowed


def test_only_get_and_head_are_sent_on() -> None:
    access = gate("production")
    assert access.decide(stranger(query=f"t={TOKEN}", method="HEAD"), "dashboard").redirect == "./"
    assert access.decide(stranger(query=f"t={TOKEN}", method="POST"), "dashboard").redirect is None

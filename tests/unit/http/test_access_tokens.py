"""Tokens: how they are brought, compared, and no longer compared."""

from __future__ import annotations

import pytest

from perfkit.core.message import Request
from perfkit.testing import FakeClock
from tests.unit.http.visitors import TOKEN, basic, bearer, gate, stranger


@pytest.mark.parametrize(
    "headers",
    [
        bearer(), {"authorization": f"bearer {TOKEN}"}, {"authorization": f"BEARER   {TOKEN} "}, basic(),
        basic(user=""),
        basic(user="ünï"),
    ],
)  # fmt: skip
def test_the_right_token_opens_from_anywhere(headers: dict[str, str]) -> None:
    for environment in ("production", "development"):
        assert gate(environment).decide(stranger(headers=headers), "dashboard").allowed


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN,
        f"Token {TOKEN}",
        f"Bearer {TOKEN}, Bearer {TOKEN}", f"Bearer {TOKEN.upper()}", "Bearer schlüssel", "Bearer \udcff", "Bearer 密",
        "Basic", "Basic ", "Basic !!!", "Basic 密", "Basic Y29sb25sZXNz", "Basic Og==", "Basic dXNlcjo=", "Basic =",
        "Basic dXNlcjr/", "Basic dXNlcjr/ , x", f"Basic {TOKEN}", "Bearer " + "x" * 1_000_000,
        "Basic " + "QQ==" * 100_000,
        f"Bearer {TOKEN}" + " " * 5_000,
    ],
)  # fmt: skip
def test_nothing_else_opens_and_nothing_raises(value: str) -> None:
    assert not gate("production").decide(stranger(headers={"authorization": value}), "dashboard").allowed


def test_without_a_token_no_empty_one_opens() -> None:
    access = gate("production", token="")
    for headers in ({"authorization": "Bearer "}, {"authorization": "Bearer"}, basic(""), {"cookie": "perfkit-=1.2"}):
        assert not access.decide(stranger(headers=headers), "dashboard").allowed
    assert not access.decide(stranger(query="t="), "dashboard").allowed
    assert not access.decide(stranger(query="t"), "dashboard").allowed


@pytest.mark.parametrize("token", ["schlüssel-schlüssel", "密密密密密密密密密密"])
def test_a_token_outside_ascii_opens_however_the_server_decoded_it(token: str) -> None:
    access = gate("production", token=token)
    as_utf8 = stranger(headers=bearer(token))
    as_latin1 = stranger(headers=bearer(token.encode().decode("latin-1")))
    assert access.decide(as_utf8, "dashboard").allowed
    assert access.decide(as_latin1, "dashboard").allowed
    assert access.decide(stranger(headers=basic(token)), "dashboard").allowed


def test_a_token_in_the_query_is_read_percent_decoded() -> None:
    encoded = "".join(f"%{ord(letter):02x}" for letter in TOKEN)
    assert gate("production").decide(stranger(query=f"t={encoded}"), "dashboard").allowed
    assert gate("production").decide(stranger(query=f"%74={TOKEN}"), "dashboard").allowed


@pytest.mark.parametrize(
    "query",
    [
        f"t={TOKEN}&t={TOKEN}", f"t=a&t={TOKEN}", f"t={TOKEN}&%74=b", f"T={TOKEN}", f"tt={TOKEN}", f"x=t={TOKEN}",
        "t=%ff",
        f"t={TOKEN}&x=" + "y" * 10_000, "t=%", "&&&", "t", "%", f";t={TOKEN}",
    ],
)  # fmt: skip
def test_doubled_oversized_and_misnamed_query_tokens_do_not_open(query: str) -> None:
    assert not gate("production").decide(stranger(query=query), "dashboard").allowed


def test_the_metrics_token_opens_the_metrics_alone() -> None:
    own = "scrapers-may-read-this"
    access = gate("production", metrics_token=own)
    assert access.decide(stranger("/metrics", headers=bearer(own)), "metrics").allowed
    assert access.decide(stranger("/metrics", headers=bearer()), "metrics").allowed
    assert not access.decide(stranger(headers=bearer(own)), "dashboard").allowed
    assert not access.decide(stranger(headers=bearer(own)), "health_details").allowed


def test_after_ten_wrong_tokens_the_right_one_is_not_checked_for_a_minute() -> None:
    clock = FakeClock()
    access = gate("production", clock=clock)
    for _ in range(9):
        access.decide(stranger(headers=bearer("wrong")), "dashboard")
    assert access.decide(stranger(headers=bearer()), "dashboard").allowed
    access.decide(stranger(headers=bearer("wrong")), "dashboard")
    refused = access.decide(stranger(headers=bearer()), "dashboard")
    assert not refused.allowed
    assert "none is checked" in refused.reason
    clock.advance(59.0)
    assert not access.decide(stranger(headers=basic()), "dashboard").allowed
    clock.advance(1.5)
    assert access.decide(stranger(headers=bearer()), "dashboard").allowed


def test_wrong_tokens_count_however_they_are_brought_and_wherever() -> None:
    access = gate("production")
    for _ in range(3):
        access.decide(stranger(query="t=wrong"), "dashboard")
        access.decide(stranger("/metrics", headers=basic("wrong")), "metrics")
        access.decide(stranger("/health", headers=bearer("wrong")), "health_details")
    access.decide(stranger(headers={"authorization": "Basic !!!"}), "dashboard")
    assert not access.decide(stranger(headers=bearer()), "dashboard").allowed


def test_one_peer_s_guesses_do_not_shut_another_out() -> None:
    access = gate("production")
    for _ in range(20):
        access.decide(stranger(headers=bearer("wrong")), "dashboard")
    assert access.decide(stranger(peer="203.0.113.9", headers=bearer()), "dashboard").allowed


LONG, SHORT = "x" * 8 + "a-token-of-32-characters" + "y" * 8, "a-token-of-24-characters"


def behind(proxy: str, client: str, token: str) -> Request:
    return stranger(peer=proxy, headers={"x-forwarded-for": client, **bearer(token)})


@pytest.mark.parametrize("proxy", ["127.0.0.1", "::1", "10.0.0.2", "172.17.0.1", "fd00::7", "::ffff:192.168.0.4"])
def test_behind_a_proxy_one_visitor_s_guesses_do_not_shut_another_out(proxy: str) -> None:
    access = gate("production", token=SHORT)
    for number in range(50):
        access.decide(behind(proxy, "203.0.113.66", f"wrong-{number}"), "dashboard")
    assert not access.decide(behind(proxy, "203.0.113.66", SHORT), "dashboard").allowed
    assert access.decide(behind(proxy, "198.51.100.7", SHORT), "dashboard").allowed


def test_what_a_visitor_writes_in_front_of_what_the_proxy_adds_makes_him_nobody_else() -> None:
    access = gate("production", token=LONG)
    for number in range(10):
        access.decide(behind("127.0.0.1", f"198.51.100.{number}, 203.0.113.66", "wrong"), "dashboard")
    assert not access.decide(behind("127.0.0.1", "192.0.2.1, 203.0.113.66", LONG), "dashboard").allowed


@pytest.mark.parametrize("proxy", ["127.0.0.1", "10.0.0.2"])
def test_who_may_choose_his_address_guesses_a_short_token_a_hundred_times_a_minute_at_most(proxy: str) -> None:
    clock = FakeClock()
    access = gate("production", token=SHORT, clock=clock)
    for number in range(100):
        assert access.decide(behind(proxy, f"198.51.100.{number}", SHORT), "dashboard").allowed
        access.decide(behind(proxy, f"198.51.100.{number}", "wrong"), "dashboard")
    assert not access.decide(behind(proxy, "203.0.113.1", SHORT), "dashboard").allowed
    clock.advance(60.5)
    assert access.decide(behind(proxy, "203.0.113.1", SHORT), "dashboard").allowed


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
@pytest.mark.parametrize("first", ["198.51.100", "8.8.8", "10.0.0", "2001:db8::", "nobody-"])
def test_who_chooses_the_very_peer_guesses_a_short_token_a_hundred_times_a_minute_at_most(
    first: str, name: str
) -> None:
    access = gate("production", token=SHORT)

    def visit(number: int, token: str) -> bool:
        # As uvicorn has it with --forwarded-allow-ips='*': the peer is the first address of the header.
        peer = f"{first}{number:x}" if ":" in first or "-" in first else f"{first}.{number}"
        said = f"{peer}, 203.0.113.66" if name != "forwarded" else f'for="[{peer}]:4711", for=203.0.113.66'
        return access.decide(stranger(peer=peer, headers={name: said, **bearer(token)}), "dashboard").allowed

    for number in range(100):
        visit(number, "wrong")
    assert not visit(200, SHORT)
    assert access.decide(stranger(headers=bearer(SHORT)), "dashboard").allowed
    assert access.decide(stranger(peer="127.0.0.1", headers=bearer(SHORT)), "dashboard").allowed


def test_who_names_this_machine_in_front_shuts_out_nobody_on_it() -> None:
    access = gate("production", token=LONG)
    for _ in range(20):
        access.decide(behind("127.0.0.1", "127.0.0.1, 203.0.113.66", "wrong"), "dashboard")
    assert access.decide(stranger(peer="127.0.0.1", headers=bearer(LONG)), "dashboard").allowed
    assert access.decide(behind("127.0.0.1", "198.51.100.7", LONG), "dashboard").allowed


def test_a_long_token_cannot_be_guessed_so_nobody_is_shut_out_by_who_chooses_his_address() -> None:
    access = gate("production", token=LONG)
    for number in range(2_000):
        access.decide(behind("127.0.0.1", f"10.{number % 7}.{number // 250}.{number % 250}", "wrong"), "dashboard")
    assert access.decide(behind("127.0.0.1", "203.0.113.1", LONG), "dashboard").allowed


@pytest.mark.parametrize("token", [LONG, SHORT])
def test_a_peer_that_is_no_proxy_of_ours_is_one_visitor_whatever_it_says(token: str) -> None:
    access = gate("production", token=token)
    for number in range(10):
        access.decide(behind("8.8.8.8", f"198.51.100.{number}", "wrong"), "dashboard")
    assert not access.decide(behind("8.8.8.8", "203.0.113.1", token), "dashboard").allowed


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "203.0.113.66:4711"},
        {"x-forwarded-for": " 203.0.113.66 "},
        {"x-forwarded-for": "::ffff:203.0.113.66"},
        {"forwarded": "for=203.0.113.66"},
        {"forwarded": 'for=10.0.0.1, For="203.0.113.66:4711";proto=https'},
        {"x-real-ip": "203.0.113.66"},
        {"x-forwarded-for": "", "x-real-ip": "203.0.113.66"},
    ],
    ids=str,
)
def test_the_address_that_a_proxy_adds_is_read_in_every_form(headers: dict[str, str]) -> None:
    access = gate("production", token=LONG)
    for _ in range(10):
        access.decide(behind("127.0.0.1", "203.0.113.66", "wrong"), "dashboard")
    assert not access.decide(stranger(peer="127.0.0.1", headers={**headers, **bearer(LONG)}), "dashboard").allowed


@pytest.mark.parametrize(
    "said", ["", ",", ", ,", "[", "[]", "]", ":", "x" * 100_000, ",".join(["1.2.3.4"] * 50_000), "\udcff"]
)
def test_nonsense_of_a_proxy_neither_opens_nor_raises(said: str) -> None:
    access = gate("production", token=LONG)
    for name in ("x-forwarded-for", "forwarded", "x-real-ip"):
        for value in (said, f"for={said}", f'for="{said}"'):
            request = stranger(peer="127.0.0.1", headers={name: value, **bearer("wrong")})
            assert not access.decide(request, "dashboard").allowed


def test_all_addresses_of_an_ipv6_64_are_one_peer() -> None:
    access = gate("production")
    for number in range(10):
        access.decide(stranger(peer=f"2001:db8:1:2::{number:x}", headers=bearer("wrong")), "dashboard")
    assert not access.decide(stranger(peer="2001:db8:1:2:ffff::1", headers=bearer()), "dashboard").allowed
    assert access.decide(stranger(peer="2001:db8:1:3::1", headers=bearer()), "dashboard").allowed


def test_a_mapped_address_is_its_ipv4_address() -> None:
    access = gate("production")
    for _ in range(10):
        access.decide(stranger(peer="::ffff:198.51.100.7", headers=bearer("wrong")), "dashboard")
    assert not access.decide(stranger(headers=bearer()), "dashboard").allowed


def test_visitors_without_an_address_count_as_one() -> None:
    access = gate("production")
    for _ in range(10):
        access.decide(stranger(peer=None, headers=bearer("wrong")), "dashboard")
    assert not access.decide(stranger(peer=None, headers=bearer()), "dashboard").allowed


def test_who_is_local_stays_in_after_wrong_tokens() -> None:
    access = gate("development")
    for _ in range(20):
        access.decide(stranger(peer="127.0.0.1", headers=bearer("wrong")), "dashboard")
    local = stranger(peer="127.0.0.1", headers={"host": "localhost", **bearer("for the app itself")})
    assert access.decide(local, "dashboard").allowed


def test_reasons_never_repeat_what_the_visitor_sent() -> None:
    decision = gate("production").decide(stranger(headers=bearer("hunter2-hunter2")), "dashboard")
    assert "hunter2" not in decision.reason


def test_a_right_token_in_a_query_is_known_wherever_it_stands() -> None:
    from perfkit.config import AccessSettings
    from perfkit.http.access import Access

    access = Access(AccessSettings(), environment="production", token="the-right-token-of-16")
    assert access.hides(stranger(query="a=1&t=the-right-token-of-16&t=other"))
    assert access.hides(stranger(query="t=the%2Dright-token-of-16"))
    assert not access.hides(stranger(query="t=the-wrong-token-of-16"))
    assert not access.hides(stranger(query="x=the-right-token-of-16"))


WRONG = "incorrect-horse-battery"


@pytest.mark.parametrize("access", ["token", "off", lambda _: False], ids=["token", "off", "function"])
def test_what_is_hidden_from_the_app_tells_nobody_who_has_no_guess_left_which_token_is_right(access: object) -> None:
    clock = FakeClock()
    gate_ = gate("production", access=access, clock=clock)

    def is_hidden(token: str) -> bool:
        request = stranger(query=f"t={token}")
        assert gate_.decide(request, "dashboard").allowed is False
        return gate_.hides(request, "dashboard")

    hidden = [is_hidden(f"{WRONG}-{number}") for number in range(9)]
    assert not any(hidden), "before that, the app sees its query as it came"
    is_hidden(f"{WRONG}-9")
    assert is_hidden(TOKEN) is is_hidden(WRONG) is True
    clock.advance(60.5)
    assert not is_hidden(WRONG), "each was one guess, and no more than that"


def test_many_tokens_in_one_query_are_as_many_guesses() -> None:
    access = gate("production")
    wrong = [f"t={WRONG}-{number}" for number in range(6)]
    assert access.hides(stranger(query="&".join([*wrong, *wrong])))
    assert access.hides(stranger(query="&".join([*wrong, *wrong, f"t={TOKEN}"])))
    assert not access.hides(stranger(query="&".join(wrong)))
    assert not access.hides(stranger(query="&".join(wrong[:4])))
    assert access.hides(stranger(query=f"t={WRONG}"))


def test_a_t_that_is_too_short_for_a_token_stays_the_app_s() -> None:
    access = gate("production")
    for _ in range(30):
        assert not access.decide(stranger("/metrics", query="t=1h"), "metrics").allowed
        assert not access.hides(stranger("/metrics", query="t=1h"), "metrics")

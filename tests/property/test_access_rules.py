"""The rules of access against slow, obvious models, and against anything that can be sent."""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qsl, quote, unquote_plus

from hypothesis import example, given
from hypothesis import strategies as st

from perfkit.core.message import Request
from perfkit.http.credentials import SHORTEST_TOKEN, all_query_tokens, query_token, without_token
from perfkit.http.peers import PeerWindow, is_local_host, is_loopback, peer_group
from perfkit.testing import FakeClock
from tests.unit.http.visitors import TOKEN, gate

ANY = st.text(st.characters(codec=None), max_size=60)
NAMES = st.sampled_from(
    ["host", "authorization", "cookie", "accept", "x-forwarded-for", "forwarded", "via", "x-real-ip", "sec-fetch-site"]
)
HOSTS = st.sampled_from(["localhost", "127.0.0.1:80", "[::1]", "a.localhost", "evil.com", "localhost.evil.com", ""])
PEERS = st.sampled_from([None, "", "127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "::", "fe80::1%1", "testclient"])
AREAS = st.sampled_from(["dashboard", "metrics", "load", "health_details"])
Area = Literal["dashboard", "metrics", "load", "health_details"]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    headers = draw(st.dictionaries(NAMES | ANY, ANY, max_size=4))
    if draw(st.booleans()):
        headers["host"] = draw(HOSTS)
    return Request(
        method=draw(st.sampled_from(["GET", "HEAD", "POST"]) | ANY),
        path=draw(st.sampled_from(["/perfkit/", "/metrics"]) | ANY),
        query=draw(st.sampled_from(["", "t=", "t=a&t=b", "live=5"]) | ANY),
        headers=headers,
        peer=draw(PEERS | ANY),
        root_path=draw(st.sampled_from(["", "/shop"]) | ANY),
    )


@given(request=requests(), area=AREAS)
def test_in_production_nothing_but_the_token_opens(request: Request, area: Area) -> None:
    decision = gate("production").decide(request, area)
    assert not decision.allowed
    assert decision.set_cookie is None
    assert decision.redirect is None


@given(request=requests(), area=AREAS)
def test_in_development_without_a_token_all_conditions_of_place_must_hold(request: Request, area: Area) -> None:
    names = {name.lower().replace("_", "-") for name in request.headers}
    forwarded = any(name.startswith("x-forwarded") for name in names) or bool(names & {"forwarded", "via", "x-real-ip"})
    host = request.headers.get("host", "")
    is_local = (
        request.peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
        and host in ("localhost", "127.0.0.1:80", "[::1]", "a.localhost")
        and not forwarded
    )
    assert gate("development").decide(request, area).allowed is is_local


@given(host=ANY | st.builds("{}{}{}".format, ANY, HOSTS, ANY))
def test_a_local_host_resolves_nowhere_else(host: str) -> None:
    if is_local_host(host):
        name = host.lower().rpartition("]")[0][1:] if host.startswith("[") else host.lower().partition(":")[0]
        assert name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")
        assert set(host) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]")


@given(peer=ANY | st.ip_addresses().map(str))
def test_any_peer_has_a_short_group(peer: str) -> None:
    assert len(peer_group(peer)) <= 64
    assert is_loopback(peer) is (peer_group(peer) == "::1" or (peer_group(peer).startswith("127.") and "/" not in peer))


@given(
    fields=st.lists(st.tuples(st.sampled_from(["t", "T", "x", "tt", ""]), st.text("ab=%+/?#", max_size=5)), max_size=6)
)
def test_what_stays_of_a_query_means_the_same(fields: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value}" for name, value in fields)
    kept = without_token(query)
    expected = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "t"]
    assert [pair for pair in parse_qsl(kept, keep_blank_values=True) if pair[0] != "t"] == expected
    assert query_token(Request(method="GET", path="/", query=kept)) is None


@given(query=st.text("t%74=&a+T", max_size=60))
@example(query="t=aaaaaaaaaaaaaaaa&t=&t=bbbbbbbbbbbbbbbbb")
def test_the_tokens_of_a_query_agree_with_a_look_at_each_piece(query: str) -> None:
    pieces = [(piece, *piece.partition("=")) for piece in query.split("&")]
    kept = "&".join(piece for piece, name, *_ in pieces if unquote_plus(name) != "t")
    assert without_token(query) == quote(kept, safe="".join(map(chr, range(0x21, 0x7F))))
    values = tuple(unquote_plus(value).encode() for _, name, _, value in pieces if unquote_plus(name) == "t")
    assert all_query_tokens(query) == tuple(each for each in values if len(each) >= SHORTEST_TOKEN)
    one = query_token(Request(method="GET", path="/", query=query))
    assert one == (None if not values else values[0] if len(values) == 1 else b"")


@given(query=ANY)
def test_what_stays_of_any_query_can_stand_in_a_header(query: str) -> None:
    kept = without_token(query)
    assert kept.isascii()
    assert not set(kept) & set("\r\n\x00 \t")


@given(
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 0.3, 1.0, 5.0, 11.0])), max_size=80),
    limit=st.integers(1, 4),
)
def test_the_window_agrees_with_the_obvious_model(steps: list[tuple[str, float]], limit: int) -> None:
    window, now = PeerWindow(limit=limit, seconds=10.0), 0.0
    times: dict[str, list[float]] = {name: [] for name in "abc"}
    for group, wait in steps:
        now += wait
        recent = [at for at in times[group] if now - at < 10.0]
        assert window.is_full(group, now) is (len(recent) >= limit)
        assert window.add(group, now) is (len(recent) < limit)
        if len(recent) < limit:
            times[group].append(now)


@given(groups=st.lists(st.integers(0, 50).map(str), max_size=200))
def test_the_window_remembers_the_latest_peers_only(groups: list[str]) -> None:
    window = PeerWindow(limit=1, seconds=1e9, capacity=8)
    latest: list[str] = []
    for group in groups:
        window.add(group, 0.0)
        latest = [*[each for each in latest if each != group][-7:], group]
        assert len(window) <= 8
    assert all(window.is_full(group, 0.0) for group in latest)


@given(at=st.floats(0.0, 2e9), later=st.floats(0.0, 200_000.0))
def test_a_cookie_opens_for_a_day_and_no_longer(at: float, later: float) -> None:
    clock = FakeClock(unix=at)
    access = gate("production", clock=clock)
    door = access.decide(Request(method="GET", path="/perfkit/", query=f"t={TOKEN}"), "dashboard")
    assert door.set_cookie is not None
    request = Request(method="GET", path="/perfkit/", headers={"cookie": door.set_cookie.split(";")[0]})
    ends = int(at) + 86_400
    clock.advance(later)
    assert access.decide(request, "dashboard").allowed is (clock.time() < ends)

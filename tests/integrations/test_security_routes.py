"""Every path of the table, as it stands, behind every adapter: strangers get the app's own answer, byte for byte.

Nothing here names a path: each test walks the table that answers, so a new route is attacked the day it is added.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from doors import ADAPTERS, FORM, Door, opened, public_paths, table

from perfkit.core.message import Request
from perfkit.dashboard import ACTIONS
from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock
from perfkit.testing.adapter_kit import Answer

TOKEN = "a-token-for-the-walk-of-the-table"
BEARER = {"authorization": f"Bearer {TOKEN}"}
LOCAL = {"host": "localhost:8000"}
EVERYTHING: dict[str, Any] = {
    "access": {"token": TOKEN, "actions": True},
    "http": {"load_path": "/load"},
    "database": {"capture": False},
    "load_balancer": {"outbound": False},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND")
DAY = 86_400.0


NUMBERS = count()


def made(environment: str, **settings: Any) -> PerformanceSystem:
    # Systems of one service in one process have one store.
    given = {**EVERYTHING, "service": f"walked-{next(NUMBERS)}", **settings}
    return PerformanceSystem(given, environment=environment, clock=FakeClock())


@pytest.fixture(scope="module", params=ADAPTERS)
def production(request: pytest.FixtureRequest) -> Iterator[tuple[Door, PerformanceSystem]]:
    with made("production") as system, opened(request.param, system) as door:
        yield door, system


@pytest.fixture(scope="module", params=ADAPTERS)
def development(request: pytest.FixtureRequest) -> Iterator[tuple[Door, PerformanceSystem]]:
    with made("development") as system, opened(request.param, system) as door:
        yield door, system


def whole(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    return answer.status, answer.headers, answer.body


def tick(system: PerformanceSystem, seconds: float = 61.0) -> None:
    """Let the minute of wrong tokens pass."""
    system.clock.advance(seconds)  # type: ignore[attr-defined]  # a FakeClock


STRANGERS: dict[str, dict[str, str]] = {
    "nobody": {},
    "a wrong token": {"authorization": f"Bearer {TOKEN[:-1]}"},
    "a wrong password": {"authorization": "Basic " + base64.b64encode(b"admin:admin").decode()},
    "a forged cookie": {"cookie": f"perfkit-00000000=9999999999.{'0' * 64}; sessionid=1"},
    "a token of the app's header": {"x-perfkit-token": TOKEN, "x-perfkit-record": "1"},
    "our own headers": {"x-perfkit-action": "1", "x-perfkit-command": "1", "sec-fetch-site": "same-origin"},
    "a page of another version": {"accept": "application/json; version=2"},
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_gets_the_app_s_own_answer_on_every_path_by_every_method(
    production: tuple[Door, PerformanceSystem], stranger: str
) -> None:
    door, system = production
    headers, public = STRANGERS[stranger], public_paths(system)
    tick(system)
    for path, methods in table(system).items():
        for method in METHODS if stranger == "nobody" else {"GET", *methods} - {"HEAD"}:
            answer = door.ask(method, path, headers)
            if path in public and method in ("GET", "HEAD"):
                assert set(json.loads(answer.body or b'{"status": 1}')) == {"status"}, path
            elif path in public:
                assert (answer.status, answer.body) == (405, b"Use GET or HEAD.\n"), path
            else:
                assert door.is_own(answer, method, path, headers), (method, path)
    assert not system.health.snapshot().is_draining


def test_a_query_opens_nothing_on_any_path(production: tuple[Door, PerformanceSystem]) -> None:
    door, system = production
    for query in ("t=wrong-wrong-wrong-wrong", f"t={TOKEN}&t={TOKEN}", f"T={TOKEN}&done=000000000000&tag=x"):
        tick(system)
        for path in set(table(system)) - public_paths(system):
            asked = f"{path}?{query}"
            assert door.is_own(door.ask("GET", asked), "GET", path), asked


def test_the_token_opens_every_path_so_the_walk_above_met_closed_doors(
    production: tuple[Door, PerformanceSystem],
) -> None:
    door, system = production
    tick(system)
    for path, methods in table(system).items():
        if "GET" in methods:
            tick(system, 1.0)
            answer = door.ask("GET", path, BEARER)
            assert answer.status in (200, 308, 400, 503), path
            assert answer.headers["x-robots-tag"] == "noindex", path


SPOOFS = [
    {"host": "perfkit.evil.example"},
    {"host": "localhost.evil.example"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "127.0.0.1@evil.example"},
    {"host": "evil.example#localhost"},
    {"host": "localhost, evil.example"},
    {"host": "[::1]evil"},
    {"host": "0.0.0.0"},
    {"host": "192.168.1.5"},
    {"host": ""},
    {"x-forwarded-for": "127.0.0.1"},
    {"x-forwarded-for": ""},
    {"x-forwarded-host": "localhost"},
    {"x-forwarded-proto": "https"},
    {"forwarded": "for=127.0.0.1;host=localhost"},
    {"via": "1.1 proxy"},
    {"x-real-ip": "127.0.0.1"},
    {"x-client-ip": "::1"},
    {"cf-connecting-ip": "127.0.0.1"},
    {"true-client-ip": "127.0.0.1"},
    {"x-original-forwarded-for": "127.0.0.1"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
]


@pytest.mark.parametrize("spoof", SPOOFS, ids=str)
def test_a_rebound_name_a_proxy_and_another_site_are_no_loopback_on_any_path(spoof: dict[str, str]) -> None:
    with made("development") as system:
        routes, public = Routes(Front(system)), public_paths(system)
        for path, methods in table(system).items():
            for method in {"GET", *methods}:
                request = Request(method=method, path=path, headers={**LOCAL, **spoof}, peer="127.0.0.1")
                answer = routes.respond(request)
                if path in public:
                    assert answer is not None
                    assert set(json.loads(answer.body or b'{"status": 1}')) == {"status"}, path
                else:
                    assert answer is None, (method, path)
        assert not system.health.snapshot().is_draining


def test_each_adapter_tells_every_path_of_the_name_the_proxy_and_the_site(
    development: tuple[Door, PerformanceSystem],
) -> None:
    door, system = development
    hidden = sorted(set(table(system)) - public_paths(system))
    for number in range(max(len(hidden), len(SPOOFS))):
        path, headers = hidden[number % len(hidden)], {**LOCAL, **SPOOFS[number % len(SPOOFS)]}
        answer = door.ask("GET", path, headers, peer="127.0.0.1")
        assert door.is_own(answer, "GET", path, headers), (path, headers)


def test_this_machine_and_no_other_opens_every_path_in_development(development: tuple[Door, PerformanceSystem]) -> None:
    door, system = development
    near = ("127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1")
    far = ("10.0.0.8", "172.17.0.1", "192.168.1.5", "203.0.113.9", "::ffff:10.0.0.8", None)
    for number, (path, methods) in enumerate(table(system).items()):
        tick(system, 1.0)
        if "GET" in methods:
            answer = door.ask("GET", path, LOCAL, peer=near[number % len(near)])
            assert answer.status in (200, 308, 400, 503), path
        if path not in public_paths(system):
            peer = far[number % len(far)]
            assert door.is_own(door.ask("GET", path, LOCAL, peer=peer), "GET", path, LOCAL), (path, peer)


# Actions


def form_token(door: Door, **headers: str) -> str:
    page = door.ask("GET", "/perfkit/actions", {**BEARER, **headers})
    found = re.search(rb'name="token" value="([0-9a-f]{64})"', page.body)
    assert found, page.status
    return found[1].decode()


def own_form(token: str, what: str) -> dict[str, str]:
    fields = {name: "7200" if name == "seconds" else "shop" for name in ACTIONS[what].fields}
    return {"do": what, "token": token, "back": "", **fields}


def token_elsewhere(**settings: Any) -> str:
    """The token in the forms of another service that has the same secret, or of another mount of this one."""
    with made("production", **settings) as other:
        mount = settings.get("http", {}).get("dashboard_path", "/perfkit")
        headers = {"authorization": f"Bearer {settings.get('access', {}).get('token', TOKEN)}"}
        page = Routes(Front(other)).respond(Request(method="GET", path=f"{mount}/actions", headers=headers))
        assert page is not None
        found = re.search(rb'name="token" value="([0-9a-f]{64})"', page.body)
        assert found
        return found[1].decode()


ATTACKS = [
    "cross-site",
    "same-site",
    "none",
    "no origin",
    "foreign origin",
    "null origin",
    "another port",
    "no token",
    "a made-up token",
    "a token of another mount",
    "a token of another secret",
    "a token of the day before yesterday",
    "two tokens",
    "GET",
    "PUT",
    "HEAD",
    "in the query",
    "json",
    "multipart",
    "plain text",
    "too long",
]


def attacked(door: Door, attack: str, form: dict[str, str], tokens: dict[str, str]) -> Answer:
    headers = {**BEARER, "content-type": FORM, "sec-fetch-site": "same-origin", "host": "shop.example"}
    method, path = "POST", "/perfkit/act"
    sites = {"cross-site", "same-site", "none"}
    origins = {"foreign origin": "https://evil.example", "null origin": "null", "another port": "http://shop.example:1"}
    kinds = {"json": "application/json", "multipart": "multipart/form-data; boundary=x", "plain text": "text/plain"}
    if attack in sites:
        headers["sec-fetch-site"] = attack
    elif attack in origins or attack == "no origin":
        del headers["sec-fetch-site"]
        headers |= {"origin": origins[attack]} if attack in origins else {}
    elif attack == "no token":
        del form["token"]
    elif attack == "a made-up token":
        form["token"] = "0" * 64
    elif attack in tokens:
        form["token"] = tokens[attack]
    elif attack in ("GET", "PUT", "HEAD"):
        method = attack
    elif attack in kinds:
        headers["content-type"] = kinds[attack]
    elif attack == "too long":
        form["padding"] = "x" * 9000
    body = urlencode(form)
    if attack == "two tokens":
        body += f"&token={form['token']}"
    if attack == "in the query":
        path, body = f"{path}?{body}", ""
    headers["content-length"] = str(len(body))
    return door.ask(method, path, headers, body.encode())


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_no_attack_from_another_site_does_any_action(adapter: str) -> None:
    with made("production") as system, opened(adapter, system) as door:
        old = form_token(door)
        tick(system, 2 * DAY)
        tokens = {
            "a token of the day before yesterday": old,
            "a token of another mount": token_elsewhere(http={"dashboard_path": "/dash"}),
            "a token of another secret": token_elsewhere(
                access={"token": "another-secret-of-another-service", "actions": True}
            ),
        }
        token = form_token(door)
        assert token not in tokens.values()
        for number, what in enumerate(ACTIONS):  # all by all stand in tests/unit/http/test_actions.py
            for attack in ATTACKS[number % 4 :: 4]:
                answer = attacked(door, attack, own_form(token, what), tokens)
                assert answer.status in (400, 403, 404, 405), (what, attack, answer.status)
        done = json.loads(door.ask("GET", "/perfkit/api/actions", BEARER).body)["done"]
        assert done == []
        assert not system.health.snapshot().is_draining
        for what in ACTIONS:  # the same forms, unharmed, all act or say why they cannot
            tick(system)
            answer = attacked(door, "none of them", own_form(token, what), tokens)
            assert answer.status == 303, (what, answer.status)
        tick(system)
        done = json.loads(door.ask("GET", "/perfkit/api/actions", BEARER).body)["done"]
        assert {each["what"] for each in done} == set(ACTIONS)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_whatever_changes_something_wants_more_than_a_link(adapter: str) -> None:
    """Of each route that is no mere look: who is allowed, but is led there by another site, changes nothing."""
    with made("production") as system, opened(adapter, system) as door:
        changing = {path: methods for path, methods in table(system).items() if set(methods) - {"GET", "HEAD"}}
        assert changing
        for path, methods in changing.items():
            for method in methods:
                for site in ("cross-site", "same-site", "none"):
                    headers = {**BEARER, "content-type": FORM, "sec-fetch-site": site, "origin": "https://evil.example"}
                    answer = door.ask(method, path, headers, b"do=service-drain")
                    assert answer.status in (403, 404, 405), (method, path)
                    trusted = {**headers, "x-perfkit-command": "1", "x-perfkit-action": "1"}
                    if site != "none":  # a page that the app's CORS lets send any header
                        answer = door.ask(method, path, trusted, b"do=service-drain")
                        assert answer.status in (403, 404, 405), (method, path)
        assert not system.health.snapshot().is_draining
        assert json.loads(door.ask("GET", "/perfkit/api/actions", BEARER).body)["done"] == []


# Bounds of how often


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_json_and_the_actions_of_one_address_are_few_a_second(adapter: str) -> None:
    with made("production") as system, opened(adapter, system) as door:
        asked = [path for path in table(system) if "/api/" in path and not path.endswith("/openapi.json")]
        for number, path in enumerate(asked):
            if number % 5 == list(ADAPTERS).index(adapter) % 5:  # each is asked by some adapter
                tick(system, 2.0)
                statuses = [door.ask("GET", path, BEARER).status for _ in range(21)]
                assert 429 not in statuses[:20], path
                assert statuses[20] == 429, path
                assert door.ask("GET", path, BEARER, peer="198.51.100.7").status != 429, path
                tick(system, 2.0)
                assert door.ask("GET", path, BEARER).status != 429, path
        token = form_token(door)
        statuses = [attacked(door, "none of them", own_form(token, "service-resume"), {}).status for _ in range(12)]
        assert statuses == [303] * 10 + [429] * 2


DOORS = {
    "bearer": lambda token: ({"authorization": f"Bearer {token}"}, "/perfkit/", ""),
    "basic": lambda token: (
        {"authorization": "Basic " + base64.b64encode(f"any:{token}".encode()).decode()},
        "/metrics",
        "",
    ),
    "query": lambda token: ({}, "/perfkit/", f"?t={token}"),
    "with a request of the app": lambda token: ({"x-perfkit-token": token, "x-perfkit-record": "1"}, "/hello", ""),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_ten_wrong_tokens_by_any_way_shut_their_address_out_for_a_minute_and_nobody_else(adapter: str) -> None:
    with made("testing") as system, opened(adapter, system) as door:
        for way, made_of in DOORS.items():
            for number in range(10):
                headers, path, query = made_of(f"wrong-{number}-wrong-wrong")
                door.ask("GET", path + query, headers, peer="198.51.100.7")
            shut = door.ask("GET", "/metrics", BEARER, peer="198.51.100.7")
            assert whole(shut) == whole(door.ask_bare("GET", "/metrics", BEARER, peer="198.51.100.7")), way
            assert door.ask("GET", "/metrics", BEARER, peer="198.51.100.8").status == 200, way
            tick(system)
            assert door.ask("GET", "/metrics", BEARER, peer="198.51.100.7").status == 200, way


PROXIES = {
    "X-Forwarded-For": lambda client: {"x-forwarded-for": client},
    "a chain of them": lambda client: {"x-forwarded-for": f"10.9.9.9, {client}"},
    "Forwarded": lambda client: {"forwarded": f'for=10.9.9.9, for="{client}:443";proto=https'},
    "X-Real-IP": lambda client: {"x-real-ip": client},
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_behind_a_proxy_nobody_locks_the_operator_out(adapter: str) -> None:
    with made("production") as system, opened(adapter, system) as door:
        for number, named in enumerate(PROXIES):
            tick(system)
            proxy = ("127.0.0.1", "10.0.0.2")[number % 2]
            attacker, operator = PROXIES[named]("203.0.113.66"), PROXIES[named]("198.51.100.7")
            for guess in range(12):
                wrong = {"authorization": f"Bearer wrong-{guess}-wrong-wrong"}
                assert door.ask("GET", "/perfkit/", {**attacker, **wrong}, peer=proxy).status == 404
            assert door.ask("GET", "/perfkit/", {**attacker, **BEARER}, peer=proxy).status == 404, named
            assert door.ask("GET", "/perfkit/", {**operator, **BEARER}, peer=proxy).status == 200, named

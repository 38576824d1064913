"""The one path that changes things: a form of ours from our own page acts, and nothing else does."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import msgspec
import pytest

from perfkit.config import AccessSettings, HttpSettings
from perfkit.core.message import Request, Response
from perfkit.dashboard import ACTIONS, Done
from perfkit.http.dashboard.actions import LONGEST_FORM, RATE, is_same_origin
from perfkit.http.routes import API_RATE, Routes
from tests.unit.http.test_routes_security import STRANGERS
from tests.unit.http.visitors import TOKEN, Service, ask, bearer, header, stranger

FORM = "application/x-www-form-urlencoded"
OURS = {"sec-fetch-site": "same-origin", "origin": "http://localhost:8000"}
DAY = 86_400.0


def page_token(routes: Routes, **changes: object) -> str:
    """The token in the forms of the page as this visitor gets it; empty if it has no form."""
    page = routes.respond(ask("/perfkit/actions", **changes))
    assert page is not None
    found = re.search(rb'name="token" value="([0-9a-f]{64})"', page.body)
    return found[1].decode() if found else ""


def submit(
    routes: Routes,
    what: str = "service-drain",
    *,
    token: str | None = None,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    kind: str = FORM,
    raw: bytes | None = None,
    **fields: object,
) -> Response | None:
    """What our form, filled in with *fields*, is answered."""
    given = page_token(routes) if token is None else token
    body = urlencode({"do": what, "token": given, **fields}).encode() if raw is None else raw
    sent = {"content-type": kind, "content-length": str(len(body)), **(OURS if headers is None else headers)}
    request = ask("/perfkit/act", method=method, headers=sent)
    return routes.respond(request, lambda length: body[:length])


@pytest.fixture
def service() -> Service:
    return Service("development")


@pytest.fixture
def routes(service: Service) -> Routes:
    return Routes(service)


def status(response: Response | None) -> int | None:
    return None if response is None else response.status


@pytest.mark.parametrize("what", ACTIONS)
def test_a_form_of_our_own_page_acts_and_leads_back(what: str, service: Service, routes: Routes) -> None:
    fields = {name: "7200" if name == "seconds" else "shop" for name in ACTIONS[what].fields}
    answer = submit(routes, what, back="routes?sort=p95", **fields)
    assert answer is not None
    assert (answer.status, header(answer, "location")) == (303, "./routes?sort=p95&done=000000000001")
    assert [each[0] for each in service.acted] == [what]
    assert {name: str(value) for name, value in service.acted[0][1].items()} == fields
    assert service.acted[0][2] == "127.0.0.1 (this very machine, in development)"


@pytest.mark.parametrize("what", ACTIONS)
@pytest.mark.parametrize(
    "attack",
    [
        "no origin", "cross-site", "same-site", "none", "foreign origin", "null origin", "other port", "no token",
        "empty token", "made-up token", "token of the day before yesterday", "token of tomorrow", "other mount",
        "other root", "token of another secret", "two tokens", "GET", "HEAD", "PUT", "DELETE", "json", "multipart",
        "text", "too long", "no length", "in the query",
    ],
)  # fmt: skip
def test_no_attack_acts(what: str, attack: str, service: Service) -> None:
    routes = Routes(service)
    answer = _attacked(attack, what, service, routes)
    assert status(answer) in (None, 400, 403, 405)
    assert not service.acted


def _attacked(attack: str, what: str, service: Service, routes: Routes) -> Response | None:
    sites = {"cross-site": "cross-site", "same-site": "same-site", "none": "none"}
    origins = {"foreign origin": "http://evil.com", "null origin": "null", "other port": "http://localhost:9000"}
    if attack == "no origin":
        return submit(routes, what, headers={})
    if attack in sites:
        return submit(routes, what, headers={**OURS, "sec-fetch-site": sites[attack], "sec-fetch-mode": "navigate"})
    if attack in origins:
        return submit(routes, what, headers={"origin": origins[attack]})
    if attack in ("no token", "empty token"):
        return submit(routes, what, token="") if attack == "empty token" else submit(routes, raw=f"do={what}".encode())
    if attack == "made-up token":
        return submit(routes, what, token="0" * 64)
    if attack.startswith("token of"):
        return submit(routes, what, token=_token_of(attack, service))
    if attack == "other mount":
        return submit(
            routes, what, token=page_token_of(Service("development", http=HttpSettings(dashboard_path="/x")), "/x")
        )
    if attack == "other root":
        return submit(routes, what, token=page_token(routes, root_path="/other"))
    if attack == "two tokens":
        token = page_token(routes)
        return submit(routes, raw=f"do={what}&token={token}&token={token}".encode())
    if attack in ("GET", "HEAD", "PUT", "DELETE"):
        return submit(routes, what, method=attack)
    kinds = {"json": "application/json", "multipart": "multipart/form-data; boundary=x", "text": "text/plain"}
    if attack in kinds:
        return submit(routes, what, kind=kinds[attack])
    if attack == "too long":
        return submit(
            routes, raw=urlencode({"do": what, "token": page_token(routes), "x": "x" * LONGEST_FORM}).encode()
        )
    query = urlencode({"do": what, "token": page_token(routes)})
    sent = {"content-type": FORM, **OURS}
    asked = ask("/perfkit/act", query if attack == "in the query" else "", method="POST", headers=sent)
    return routes.respond(asked, lambda length: query.encode()[:length])


def _token_of(attack: str, service: Service) -> str:
    other = Service("development")
    if attack == "token of another secret":
        other.token = "another-token-of-another-service"
    else:
        other.clock.advance(2 * DAY if attack == "token of tomorrow" else 0.0)
        if attack == "token of the day before yesterday":
            service.clock.advance(2 * DAY)
    return page_token(Routes(other))


def page_token_of(service: Service, mount: str) -> str:
    page = Routes(service).respond(ask(f"{mount}/actions"))
    assert page is not None
    found = re.search(rb'name="token" value="([0-9a-f]{64})"', page.body)
    assert found
    return found[1].decode()


@pytest.mark.parametrize("visitor", STRANGERS)
@pytest.mark.parametrize("environment", ["production", "testing"])
def test_a_stranger_who_knows_the_form_token_gets_the_app_s_own_answer_and_its_body_is_not_read(
    visitor: str, environment: str
) -> None:
    service = Service(environment, access=AccessSettings(actions=True))
    routes = Routes(service)
    page = routes.respond(stranger("/perfkit/actions", headers=bearer()))
    assert page is not None
    token = re.search(rb'name="token" value="([0-9a-f]{64})"', page.body)
    assert token
    body = urlencode({"do": "service-drain", "token": token[1].decode()}).encode()
    details = dict(STRANGERS[visitor])
    headers = {"host": "shop.example", "content-type": FORM, "content-length": str(len(body)), **OURS}
    details["headers"] = headers | dict(details.get("headers", {}))  # type: ignore[call-overload]  # the table's values

    def read(length: int) -> bytes:
        raise AssertionError("the body belongs to the app")

    request = stranger("/perfkit/act", method="POST", **details)  # type: ignore[arg-type]  # as above
    assert routes.respond(request, read) is None
    assert not service.acted


@pytest.mark.parametrize("host", ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com", ""])
def test_a_rebound_name_does_nothing(host: str, service: Service, routes: Routes) -> None:
    assert submit(routes, headers={"host": host, "sec-fetch-site": "same-origin", "origin": f"http://{host}"}) is None
    assert not service.acted


def test_a_forwarded_loopback_does_nothing(service: Service, routes: Routes) -> None:
    assert submit(routes, headers={**OURS, "x-forwarded-for": "203.0.113.7"}) is None
    assert not service.acted


def test_in_production_there_are_no_actions_unless_they_are_wanted() -> None:
    closed = Routes(Service("production"))
    assert "/perfkit/act" not in closed.paths
    page = closed.respond(stranger("/perfkit/actions", headers=bearer()))
    assert page is not None
    assert b'<form class="act"' not in page.body
    assert b"access.actions" in page.body
    assert "/perfkit/act" in Routes(Service("production", access=AccessSettings(actions=True))).paths
    assert "/perfkit/act" not in Routes(Service("development", access=AccessSettings(actions=False))).paths


@pytest.mark.parametrize(("answer", "may_act"), [("read", False), ("act", True), (True, True)])
def test_an_access_function_says_who_may_act(answer: object, may_act: bool) -> None:
    service = Service("production", access=AccessSettings(access=lambda request: answer, actions=True))  # type: ignore[arg-type,return-value]  # one of its answers
    routes = Routes(service)
    token = page_token(routes)
    assert bool(token) is may_act
    allowed = page_token(
        Routes(Service("production", access=AccessSettings(access=lambda request: True, actions=True)))
    )
    assert status(submit(routes, token=allowed)) == (303 if may_act else 403)
    assert bool(service.acted) is may_act


@pytest.mark.parametrize("answer", ["yes", "write", "ACT", b"act", ["act"], 1])
def test_no_other_word_of_an_access_function_opens(answer: object) -> None:
    service = Service("production", access=AccessSettings(access=lambda request: answer, actions=True))  # type: ignore[arg-type,return-value]  # on purpose
    assert Routes(service).respond(ask("/perfkit/")) is None


def test_a_cookie_s_token_is_of_no_use_to_the_bearer_of_another_cookie() -> None:
    service = Service("production", access=AccessSettings(actions=True))
    routes = Routes(service)

    def cookie() -> str:
        door = routes.respond(stranger("/perfkit/", f"t={TOKEN}"))
        assert door is not None
        return (header(door, "set-cookie") or "").split(";")[0]

    first = cookie()
    service.clock.advance(5.0)
    second = cookie()
    assert first != second
    tokens = []
    for each in (first, second):
        page = routes.respond(stranger("/perfkit/actions", headers={"cookie": each}))
        assert page is not None
        tokens.append((re.search(rb'name="token" value="([0-9a-f]{64})"', page.body) or [b"", b""])[1].decode())
    assert tokens[0] != tokens[1]
    for token, expected in zip(tokens, (303, 403), strict=True):
        body = urlencode({"do": "service-drain", "token": token}).encode()
        sent = {
            "content-type": FORM,
            "content-length": str(len(body)),
            "cookie": first,
            "sec-fetch-site": "same-origin",
        }
        request = stranger("/perfkit/act", method="POST", headers=sent)
        assert status(routes.respond(request, lambda length, body=body: body)) == expected  # type: ignore[misc]  # bound now


def test_a_form_loaded_before_midnight_still_acts_after_it(service: Service, routes: Routes) -> None:
    token = page_token(routes)
    service.clock.advance(DAY)
    assert status(submit(routes, token=token)) == 303


def test_where_the_browser_sends_no_fetch_metadata_the_origin_decides() -> None:
    assert is_same_origin({"origin": "http://shop.example:8000", "host": "Shop.example:8000"})
    assert is_same_origin({"origin": "https://shop.example", "host": "shop.example"})
    for origin in (
        "",
        "null",
        "http://shop.example.evil.com",
        "http://evil.com#shop.example",
        "http://[",
        "shop.example",
    ):
        assert not is_same_origin({"origin": origin, "host": "shop.example"})
    assert not is_same_origin({"origin": "", "host": ""})
    assert not is_same_origin({"origin": "http://shop.example", "host": "shop.example", "sec-fetch-site": "cross-site"})


def test_a_script_gets_json(service: Service, routes: Routes) -> None:
    answer = submit(routes, headers={**OURS, "x-perfkit-action": "1"})
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["result"]) == (200, "Did service-drain.")


@pytest.mark.parametrize(
    ("back", "location"),
    [
        ("", "./?"), ("routes", "./routes?"), ("routes?q=a%26b&done=aaaaaaaaaaaa", "./routes?q=a%26b&"),
        ("//evil.com", "./?"), ("http://evil.com/", "./?"), ("../../admin", "./?"), ("javascript:alert(1)", "./?"),
        ("routes?x=\r\nSet-Cookie: a=b", "./routes?x=%0D%0ASet-Cookie%3A%20a=b&"), ("act", "./?"),
        ("x" * 100_000, "./?"),
    ],
)  # fmt: skip
def test_the_way_back_leads_to_a_page_of_ours_and_nowhere_else(back: str, location: str, routes: Routes) -> None:
    answer = submit(routes, back=back[:6000])
    assert answer is not None
    assert header(answer, "location") == f"{location}done=000000000001"


def test_the_page_says_what_was_done(service: Service, routes: Routes) -> None:
    submit(routes)
    page = routes.respond(ask("/perfkit/routes", "done=000000000001"))
    assert page is not None
    assert b"Did service-drain." in page.body
    for query in ("done=000000000002", "done=<script>", "done=" + "0" * 13, "xdone=000000000001"):
        other = routes.respond(ask("/perfkit/routes", query))
        assert other is not None
        assert b"Did service-drain." not in other.body


def test_ids_that_are_unknown_are_looked_up_as_seldom_as_a_page_is_computed(service: Service, routes: Routes) -> None:
    looked_up = []

    class Noting(dict[str, Done]):
        def get(self, name: str, default: object = None) -> None:  # type: ignore[override]
            looked_up.append(name)

    service.done = Noting()
    for number in range(100):
        assert routes.respond(ask("/perfkit/", f"done={number:012x}")) is not None
    assert 0 < len(looked_up) <= API_RATE


def test_actions_have_a_rate_and_unknown_ones_do_nothing(service: Service, routes: Routes) -> None:
    token = page_token(routes)
    assert status(submit(routes, "os.system", token=token)) == 400
    told = [status(submit(routes, token=token)) for _ in range(RATE + 2)]
    assert told == [303] * RATE + [429] * 2
    service.clock.advance(11.0)
    assert status(submit(routes, token=token)) == 303


def test_what_a_form_says_is_within_its_bounds(service: Service, routes: Routes) -> None:
    submit(routes, "alert-silence", rule="x" * 5000, seconds="999999999", more="nothing")
    ((what, said, _),) = service.acted
    assert what == "alert-silence"
    assert said == {"rule": "x" * 200, "seconds": 604_800}


@pytest.mark.anyio
async def test_the_async_shell_acts_as_the_other_one(service: Service, routes: Routes) -> None:
    body = urlencode({"do": "service-drain", "token": page_token(routes)}).encode()
    sent = {"content-type": FORM, "content-length": str(len(body)), **OURS}

    async def read(length: int) -> bytes:
        return body[:length]

    request = ask("/perfkit/act", method="POST", headers=sent)
    assert status(await routes.arespond(request, read)) == 303
    assert status(
        await routes.arespond(
            msgspec.structs.replace(
                request, headers={**request.headers, **{"origin": "x", "sec-fetch-site": "cross-site"}}
            ),
            read,
        )
    ) in (None, 403)
    assert len(service.acted) == 1


def test_no_form_token_stands_in_any_json(routes: Routes) -> None:
    token = page_token(routes)
    for path in sorted(routes.paths):
        if "/api/" in path:
            answer = routes.respond(ask(path))
            assert answer is not None
            assert token.encode() not in answer.body


def test_the_request_is_what_it_was(routes: Routes) -> None:
    request = Request(method="POST", path="/elsewhere")
    assert routes.respond(request, lambda length: b"") is None

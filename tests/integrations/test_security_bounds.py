"""Every parameter of every path, told or made up, with values out of all bounds: refused or bounded, never a fault.

The paths come from the table that answers, the parameters from its OpenAPI document and from the pages and actions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from doors import ADAPTERS, FORM, opened

from perfkit.core.message import Request, Response
from perfkit.core.names import ERRORS
from perfkit.dashboard import ACTIONS, PAGES
from perfkit.http.dashboard.actions import LONGEST_FORM
from perfkit.http.dashboard.kept import MOST_VIEWS
from perfkit.http.front import Front
from perfkit.http.openapi.document import document
from perfkit.http.routes import Routes
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock

TOKEN = "a-token-for-the-bounds-of-all-of-it"
BEARER = {"authorization": f"Bearer {TOKEN}"}
SETTINGS: dict[str, Any] = {
    "access": {"token": TOKEN, "actions": True},
    "http": {"load_path": "/load"},
    "database": {"capture": False},
    "load_balancer": {"outbound": False},
}
NUMBERS = count()

NASTY = {
    "empty": "",
    "a space": " ",
    "far too long": "x" * 20_000,
    "negative": "-1",
    "plus": "+1",
    "nan": "nan",
    "inf": "inf",
    "minus inf": "-inf",
    "huge": "9" * 4_500,
    "huge exponent": "1e308",
    "exponent": "1e9999",
    "a fraction": "0.5",
    "underscores": "1_0",
    "hexadecimal": "0x10",
    "arabic digits": "\u0661\u0662\u0663",
    "superscript": "\u00b2",
    "fullwidth": "\uff11\uff10",
    "null byte": "a\x00b",
    "line ends": "a\r\nSet-Cookie: x=1",
    "markup": "'\"><script>alert(1)</script>",
    "a template": "{{7*7}}${7*7}%(x)s{0}",
    "sql": "' OR 1=1; DROP TABLE x --",
    "a path": "../../../../etc/passwd",
    "a pattern": "(a+)+$" * 20,
    "globs": "*" * 500 + "?[",
    "right to left": "\u202e\u2066abc",
    "an astral": "\U0001f4a3" * 200,
    "a list": "[1,2]",
    "json": '{"a":1}',
    "true": "true",
    "an id": "0123456789abcdef",
}
RAW = [
    "%",
    "%zz",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "&" * 5_000,
    "=" * 5_000,
    "a=1&" * 5_000,
    ";" * 100,
    "?" * 100,
    "\udcff",
]
"""Queries as no form would send them."""


class Asked:
    """A service that is asked in process, a second after each other."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        settings = {**SETTINGS, "service": f"bounds-{next(NUMBERS)}"}
        self.system = PerformanceSystem(settings, environment="production", clock=self.clock)
        self.routes = Routes(Front(self.system))

    def get(self, path: str, query: str = "", headers: dict[str, str] | None = None) -> Response:
        self.clock.advance(1.0)
        request = Request(
            method="GET", path=path, query=query, headers={**BEARER, **(headers or {})}, peer="203.0.113.9"
        )
        answer = self.routes.respond(request)
        assert answer is not None, (path, query[:200])
        return answer

    def no_fault(self) -> None:
        """Nothing of ours went wrong: neither answered with 500 nor only counted."""
        families = {family.definition.name for family in self.system.store.families()}
        assert ERRORS.name not in families


@pytest.fixture(scope="module")
def service() -> Iterator[Asked]:
    asked = Asked()
    with asked.system:
        yield asked


def parameters(system: PerformanceSystem) -> dict[str, set[str]]:
    """By path the parameters that it takes: those of the OpenAPI document, of the pages, and those of all."""
    told = document(system.config)["paths"]
    found = {path: {"t", "live", "done", "tag", "name[]", "nothing"} for path in Routes(Front(system)).paths}
    for path, methods in told.items():
        found[path] |= {each["name"] for each in methods.get("get", {}).get("parameters", ()) if each["in"] == "query"}
    for entry in PAGES:
        found[entry.path("/perfkit")] |= set(entry.load().parameters)
    return found


@pytest.mark.parametrize("nasty", NASTY)
def test_no_value_of_any_parameter_of_any_path_is_too_much(service: Asked, nasty: str) -> None:
    value, turn = NASTY[nasty], list(NASTY).index(nasty)
    for path, names in parameters(service.system).items():
        if "GET" not in service.routes._table[path].methods or "/static/" in path:
            continue
        some = sorted(names)[turn % len(names)]
        # All at once, each in front once as a query is cut; then one of them alone, and again and again.
        turned = sorted(names - {"t"})[turn % len(names) :] + sorted(names - {"t"})[: turn % len(names)]
        asked = [[(name, value) for name in turned], [(some, value)], [(some, value)] * 30]
        for pairs in asked if turn % 3 == 0 else asked[:1]:
            answer = service.get(path, urlencode(pairs))
            assert_bounded(answer, path, pairs[0][0])
    service.no_fault()


def assert_bounded(answer: Response, path: str, what: str) -> None:
    allowed = (200, 303, 308, 400, 404, *((503,) if path.startswith("/health") else ()))
    assert answer.status in allowed, (path, what, answer.status, answer.body[:200])
    said = dict(answer.headers)
    assert not any(character in text for text in said.values() for character in "\r\n\0")
    assert b"<script>alert" not in answer.body or said["content-type"].startswith("text/plain"), (path, what)
    assert len(answer.body) < 2_000_000


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: repr(raw[:12]))
def test_no_query_is_too_broken(service: Asked, raw: str) -> None:
    for path, route in service.routes._table.items():
        if "GET" in route.methods and "/static/" not in path:
            for query in (raw, f"range=1h&{raw}&limit=5"):
                assert_bounded(service.get(path, query), path, query[:20])
    service.no_fault()


HEADERS = ("accept", "accept-encoding", "if-none-match", "cookie", "host", "origin", "content-length", "content-type")


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_of_any_path_is_too_much(service: Asked, header: str) -> None:
    values = [
        *NASTY.values(),
        ",".join(["a/b;q=0.1"] * 5_000),
        "gzip;q=" + "1" * 4_000,
        'W/"' + "x" * 9_000,
        "\udcff\xff",
    ]
    for number, path in enumerate(sorted(service.routes.paths)):
        if "GET" in service.routes._table[path].methods:
            for value in values[number % 12 :: 12]:
                answer = service.get(path, headers={header: value})
                assert answer.status in (200, 304, 308, 400, 404, 503), (path, value[:50], answer.status)
    service.no_fault()


def test_views_of_made_up_parameters_are_few(service: Asked) -> None:
    pages = service.routes._pages
    for number in range(500):
        request = Request(
            method="GET", path="/perfkit/routes", query=f"q=x{number}", headers=BEARER, peer=f"10.0.0.{number // 4}"
        )
        answer = service.routes.respond(request)
        assert answer is not None
        assert answer.status == 200
    assert len(pages._views) == MOST_VIEWS


@pytest.mark.parametrize("what", ACTIONS)
def test_no_value_of_any_field_of_an_action_is_too_much(service: Asked, what: str) -> None:
    service.clock.advance(5.0)
    page = service.get("/perfkit/actions").body.decode()
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert found
    for name in (*ACTIONS[what].fields, "back", "do", "x"):
        for nasty, value in list(NASTY.items())[len(what + name) % 3 :: 3]:
            service.clock.advance(2.0)
            fields = {"do": what, "token": found[1], **dict.fromkeys(ACTIONS[what].fields, "shop"), name: value}
            body = urlencode(fields).encode()
            headers = {
                **BEARER,
                "content-type": FORM,
                "content-length": str(len(body)),
                "sec-fetch-site": "same-origin",
            }
            request = Request(method="POST", path="/perfkit/act", headers=headers, peer="203.0.113.9")
            answer = service.routes.respond(request, lambda length, body=body: body[:length])  # type: ignore[misc]  # bound now
            assert answer is not None
            allowed = (400, 403) if len(body) > LONGEST_FORM else (303, 400)
            assert answer.status in allowed, (name, nasty, answer.status, answer.body[:200])
            location = dict(answer.headers).get("location", "./")
            assert re.match(r"\./[a-z]*(\?[!-~]*)?\Z", location), location
    done = service.get("/perfkit/api/actions").body
    assert len(done) < 1_000_000
    service.no_fault()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_through_each_adapter_the_same_is_no_fault(adapter: str) -> None:
    asked = Asked()
    with asked.system, opened(adapter, asked.system) as door:
        pairs = [(path, name) for path, names in parameters(asked.system).items() for name in sorted(names)]
        values = [quote(value, safe="", errors="surrogatepass") for value in NASTY.values()]
        own = list(ADAPTERS).index(adapter) % 3  # each pair by two adapters; all of them without one, above
        for number, (path, name) in list(enumerate(pairs))[own::3]:
            if "GET" not in asked.routes._table[path].methods or "/static/" in path:
                continue
            asked.clock.advance(1.0)
            answer = door.ask("GET", f"{path}?{quote(name)}={values[number % len(values)]}", BEARER)
            assert answer.status in (200, 303, 308, 400, 404, 503), (path, name, answer.status)
        asked.no_fault()

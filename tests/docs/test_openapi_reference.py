"""The OpenAPI document is valid, is that of the code, tells of every path, and every real answer is as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema
import msgspec
import pytest
from doc_pages import ROOT
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from perfkit import PerformanceSystem
from perfkit.dashboard import ACTIONS, PAGES
from perfkit.http.front import Front
from perfkit.http.openapi.__main__ import EVERYTHING
from perfkit.http.openapi.document import encoded
from perfkit.http.routes import Routes
from perfkit.testing import FakeClock
from perfkit_asgi import PerfkitMiddleware

TOKEN = "a-token-for-the-openapi-document"
BEARER = {"authorization": f"Bearer {TOKEN}"}
COMMAND = "python -m perfkit.http.openapi > docs/reference/openapi.json"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(encoded(EVERYTHING))
    return made


def test_the_published_document_is_made_from_the_code_as_it_is() -> None:
    assert (ROOT / "docs/reference/openapi.json").read_bytes() == encoded(EVERYTHING), f"run: {COMMAND}"


def test_the_document_is_valid(told: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(told).iter_errors()] == []


def test_every_path_that_is_no_page_is_told_and_nothing_else(told: dict[str, Any]) -> None:
    routes = Routes(Front(PerformanceSystem(EVERYTHING)))
    pages = {"/perfkit", *(entry.path("/perfkit") for entry in PAGES)}
    assert set(told["paths"]) == {path for path in routes.paths if "/static/" not in path} - pages
    methods = {path: {method.upper() for method in told["paths"][path]} for path in told["paths"]}
    assert methods == {path: set(routes._table[path].methods) - {"HEAD"} for path in told["paths"]}


def test_every_parameter_of_every_page_is_told(told: dict[str, Any]) -> None:
    for entry in PAGES:
        if entry.has_document:
            said = {
                each["name"] for each in told["paths"][entry.document_path("/perfkit")]["get"].get("parameters", ())
            }
            assert said == set(entry.load().parameters), entry.name


def test_every_action_is_told_with_its_fields(told: dict[str, Any]) -> None:
    form = told["paths"]["/perfkit/act"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    said = {each["title"]: set(each["properties"]) for each in form["schema"]["oneOf"]}
    assert said == {word: {"do", "token", "back", *action.fields} for word, action in ACTIONS.items()}


def test_the_document_of_a_service_has_its_own_paths_alone() -> None:
    settings = {
        "http": {"prefix": "/internal", "dashboard_path": "/dash", "metrics_path": None},
        "recorder": {"enabled": False},
    }
    own = json.loads(encoded(PerformanceSystem(settings, environment="production").config))
    assert "/internal/dash/api/overview" in own["paths"]
    assert not {path for path in own["paths"] if "metrics" in path or "request" in path or path.endswith("/act")}
    assert own["servers"][0]["url"] == "../../.."
    assert OpenAPIV31SpecValidator(own).is_valid()


def closed(schema: Any) -> Any:
    """The schema with no room for a field that it does not name: so a new field cannot stay untold."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(each) for name, each in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object" and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


def check(told: dict[str, Any], path: str, method: str, answer: Any) -> str:
    """Hold a real answer against what the document says of it; return its status and media type."""
    operation = told["paths"][path][method]
    responses = operation["responses"]
    assert str(answer.status_code) in responses, (path, answer.status_code, answer.text[:300])
    said = responses[str(answer.status_code)]
    if "$ref" in said:
        said = told["components"]["responses"][said["$ref"].rpartition("/")[2]]
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if not answer.content:
        return f"{answer.status_code}"
    assert kind in said["content"], (path, kind, answer.text[:300])
    if kind == "application/json":
        whole = {**closed(said["content"][kind]["schema"]), "components": closed(told["components"])}
        errors = jsonschema.Draft202012Validator(whole).iter_errors(answer.json())
        told_wrong = [f"{'/'.join(map(str, each.absolute_path))}: {each.message[:300]}" for each in errors]
        assert not told_wrong, (path, told_wrong[:5])
    return f"{answer.status_code} {kind}"


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A service with something to tell in every part of it."""

    async def product(request: Request) -> Response:
        request.state.perfkit.cache.set("greeting", "hello", tags=["words"])
        request.state.perfkit.cache.get("greeting")
        return PlainTextResponse("ok")

    async def failing(request: Request) -> Response:
        raise ValueError("out of stock")

    clock = FakeClock()
    system = PerformanceSystem(
        {
            "service": "shop",
            "release": "2.8.1",
            "access": {"token": TOKEN},
            "http": {"load_path": "/load"},
            "recorder": {"errors": 50, "slowest": 50},
            "alerts": {
                "rules": {"busy": {"metric": "http.server.active_requests", "above": 0}},
                "slos": {"checkout": {"objective": 0.999}},
            },
        },
        environment="testing",
        clock=clock,
    )
    app = Starlette(routes=[Route("/products/{number}", product), Route("/failing", failing)])
    app.add_middleware(PerfkitMiddleware, system=system)
    with system, TestClient(app, follow_redirects=False, raise_server_exceptions=False) as client:
        client.clock = clock  # type: ignore[attr-defined]  # for `paced`
        fill(system)
        for number in range(30):
            client.get(f"/products/{number}?q={number}")
        client.get("/failing")
        system.store.tick(system.clock.monotonic())
        yield client


def fill(system: PerformanceSystem) -> None:
    """Wake the components that sleep until they have something to do."""
    from sqlalchemy import create_engine, text

    engine = create_engine("sqlite://")
    system.initialize(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE product (id INTEGER PRIMARY KEY, sku TEXT)"))
        for number in range(20):
            connection.execute(text("SELECT * FROM product WHERE sku = :sku"), {"sku": str(number)})
    system.load_balancer.add_server("app-1", host="127.0.0.1", port=9)


def asked(told: dict[str, Any], path: str) -> Iterator[str]:
    """The queries that *path* is asked with: none, and each parameter with values in and out of its bounds."""
    yield ""
    for parameter in told["paths"][path]["get"].get("parameters", ()):
        if parameter["in"] == "query":
            for value in values(parameter["schema"]):
                yield urlencode({parameter["name"]: value}, quote_via=quote)


def values(schema: dict[str, Any]) -> list[str]:
    inner = schema.get("items", schema)
    most = inner.get("maxLength", 100)
    found = ["", "x" * (most + 1), "-1", "1", "5xx", "nan", "%00", "\u0663", "'\"><script>"]
    return [*inner.get("enum", ()), *(str(schema[end]) for end in ("minimum", "maximum") if end in schema), *found]


def test_every_answer_of_every_path_is_as_told(client: TestClient) -> None:
    own = client.get("/perfkit/api/openapi.json", headers=BEARER)
    told = own.json()
    assert (
        client.get("/perfkit/api/openapi.json", headers={**BEARER, "if-none-match": own.headers["etag"]}).status_code
        == 304
    )
    seen = set()
    for path in told["paths"]:
        for query in asked(told, path) if "get" in told["paths"][path] else ():
            answer = paced(client, f"{path}?{query}" if query else path)
            seen.add((path, check(told, path, "get", answer)))
    names = [each["id"] for each in paced(client, "/perfkit/api/requests").json()["requests"]]
    assert names
    for name in names[:5]:
        check(told, "/perfkit/api/request", "get", paced(client, f"/perfkit/api/request?id={name}"))
    for route in ("GET /products/{number}", "GET /failing"):
        answer = paced(client, f"/perfkit/api/route?{urlencode({'r': route, 'range': '24h'})}")
        check(told, "/perfkit/api/route", "get", answer)
        assert answer.json()["route"]["route"] == route.partition(" ")[2]
    assert {path for path, said in seen if said in ("200 application/json", "503 application/json")} >= {
        path for path, methods in told["paths"].items() if "get" in methods and path != "/perfkit/api/request"
    }
    assert ("/perfkit/api/requests", "400 text/plain") in seen


def paced(client: TestClient, path: str) -> Any:
    """The answer, as to one who asks once a second."""
    client.clock.advance(1.0)  # type: ignore[attr-defined]  # put there by the fixture
    return client.get(path, headers=BEARER)


def test_what_changes_something_answers_as_told(client: TestClient) -> None:
    import re

    told = client.get("/perfkit/api/openapi.json", headers=BEARER).json()
    page = client.get("/perfkit/actions", headers=BEARER).text
    token = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert token
    sent = {**BEARER, "sec-fetch-site": "same-origin"}
    found = set()
    for fields, headers in (
        ({"do": "service-drain"}, {**sent, "x-perfkit-action": "1"}),
        ({"do": "service-resume"}, sent),
        ({"do": "cache-clear", "namespace": "nowhere"}, {**sent, "x-perfkit-action": "1"}),
        ({"do": "nothing"}, sent),
        ({"do": "service-drain"}, BEARER),
    ):
        answer = client.post("/perfkit/act", data={"token": token[1], **fields}, headers=headers)
        found.add(check(told, "/perfkit/act", "post", answer).partition(" ")[0])
    assert found == {"200", "303", "400", "403", "409"}
    for method in ("post", "delete"):
        answer = client.request(method, "/health/drain", headers={**BEARER, "x-perfkit-command": "1"})
        assert check(told, "/health/drain", method, answer) == "202 application/json"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("text/html", 200),
        ("application/json", 200),
        ("application/json; version=1", 200),
        ('application/json;version="1", text/html', 200),
        ("application/json; version=2, application/json; version=1;q=0.1", 200),
        ("application/json; version=2, */*;q=0.1", 200),
        ("application/json; version=2", 406),
        ("application/json; version=2, text/html", 406),
        ("application/json; version=2, application/json; version=1;q=0", 406),
        ("APPLICATION/JSON; VERSION=2", 406),
    ],
)
def test_a_reader_may_insist_on_a_version(client: TestClient, accept: str, status: int) -> None:
    for path in ("/perfkit/api/overview", "/perfkit/api/requests"):
        answer = client.get(path, headers={**BEARER, "accept": accept})
        assert answer.status_code == status, path
        assert status == 200 or "version 1" in answer.text


def test_a_name_that_is_no_text_costs_no_document() -> None:
    from perfkit.core.message import json_bytes

    told = json.loads(json_bytes({"a\udcff": ["b\udcff", float("nan"), {1: object()}], "c": msgspec.Raw(b"1")}))
    assert told["a?"][:2] == ["b?", None]

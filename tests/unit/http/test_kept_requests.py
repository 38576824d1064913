"""Kept requests as JSON: filters with bounds, one by its id, strangers nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perfkit.config import PerformanceConfig
from perfkit.core.message import Response
from perfkit.dashboard.pages.requests import REQUESTS
from perfkit.http.openapi.operations import operations
from perfkit.http.openapi.schemas import Schemas
from perfkit.http.recording.answers import Wanted
from perfkit.http.routes import API_RATE, Routes
from perfkit.recorder import KeptExchange, KeptSpan, RecorderSettings
from tests.unit.http.visitors import Service, bearer, stranger

ID = "5c0ffee15c0ffee1"
SPANS = (
    KeptSpan(kind="sql", name="a", count=2, total=0.3, intervals=((0.0, 0.1), (0.1, 0.2))),
    KeptSpan(kind="sql", name="b", count=1, total=0.2, intervals=((0.2, 0.2),)),
)


def kept(name: str = ID, **changes: Any) -> KeptExchange:
    fields = {"at": 1.0, "seconds": 0.5, "reason": "slow", "method": "GET", "route": "/orders", "status": 200}
    return KeptExchange(id=name, **{**fields, "spans": SPANS, "span_count": 3, **changes})


def asked(service: Service, path: str, query: str = "", **headers: str) -> Response:
    response = Routes(service).respond(stranger(path, query, headers={**bearer(), **headers}))
    assert response is not None
    return response


def test_a_list_is_told_without_spans() -> None:
    service = Service()
    service.kept = (kept(), kept("0" * 16))
    document = json.loads(asked(service, "/perfkit/api/requests").body)
    assert document["version"] == 1
    first = document["requests"][0]
    assert (first["id"], first["route"], first["seconds"]) == (ID, "/orders", 0.5)
    assert first["kinds"] == {"sql": {"count": 3, "seconds": 0.4}}
    assert not {"spans", "headers", "exception"} & set(first)


def test_filters_reach_the_recorder() -> None:
    service = Service()
    asked(service, "/perfkit/api/requests", "route=GET+/orders&status=5xx&min_seconds=0.25&limit=7")
    asked(service, "/perfkit/api/requests", "reason=slow&max_seconds=1.5&from=1790000000.5&to=1790000060")
    assert service.wanted == [
        Wanted(route="GET /orders", status="5xx", min_seconds=0.25, limit=7),
        Wanted(reason="slow", max_seconds=1.5, since=1_790_000_000.5, until=1_790_000_060.0),
    ]


def test_the_list_has_all_filters_of_the_page() -> None:
    named = {"least": "min_seconds", "most": "max_seconds"}
    filters = {named.get(name, name) for name in REQUESTS.parameters}
    config = PerformanceConfig()
    described = next(each for each in operations(config, Schemas()) if each.name == "requests")
    assert {each["name"] for each in described.parameters} == filters | {"limit"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=1e3",
        "min_seconds=-1",
        "min_seconds=nan",
        "min_seconds=inf",
        "min_seconds=86401",
        "max_seconds=-1",
        "max_seconds=86401",
        "reason=fast",
        "from=yesterday",
        "to=-1",
        "status=20",
        "status=6xx",
        "status=200x",
        "route=" + "x" * 2000,
        "&".join(f"a{n}=1" for n in range(50)),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_a_sentence(query: str) -> None:
    service = Service()
    response = asked(service, "/perfkit/api/requests", query)
    assert response.status == 400
    assert response.body.endswith(b".\n")
    assert service.wanted == []


def test_one_is_told_whole() -> None:
    service = Service()
    service.kept = (kept(),)
    document = json.loads(asked(service, "/perfkit/api/request", f"id={ID}").body)
    assert document["request"]["spans"][0]["intervals"] == [[0.0, 0.1], [0.1, 0.2]]


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("id=", 400), ("id=../../x", 400), (f"id={ID.upper()}", 400), (f"id={ID}", 404)]
)
def test_one_that_is_not_there(query: str, status: int) -> None:
    assert asked(Service(), "/perfkit/api/request", query).status == status


@pytest.mark.parametrize("path", ["/perfkit/api/requests", "/perfkit/api/request"])
def test_strangers_get_nothing_and_nobody_too_much(path: str) -> None:
    service = Service()
    routes = Routes(service)
    assert routes.respond(stranger(path, f"id={ID}")) is None
    answers = [routes.respond(stranger(path, headers=bearer())) for _ in range(API_RATE + 1)]
    assert answers[-1] is not None
    assert answers[-1].status == 429


def test_a_long_list_is_compressed_for_who_takes_that() -> None:
    service = Service()
    service.kept = tuple(kept(f"{n:016x}") for n in range(100))
    plain = asked(service, "/perfkit/api/requests")
    packed = asked(service, "/perfkit/api/requests", **{"accept-encoding": "gzip"})
    assert dict(packed.headers)["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 5


def test_without_a_recorder_the_app_keeps_the_paths() -> None:
    service = Service()
    assert isinstance(service.config, PerformanceConfig)
    off = Service("production", recorder=RecorderSettings(enabled=False))
    assert "/perfkit/api/requests" in Routes(service).paths
    assert "/perfkit/api/requests" not in Routes(off).paths

"""What our paths answer."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import msgspec
import pytest

from perfkit.advice import rank
from perfkit.config import AccessSettings, HttpSettings
from perfkit.core.message import Response
from perfkit.core.status import Status
from perfkit.dashboard import PAGES as TABLE
from perfkit.dashboard import SECURITY_HEADERS, asset_url
from perfkit.health.settings import HealthSettings
from perfkit.http.routes import API_RATE, Routes
from perfkit.load_balancer import LoadBalancerSettings, LoadReport
from perfkit.load_balancer.reports.orca import parse
from perfkit.metrics.exposition import Escaping, Format
from perfkit.metrics.settings import MetricsSettings
from tests.unit.dashboard import samples
from tests.unit.dashboard.samples import check, health
from tests.unit.http.visitors import Service, ask, bearer, header, stranger

STYLE = "/perfkit/" + asset_url("style.css").removeprefix("./")
DASHBOARD = tuple(entry.path("/perfkit") for entry in TABLE)
DOCUMENTS = tuple(entry.document_path("/perfkit") for entry in TABLE)
PAGES = ("/perfkit", *DASHBOARD, *DOCUMENTS, STYLE, "/metrics", "/health")
PROBES = ("/health/live", "/health/ready", "/health/startup")


def insider(path: str, query: str = "", **changes: object) -> Response:
    """What the service answers to somebody with the token."""
    response = Routes(Service()).respond(
        stranger(path, query, **{**changes, "headers": bearer() | dict(changes.get("headers", {}))})  # type: ignore[call-overload]
    )
    assert response is not None
    return response


def told(response: Response | None) -> dict[str, object]:
    assert response is not None
    document: dict[str, object] = json.loads(response.body)
    return document


@pytest.mark.parametrize("path", [*PAGES, *PROBES])
def test_our_paths_match(path: str) -> None:
    assert path in Routes(Service()).paths


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/items",
        "/perfkitten",
        "/perfkit/x",
        "/perfkit/api/",
        "/perfkit/api/overview/",
        "/metrics/",
        "/health/",
        "/health/x",
    ],
)
def test_other_paths_do_not(path: str) -> None:
    routes = Routes(Service())
    assert path not in routes.paths
    assert routes.respond(ask(path, headers=bearer())) is None


def test_paths_below_a_prefix_and_of_other_names() -> None:
    http = HttpSettings(prefix="/internal", health_path="/healthz", dashboard_path="/ops/perf")
    routes = Routes(Service(http=http))
    for path in ("/internal/healthz", "/internal/healthz/live", "/internal/metrics", "/internal/ops/perf/"):
        assert routes.respond(stranger(path, headers=bearer())) is not None, path
    assert "/health" not in routes.paths
    page = routes.respond(stranger("/internal/ops/perf/", headers=bearer()))
    assert page is not None
    assert b"../../../internal/healthz" in page.body
    slash = routes.respond(stranger("/internal/ops/perf", headers=bearer()))
    assert slash is not None
    assert header(slash, "location") == "perf/"


def test_each_path_can_be_off() -> None:
    routes = Routes(Service(http=HttpSettings(health_path=None, metrics_path=None, dashboard_path=None)))
    assert not any(path in routes.paths for path in (*PAGES, *PROBES, "", "/", "/static/x.css"))


@pytest.mark.parametrize("path", [*PAGES, *PROBES])
def test_every_answer_has_the_security_headers_and_its_length(path: str) -> None:
    response = insider(path)
    guards = {name: value for name, value in SECURITY_HEADERS if name != "cache-control"}
    assert guards.items() <= dict(response.headers).items()
    assert header(response, "content-length") == str(len(response.body))
    kept = "immutable" in (header(response, "cache-control") or "")
    assert kept is (path == STYLE)
    assert all(name == name.lower() and value.isascii() for name, value in response.headers)


@pytest.mark.parametrize("path", [*PAGES, *PROBES])
@pytest.mark.parametrize("headers", [{}, {"accept-encoding": "gzip"}])
def test_head_is_get_without_the_body(path: str, headers: dict[str, str]) -> None:
    got, head = insider(path, headers=headers), insider(path, headers=headers, method="HEAD")
    assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X" * 100])
def test_other_methods_are_refused_to_the_allowed_and_on_health_to_all(method: str) -> None:
    for path in PAGES:
        response = insider(path, method=method)
        assert (response.status, header(response, "allow")) == (405, "GET, HEAD"), path
    for path in ("/health", *PROBES):
        public = Routes(Service()).respond(stranger(path, method=method))
        assert public is not None
        assert public.status == 405


@pytest.mark.parametrize(
    ("status", "code", "standard"),
    [
        (Status.HEALTHY, 200, "pass"),
        (Status.WARNING, 200, "warn"),
        (Status.UNKNOWN, 200, "pass"),
        (Status.CRITICAL, 503, "fail"),
    ],
)
def test_health_tells_strangers_the_word_alone(status: Status, code: int, standard: str) -> None:
    service = Service()
    service.feel(status)
    routes = Routes(service)
    plain = routes.respond(stranger("/health"))
    assert plain is not None
    assert (plain.status, told(plain)) == (code, {"status": status.value})
    assert header(plain, "cache-control") == "no-store"
    asked = routes.respond(stranger("/health", headers={"accept": "application/health+json"}))
    assert asked is not None
    assert (asked.status, told(asked)) == (code, {"status": standard})
    assert header(asked, "content-type") == "application/health+json"


def test_health_tells_the_allowed_each_check() -> None:
    document = told(insider("/health"))
    assert document["status"] == "healthy"
    assert document["release"] == "2.8.1"
    checks = document["checks"]
    assert isinstance(checks, list)
    assert [each["name"] for each in checks] == ["memory", "disk", "event_loop", "database"]
    assert checks[1]["value"] == 0.41


def test_health_json_has_the_draft_s_form() -> None:
    service = Service()
    service.health = health(
        check(
            "disk", Status.CRITICAL, "2 % is free.", value=0.02, unit="ratio", critical=True, checked_at=1_700_000_000.0
        ),
        check("new", Status.UNKNOWN, "not shown", value=None, checked_at=None),
    )
    request = stranger("/health", headers=bearer() | {"accept": "application/health+json"})
    document = told(Routes(service).respond(request))
    assert document["status"] == "fail"
    assert (document["serviceId"], document["releaseId"]) == ("shop", "2.8.1")
    checks = document["checks"]
    assert isinstance(checks, dict)
    assert checks["disk"] == [
        {
            "componentId": "disk",
            "status": "fail",
            "observedValue": 0.02,
            "observedUnit": "ratio",
            "time": "2023-11-14T22:13:20Z",
            "output": "2 % is free.",
        }
    ]
    assert checks["new"] == [{"componentId": "new", "status": "pass"}]
    assert checks["uptime"][0]["observedUnit"] == "seconds"


@pytest.mark.parametrize(
    ("accept", "is_standard"),
    [
        ("", False), ("*/*", False), ("application/json", False), ("application/*", False),
        ("application/health+json", True),
        ("application/health+json;q=0", False), ("application/health+json;q=0.5, application/json", False),
        ("application/json;q=0.5, Application/Health+JSON;q=0.6", True), ("application/health+json, */*;q=0.1", True),
        ("application/health+json;q=0.1, */*", False), ("application/health+json;q=oops", False),
        ("application/health+json;q=nan", False), ("text/html,application/health+json;q=0.9,*/*;q=0.8", True),
        ("a/b," * 100_000 + "application/health+json", False), (";;;,,,=;q", False),
    ],
)  # fmt: skip
def test_health_json_comes_where_it_is_liked_best(accept: str, is_standard: bool) -> None:
    response = insider("/health", headers={"accept": accept})
    assert (header(response, "content-type") == "application/health+json") is is_standard
    assert header(response, "vary") == "Accept"


@pytest.mark.parametrize(
    ("path", "state", "code", "word"),
    [
        ("/health/live", {}, 200, "healthy"),
        ("/health/live", {"is_live": False}, 503, "critical"),
        ("/health/live", {"is_ready": False, "is_draining": True, "is_started": False}, 200, "healthy"),
        ("/health/ready", {}, 200, "healthy"),
        ("/health/ready", {"is_ready": False, "is_draining": True}, 503, "critical"),
        ("/health/ready", {"is_ready": False, "is_started": False}, 503, "unknown"),
        ("/health/startup", {}, 200, "healthy"),
        ("/health/startup", {"is_started": False}, 503, "unknown"),
    ],
)
def test_probes_say_a_word_to_everyone(path: str, state: dict[str, bool], code: int, word: str) -> None:
    service = Service()
    service.feel(Status.WARNING, **state)
    for request in (stranger(path), stranger(path, headers=bearer())):
        response = Routes(service).respond(request)
        assert response is not None
        assert (response.status, told(response)) == (code, {"status": word})


def test_metrics_are_negotiated_and_filtered() -> None:
    service = Service()
    routes = Routes(service)
    for query, headers in (
        ("", {}),
        ("", {"accept": "application/openmetrics-text; version=1.0.0; escaping=dots"}),
        ("format=csv&name[]=up&name%5B%5D=down", {}),
        ("", {"accept": "image/png"}),
    ):
        response = routes.respond(stranger("/metrics", query, headers=bearer() | headers))
        assert response is not None
        assert response.status == 200
    assert service.exposed == [
        (Format.PROMETHEUS, None, Escaping.UNDERSCORES),
        (Format.OPENMETRICS, None, Escaping.DOTS),
        (Format.CSV, frozenset({"up", "down"}), Escaping.UNDERSCORES),
        (Format.PROMETHEUS, None, Escaping.UNDERSCORES),
    ]


def test_an_unknown_format_is_answered_with_the_four() -> None:
    response = insider("/metrics", "format=xml")
    assert response.status == 400
    for name in Format:
        assert name.value in response.body.decode()


def test_metrics_are_compressed_for_who_wants_it() -> None:
    plain, small = insider("/metrics"), insider("/metrics", headers={"accept-encoding": "br;q=1, gzip;q=0.5"})
    assert header(small, "content-encoding") == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert header(small, "vary") == header(plain, "vary") == "Accept, Accept-Encoding"
    assert header(insider("/metrics", headers={"accept-encoding": "gzip;q=0"}), "content-encoding") is None


def test_the_dashboard_without_a_slash_redirects_relatively() -> None:
    response = insider("/perfkit", "live=5", root_path="/shop")
    assert (response.status, header(response, "location")) == (308, "perfkit/?live=5")


def test_the_page_shows_the_service_and_may_be_live() -> None:
    page = insider("/perfkit/")
    assert header(page, "content-type") == "text/html; charset=utf-8"
    assert b"shop" in page.body
    assert insider("/perfkit/", "live=5").body != page.body


def test_the_page_names_its_own_address_as_the_visitor_reached_it() -> None:
    service = Service()
    service.performance = samples.young(0)
    page = Routes(service).respond(stranger("/perfkit/", headers=bearer(), root_path="/root", scheme="https"))
    assert page is not None
    assert b"https://shop.example/root/" in page.body


def test_pages_and_json_are_compressed_for_who_wants_it() -> None:
    for path in ("/perfkit/", "/perfkit/api/overview"):
        plain, small = insider(path), insider(path, headers={"accept-encoding": "gzip"})
        assert header(small, "content-encoding") == "gzip"
        assert gzip.decompress(small.body) == plain.body
        assert header(small, "etag") == header(plain, "etag")
        assert header(small, "vary") == "Accept-Encoding"


def test_a_hostile_host_is_not_repeated() -> None:
    host = '"><script>alert(1)</script>'
    assert host.encode() not in insider("/perfkit/", headers={"host": host}).body
    assert b"alert(1)" not in insider("/perfkit/", headers={"host": host}).body


def test_the_json_has_a_version_and_all_parts() -> None:
    document = told(insider("/perfkit/api/overview"))
    assert document["version"] == 1
    assert {"verdict", "performance", "health", "service", "at"} <= document.keys()


def test_the_json_has_the_score_and_all_recommendations_in_the_order_of_the_page() -> None:
    service = Service()
    shown = samples.STATES_BY_NAME["advised"]
    service.overview_data = lambda: shown  # type: ignore[method-assign]  # another state than the service's own
    document: Any = told(Routes(service).respond(stranger("/perfkit/api/overview", headers=bearer())))
    assert document["score"]["value"] == 66
    assert sum(part["points"] for part in document["score"]["parts"]) == 66
    assert [each["fingerprint"] for each in document["recommendations"]] == [
        each.fingerprint for each in shown.recommendations
    ]
    assert document["recommendations"][0]["fix"]["django"].endswith('prefetch_related("review_set")[:200]')
    assert document["database"]["top"][0]["callers"][0]["site"] == "shop/views/products.py:30"
    assert (document["cache"]["hit_ratio"], document["load_balancer"]["healthy"]) == (0.64, 1)


def test_evidence_that_is_no_json_does_not_take_the_json_away() -> None:
    service = Service()
    odd = msgspec.structs.replace(
        samples.SHORT, evidence={"type": object, "file": "shop/\udcff.py", "nan": float("nan")}
    )
    shown = msgspec.structs.replace(samples.STATES_BY_NAME["healthy"], recommendations=tuple(rank([odd])))
    service.overview_data = lambda: shown  # type: ignore[method-assign]  # as above
    document: Any = told(Routes(service).respond(stranger("/perfkit/api/overview", headers=bearer())))
    assert document["recommendations"][0]["evidence"] == {"type": "<class 'object'>", "file": "shop/?.py", "nan": None}


def test_unchanged_json_is_not_sent_again() -> None:
    routes = Routes(Service())
    path = "/perfkit/api/overview"
    first = routes.respond(stranger(path, headers=bearer()))
    assert first is not None
    tag = header(first, "etag")
    assert tag is not None
    for given in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = routes.respond(stranger(path, headers=bearer() | {"if-none-match": given}))
        assert again is not None
        assert (again.status, again.body, header(again, "etag")) == (304, b"", tag)
    other = routes.respond(stranger(path, headers=bearer() | {"if-none-match": '"other"'}))
    assert other is not None
    assert other.status == 200


def test_the_overview_is_computed_once_a_second_for_all() -> None:
    service = Service()
    routes = Routes(service)
    for number in range(50):
        routes.respond(stranger("/perfkit/", peer=f"10.0.0.{number}", headers=bearer()))
        routes.respond(stranger("/perfkit/api/overview", peer=f"10.0.0.{number}", headers=bearer()))
    assert service.computed == 1
    service.clock.advance(1.1)
    routes.respond(stranger("/perfkit/", headers=bearer()))
    assert service.computed == 2


def test_while_one_thread_computes_the_others_get_what_was() -> None:
    service = Service()
    routes = Routes(service)
    request = stranger("/perfkit/api/overview", headers=bearer())
    first = routes.respond(request)
    service.clock.advance(2.0)
    is_inside, may_end = threading.Event(), threading.Event()
    compute = service.overview_data

    def slow() -> object:
        is_inside.set()
        assert may_end.wait(90)
        return compute()

    routes._pages._compute = slow  # type: ignore[assignment]  # the moment in between cannot be reached otherwise
    thread = threading.Thread(target=routes.respond, args=(request,))
    thread.start()
    assert is_inside.wait(90)
    assert routes.respond(request) == first
    may_end.set()
    thread.join(90)
    assert service.computed == 2


def test_the_api_answers_a_peer_twenty_times_a_second() -> None:
    service = Service()
    routes = Routes(service)
    request = stranger("/perfkit/api/overview", headers=bearer())
    answers = [routes.respond(request) for _ in range(API_RATE + 1)]
    assert [each.status for each in answers if each is not None] == [200] * API_RATE + [429]
    assert answers[-1] is not None
    assert header(answers[-1], "retry-after") == "1"
    other = routes.respond(stranger("/perfkit/api/overview", peer="203.0.113.5", headers=bearer()))
    assert other is not None
    assert other.status == 200
    service.clock.advance(1.0)
    later = routes.respond(request)
    assert later is not None
    assert later.status == 200


def test_assets_are_served_by_their_hash_only() -> None:
    assert header(insider(STYLE), "content-type") == "text/css; charset=utf-8"
    routes = Routes(Service())
    for name in (
        "style.css",
        "style-0123456789abcdef.css",
        "",
        "../headers.py",
        "%2e%2e/headers.py",
        "x" * 10_000,
        "\x00",
    ):
        assert routes.respond(stranger(f"/perfkit/static/{name}", headers=bearer())) is None


def test_a_token_that_comes_with_the_start_is_taken_up() -> None:
    service = Service()
    service.token = ""
    routes = Routes(service)
    assert routes.respond(stranger(headers=bearer())) is None
    service.token = "correct-horse-battery-staple"
    assert routes.respond(stranger(headers=bearer())) is not None


@pytest.mark.parametrize(
    ("word", "paths"),
    [("health", ("/health", "/health/live", "/health/ready", "/health/startup")), ("metrics", ("/metrics",))],
)
def test_the_paths_of_a_component_that_is_switched_off_are_the_apps_own(word: str, paths: tuple[str, ...]) -> None:
    off = {"health": HealthSettings(enabled=False), "metrics": MetricsSettings(enabled=False)}[word]
    routes = Routes(Service(**{word: off}))
    assert not routes.paths.intersection(paths)
    assert "/perfkit/" in routes.paths
    page = routes.respond(stranger("/perfkit/", headers=bearer()))
    assert page is not None
    assert f'href="../{word}"'.encode() not in page.body


def test_the_load_has_no_path_unless_it_is_wanted() -> None:
    assert "/load" not in Routes(Service()).paths
    off = Service(http=HttpSettings(load_path="/load"), load_balancer=LoadBalancerSettings(enabled=False))
    assert "/load" not in Routes(off).paths


def test_the_load_is_told_to_those_who_see_the_metrics_and_to_nobody_else() -> None:
    routes = Routes(Service(http=HttpSettings(load_path="/load", prefix="/internal")))
    assert routes.respond(stranger("/internal/load")) is None
    answer = routes.respond(stranger("/internal/load", headers=bearer()))
    assert answer is not None
    assert (answer.status, header(answer, "content-type")) == (200, "application/json")
    assert parse(answer.body) == LoadReport(in_flight=2.0)
    assert "/internal/load" in routes.probes


def test_a_scraper_s_token_opens_the_load_and_not_the_dashboard() -> None:
    token = "of-those-who-scrape"
    service = Service(http=HttpSettings(load_path="/load"), access=AccessSettings(metrics_token=token))
    routes = Routes(service)
    assert told(routes.respond(stranger("/load", headers=bearer(token)))) == {"named_metrics": {"rif": 2.0}}
    assert routes.respond(stranger("/perfkit/", headers=bearer(token))) is None

"""Strangers get nothing, whatever they try; and a fault of ours stays ours."""

from __future__ import annotations

import json

import pytest

from perfkit.config import AccessSettings
from perfkit.core.message import Request
from perfkit.core.status import Status
from perfkit.dashboard import asset_names
from perfkit.http.routes import Routes
from tests.unit.dashboard import samples
from tests.unit.http.test_routes import PAGES, PROBES
from tests.unit.http.visitors import TOKEN, Service, ask, basic, bearer, header, stranger

GUARDED = tuple(path for path in PAGES if path != "/health")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "PROPFIND")
STRANGERS = {
    "nobody": {},
    "wrong bearer": {"headers": bearer("wrong")},
    "empty bearer": {"headers": {"authorization": "Bearer "}},
    "wrong password": {"headers": basic("wrong")},
    "malformed basic": {"headers": {"authorization": "Basic =="}},
    "forged cookie": {"headers": {"cookie": "perfkit-12345678=99999999999." + "0" * 64}},
    "wrong query": {"query": "t=wrong"},
    "empty query": {"query": "t="},
    "two tokens": {"query": f"t={TOKEN}&t={TOKEN}"},
    "local in production": {"peer": "127.0.0.1", "headers": {"host": "localhost"}},
    "forwarded": {"peer": "127.0.0.1", "headers": {"host": "localhost", "x-forwarded-for": "127.0.0.1"}},
    "unix socket": {"peer": None, "headers": {"host": "localhost"}},
    "huge headers": {"headers": {"authorization": "Bearer " + "x" * 500_000, "cookie": "a=b; " * 100_000}},
}


def test_the_table_of_guarded_paths_is_whole() -> None:
    routes = Routes(Service())
    assets = {f"/perfkit/static/{name}" for name in asset_names()}
    kept = {"/perfkit/api/requests", "/perfkit/api/request"}  # see test_kept_requests.py
    others = {"/health/drain", "/perfkit/api/openapi.json"}
    assert routes.paths == set(PAGES) | set(PROBES) | others | kept | assets


@pytest.mark.parametrize("visitor", STRANGERS)
@pytest.mark.parametrize("method", METHODS)
def test_strangers_go_on_to_the_app(visitor: str, method: str) -> None:
    routes = Routes(Service("production"))
    for path in (*GUARDED, "/perfkit/static/x", "/perfkit/nothing"):
        assert routes.respond(stranger(path, method=method, **STRANGERS[visitor])) is None, path  # type: ignore[arg-type]


@pytest.mark.parametrize("visitor", STRANGERS)
def test_strangers_learn_the_word_of_health_and_nothing_else(visitor: str) -> None:
    routes = Routes(Service("production"))
    for path in ("/health", *PROBES):
        response = routes.respond(stranger(path, **STRANGERS[visitor]))  # type: ignore[arg-type]
        assert response is not None
        assert json.loads(response.body) == {"status": "healthy"}
        assert header(response, "set-cookie") is None


@pytest.mark.parametrize(
    "host", ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "[::1]evil", "", "localhost, evil.com"]
)
@pytest.mark.parametrize("method", METHODS)
def test_a_rebound_name_gets_nothing_in_development(host: str, method: str) -> None:
    routes = Routes(Service("development"))
    for path in GUARDED:
        assert routes.respond(ask(path, method=method, headers={"host": host})) is None
    assert json.loads(routes.respond(ask("/health", headers={"host": host})).body) == {"status": "healthy"}  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_the_async_shell_is_as_closed_and_as_open() -> None:
    for environment in ("development", "production"):
        for path in (*PAGES, *PROBES, "/perfkit/static/x", "/elsewhere"):
            for request in (ask(path), stranger(path), stranger(path, headers=bearer()), stranger(path, f"t={TOKEN}")):
                assert Routes(Service(environment)).respond(request) == await Routes(Service(environment)).arespond(
                    request
                )


def test_the_token_is_swapped_at_the_door_and_never_said(caplog: pytest.LogCaptureFixture) -> None:
    service = Service("production")
    routes = Routes(service)
    door = routes.respond(stranger("/perfkit/", f"live=5&t={TOKEN}"))
    assert door is not None
    assert (door.status, door.body, header(door, "location")) == (303, b"", "./?live=5")
    assert header(door, "cache-control") == "no-store"
    assert header(door, "referrer-policy") == "same-origin"
    cookie = (header(door, "set-cookie") or "").split(";")[0]
    inside = [routes.respond(stranger(path, headers={"cookie": cookie})) for path in GUARDED if path != "/metrics"]
    assert all(inside)
    asked = [routes.respond(stranger(path, headers=bearer())) for path in (*PAGES, *PROBES)]
    routes.respond(stranger("/perfkit", f"t={TOKEN}x", headers=bearer("no")))
    service.fault = RuntimeError("broken")
    asked += [routes.respond(stranger(path, headers=bearer())) for path in PAGES]
    for response in (door, *inside, *asked):
        assert TOKEN not in repr(response)
    assert caplog.text
    assert TOKEN not in caplog.text


def test_a_refusal_tells_the_developer_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    routes = Routes(Service("development"))
    for path in (*GUARDED, *GUARDED):
        routes.respond(ask(path, peer="172.17.0.1"))
    assert [record.getMessage().count("172.17.0.1 (not loopback)") for record in caplog.records] == [1]


def test_probes_never_run_the_user_s_access_function() -> None:
    def unreachable(request: Request) -> bool:
        raise AssertionError("a probe asked for access")

    service = Service(access=AccessSettings(access=unreachable))
    for path in PROBES:
        assert Routes(service).respond(stranger(path)) is not None
    assert not service.counted


def test_an_access_function_that_fails_leaves_health_public_and_all_else_shut(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request) -> bool:
        raise RuntimeError("no database")

    service = Service(access=AccessSettings(access=broken))
    routes = Routes(service)
    assert all(routes.respond(ask(path)) is None for path in GUARDED)
    assert json.loads(routes.respond(ask("/health")).body) == {"status": "healthy"}  # type: ignore[union-attr]
    assert ("http", "RuntimeError") in service.counted


def test_a_fault_of_ours_is_500_without_details_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    service.fault = RuntimeError("secret path /srv/x")
    routes = Routes(service)
    for path in ("/perfkit/", "/perfkit/api/overview", "/metrics", "/health"):
        response = routes.respond(stranger(path, headers=bearer()))
        assert response is not None
        assert response.status == 500
        assert response.body.startswith(b"perfkit could not answer")
        assert b"secret" not in response.body
    assert service.counted.count(("http", "RuntimeError")) == 4
    assert "secret path" in caplog.text


def test_a_fault_of_ours_takes_no_app_out_of_traffic(caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    service.fault = RuntimeError("broken")
    for path in PROBES:
        response = Routes(service).respond(stranger(path))
        assert response is not None
        assert (response.status, json.loads(response.body)) == (200, {"status": "unknown"})
    assert service.counted.count(("http", "RuntimeError")) == 3


def test_a_system_that_cannot_give_its_token_shuts_strangers_out(caplog: pytest.LogCaptureFixture) -> None:
    class Tokenless(Service):
        @property
        def token(self) -> str:
            raise OSError("the token file is gone")

        @token.setter
        def token(self, token: str) -> None:
            """Take none."""

    service = Tokenless()
    assert Routes(service).respond(stranger(headers=bearer())) is None
    assert Routes(service).respond(stranger("/health")) is not None
    assert ("http", "OSError") in service.counted


def test_a_stranger_cannot_ask_which_dependency_there_is_or_which_is_down() -> None:
    service = Service("production")
    service.health = samples.health(samples.check("redis", Status.CRITICAL, tags=("redis",)), *samples.CHECKS)
    routes = Routes(service)
    bodies = [routes.respond(stranger("/health", query)) for query in ("", "tag=redis", "tag=made-up", "tag=")]
    assert len({None if body is None else (body.status, body.body) for body in bodies}) == 1
    assert service.asked_tags == [()] * 4


def test_those_allowed_may_ask_for_the_checks_with_a_tag() -> None:
    service = Service("production")
    service.health = samples.health(samples.check("redis", Status.CRITICAL, tags=("redis",)), *samples.CHECKS)
    routes = Routes(service)
    few = routes.respond(stranger("/health", "tag=redis&tag=made-up", headers=bearer()))
    assert few is not None
    assert [check["name"] for check in json.loads(few.body)["checks"]] == ["redis"]
    none = routes.respond(stranger("/health", "tag=made-up", headers=bearer()))
    assert none is not None
    assert (none.status, none.body) == (
        404,
        b"No health check has the tag 'made-up'. The tags are: redis. Use one of these.\n",
    )

"""The one path of ours that does something: who may drain a service, by which request, and who may not."""

from __future__ import annotations

import json

import pytest

from perfkit.config import AccessSettings
from perfkit.core.message import Response
from perfkit.http.routes import Routes
from tests.unit.http.visitors import Service, bearer, stranger

PATH = "/health/drain"
COMMAND = {"x-perfkit-command": "post"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")


def ask(service: Service, method: str, **headers: str) -> Response | None:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Routes(service).respond(stranger(PATH, method=method, headers=given))


def readiness(service: Service) -> int:
    response = Routes(service).respond(stranger("/health/ready"))
    assert response is not None
    return response.status


@pytest.mark.parametrize("method", METHODS)
def test_a_stranger_gets_the_app_s_own_answer_and_drains_nothing(method: str) -> None:
    service = Service("production")
    assert ask(service, method, **COMMAND) is None
    assert readiness(service) == 200


def test_who_is_allowed_drains_and_ends_it() -> None:
    service = Service()
    answer = ask(service, "POST", **COMMAND, **bearer())
    assert answer is not None
    assert (answer.status, json.loads(answer.body)) == (202, {"status": "draining"})
    assert readiness(service) == 503
    answer = ask(service, "DELETE", **COMMAND, **bearer())
    assert answer is not None
    assert (answer.status, json.loads(answer.body)) == (202, {"status": "serving"})
    assert readiness(service) == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_without_the_header_that_no_page_of_another_site_can_send_nothing_happens(method: str) -> None:
    service = Service()
    assert ask(service, method, **bearer()) is None
    assert readiness(service) == 200


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("POST", "DELETE")])
def test_other_methods_do_nothing(method: str) -> None:
    service = Service()
    assert ask(service, method, **COMMAND, **bearer()) is None
    assert readiness(service) == 200


@pytest.mark.parametrize("token", ["", "wrong", "Bearer"])
def test_a_wrong_token_drains_nothing(token: str) -> None:
    service = Service("production")
    assert ask(service, "POST", **COMMAND, authorization=f"Bearer {token}") is None
    assert readiness(service) == 200


def test_a_fault_of_ours_is_told_and_counted() -> None:
    service = Service()
    service.fault = RuntimeError("broken")
    answer = ask(service, "POST", **COMMAND, **bearer())
    assert answer is not None
    assert answer.status == 500
    assert service.counted


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(("answer", "may"), [("read", False), ("act", True), (True, True)])
def test_who_may_only_look_drains_nothing(method: str, answer: object, may: bool) -> None:
    service = Service("production", access=AccessSettings(access=lambda request: answer))
    if method == "DELETE":
        service.drain()
    before = readiness(service)
    assert (ask(service, method, **COMMAND) is not None) is may
    assert (readiness(service) != before) is may

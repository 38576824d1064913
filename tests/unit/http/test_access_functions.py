"""The user's own function decides, and the log says what happened."""

from __future__ import annotations

import logging

import pytest

from perfkit.core.message import Request
from perfkit.http.access import Decision, RefusalLog
from perfkit.testing import FakeClock
from tests.unit.http.visitors import TOKEN, ask, bearer, gate, stranger

REFUSED = Decision(allowed=False, reason="not loopback")


def test_a_function_decides_alone() -> None:
    access = gate(access=lambda request: request.headers.get("x-staff") == "yes")
    assert access.decide(stranger(headers={"x-staff": "yes"}), "dashboard").allowed
    assert not access.decide(ask(headers=bearer()), "dashboard").allowed


@pytest.mark.parametrize("answer", [None, False, 0, 1, "", "yes", [1], object(), NotImplemented])
def test_only_true_opens(answer: object) -> None:
    decision = gate(access=lambda request: answer).decide(ask(), "dashboard")
    assert not decision.allowed
    assert "access function" in decision.reason


def test_a_function_that_fails_refuses_and_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request) -> bool:
        raise RuntimeError("no database")

    assert not gate(access=broken).decide(ask(), "dashboard").allowed
    assert "no database" in caplog.text


@pytest.mark.anyio
async def test_an_async_function_is_awaited() -> None:
    async def staff(request: Request) -> bool:
        return request.peer == "127.0.0.1"

    access = gate(access=staff)
    assert (await access.adecide(ask(), "dashboard")).allowed
    assert not (await access.adecide(stranger(), "dashboard")).allowed


@pytest.mark.anyio
async def test_an_async_function_that_fails_refuses() -> None:
    async def broken(request: Request) -> bool:
        raise RuntimeError("no database")

    assert not (await gate(access=broken).adecide(ask(), "dashboard")).allowed


def test_an_async_function_where_nothing_can_be_awaited_refuses_and_says_so() -> None:
    async def staff(request: Request) -> bool:
        return True

    decision = gate(access=staff).decide(ask(), "dashboard")
    assert not decision.allowed
    assert "async" in decision.reason


@pytest.mark.anyio
async def test_both_shells_decide_alike() -> None:
    for request in (ask(), stranger(), stranger(headers=bearer()), stranger(query=f"t={TOKEN}")):
        assert gate().decide(request, "dashboard") == await gate().adecide(request, "dashboard")


def test_a_refusal_is_logged_once_a_minute_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    log = RefusalLog(clock=clock)
    for _ in range(5):
        log.log(stranger(peer="172.17.0.1"), "dashboard", REFUSED)
    assert len(caplog.records) == 1
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("perfkit", logging.WARNING)
    for word in ("/perfkit/", "172.17.0.1", "not loopback", "?t=<token>", "access.access", "PERFKIT_TOKEN"):
        assert word in record.getMessage()
    clock.advance(61.0)
    log.log(stranger("/metrics"), "metrics", REFUSED)
    assert len(caplog.records) == 2
    assert "4 more" in caplog.text
    assert "access.metrics_access" in caplog.text


def test_the_log_is_one_line_without_query_and_token(caplog: pytest.LogCaptureFixture) -> None:
    hostile = stranger("/perfkit/static/a\r\nERROR: root", "t=hunter2-hunter2", peer="1\n2" + "x" * 10_000)
    RefusalLog(clock=FakeClock()).log(hostile, "dashboard", REFUSED)
    message = caplog.records[0].getMessage()
    assert "\n" not in message
    assert "\r" not in message
    assert "hunter2" not in message
    assert len(message) < 600


def test_a_visitor_of_the_public_health_word_is_no_refusal(caplog: pytest.LogCaptureFixture) -> None:
    request = stranger("/health")
    RefusalLog(clock=FakeClock()).log(request, "health_details", gate("production").decide(request, "health_details"))
    assert not caplog.records

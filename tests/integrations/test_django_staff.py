"""Django's staff sees the dashboard without a token; the session is asked for its paths alone, and never changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_driver import scope_of
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_driver import acall, call, environ_of
from django_site import configured, ensure_tables

TOKEN = "a-token-for-staff-tests"
STAFF = {"environment": "testing", "access": {"access": "staff"}}


@pytest.fixture(scope="module", autouse=True)
def tables() -> Iterator[None]:
    ensure_tables()
    yield
    connection.close()


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
    with configured(PERFKIT=STAFF):
        yield


def login(**traits: bool) -> str:
    """Return the session cookie of a new user."""
    users = get_user_model().objects
    users.all().delete()
    user = users.create_user("someone", password="word", **traits)
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def get(path: str, cookie: str = "", *, is_async: bool, **headers: str) -> Any:
    named = {name: value for name, value in (*headers.items(), ("cookie", f"sessionid={cookie}")) if value}
    if is_async:
        return asyncio.run(acall(ASGIHandler(), scope_of("GET", path, headers=named)))
    return call(WSGIHandler(), environ_of("GET", path, headers=named))


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@both
def test_staff_sees_the_dashboard(is_async: bool) -> None:
    cookie = login(is_staff=True)
    answer = get("/perfkit/", cookie, is_async=is_async)
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    assert get("/perfkit", cookie, is_async=is_async).status == 308
    assert get("/perfkit/api/overview", cookie, is_async=is_async).status == 200


@both
@pytest.mark.parametrize(
    "traits",
    [{"is_staff": False}, {"is_staff": False, "is_superuser": True}, {"is_staff": True, "is_active": False}],
    ids=str,
)
def test_others_do_not(is_async: bool, traits: dict[str, bool]) -> None:
    expected = get("/nowhere", is_async=is_async)
    answer = get("/perfkit/", login(**traits), is_async=is_async)
    assert (answer.status, answer.body) == (404, expected.body)


@both
@pytest.mark.parametrize("cookie", ["", "nosuchsession", "x" * 5000, "'; drop table"])
def test_strangers_do_not(is_async: bool, cookie: str) -> None:
    assert get("/perfkit/", cookie, is_async=is_async).status == 404


@both
def test_who_brings_the_token_is_let_in_as_ever(is_async: bool) -> None:
    allowed = {"authorization": f"Bearer {TOKEN}"}
    for path in ("/perfkit/", "/metrics"):
        assert get(path, is_async=is_async, **allowed).status == 200
    answer = get(f"/perfkit/?t={TOKEN}", is_async=is_async)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    assert "set-cookie" in answer.headers


@both
def test_the_metrics_are_not_for_staff(is_async: bool) -> None:
    assert get("/metrics", login(is_staff=True), is_async=is_async).status == 404


@both
@pytest.mark.parametrize("path", ["/metrics", "/health", "/health/ready", "/hello/ann", "/perfkitty", "/nowhere"])
def test_no_session_is_touched_but_for_the_dashboard(is_async: bool, path: str) -> None:
    cookie = login(is_staff=True)
    with CaptureQueriesContext(connection) as queries:
        get(path, cookie, is_async=is_async)
    assert len(queries) == 0


def test_the_dashboard_costs_a_session_and_a_user_and_changes_neither() -> None:
    cookie = login(is_staff=True)
    before = list(Session.objects.values())
    with CaptureQueriesContext(connection) as queries:
        assert get("/perfkit/", cookie, is_async=False).status == 200
    assert len(queries) == 2
    assert all(query["sql"].startswith("SELECT") for query in queries)
    assert list(Session.objects.values()) == before


def test_a_session_signed_with_an_older_key_is_known_and_stays() -> None:
    from django.conf import settings

    cookie = login(is_staff=True)
    with configured(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        for _ in range(2):
            assert get("/perfkit/", cookie, is_async=False).status == 200
    assert Session.objects.filter(session_key=cookie).exists()


def test_a_session_of_an_unknown_key_is_a_stranger_s_and_stays() -> None:
    cookie = login(is_staff=True)
    with configured(SECRET_KEY="another"):
        assert get("/perfkit/", cookie, is_async=False).status == 404
    assert Session.objects.filter(session_key=cookie).exists()


@both
def test_a_database_that_fails_is_a_stranger_and_the_site_answers(
    is_async: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*arguments: Any) -> Any:
        raise RuntimeError("no database")

    cookie = login(is_staff=True)
    monkeypatch.setattr("django.contrib.auth.get_user", failing)
    assert get("/perfkit/", cookie, is_async=is_async).status == 404
    assert [line for line in caplog.messages if "who is logged in" in line]


def test_without_the_word_staff_is_a_stranger() -> None:
    with configured(PERFKIT={"environment": "testing"}):
        cookie = login(is_staff=True)
        with CaptureQueriesContext(connection) as queries:
            assert get("/perfkit/", cookie, is_async=False).status == 404
        assert len(queries) == 0


def test_a_dashboard_that_is_off_asks_nobody() -> None:
    with configured(PERFKIT={**STAFF, "http": {"dashboard_path": None}}):
        assert get("/perfkit/", login(is_staff=True), is_async=False).status == 404


def test_a_dashboard_elsewhere_is_found_there() -> None:
    with configured(PERFKIT={**STAFF, "http": {"prefix": "/internal", "dashboard_path": "/dash"}}):
        cookie = login(is_staff=True)
        assert get("/internal/dash/", cookie, is_async=False).status == 200
        assert get("/perfkit/", cookie, is_async=False).status == 404

"""Django's staff sees the dashboard without a token; the session is asked for its paths alone, and never changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from asgi_driver import scope_of
from django.apps import apps
from django.contrib.auth import get_user_model
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


def sessions() -> Any:
    """Return all sessions; their model cannot be imported before there are settings, as when this file runs alone."""
    return apps.get_model("sessions", "Session").objects


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


def test_the_dashboard_costs_a_session_a_user_and_the_permissions_and_changes_none() -> None:
    cookie = login(is_staff=True)
    before = list(sessions().values())
    with CaptureQueriesContext(connection) as queries:
        assert get("/perfkit/", cookie, is_async=False).status == 200
    assert len(queries) == 2 + 2  # a session and a user; the user's permissions and those of the user's groups
    assert all(query["sql"].startswith("SELECT") for query in queries)
    assert list(sessions().values()) == before
    with configured(PERFKIT={**STAFF, "environment": "production"}), CaptureQueriesContext(connection) as queries:
        assert get("/perfkit/", cookie, is_async=False).status == 200
    assert len(queries) == 2  # where nothing can be done, nobody is asked who may


def test_a_session_signed_with_an_older_key_is_known_and_stays() -> None:
    from django.conf import settings

    cookie = login(is_staff=True)
    with configured(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        for _ in range(2):
            assert get("/perfkit/", cookie, is_async=False).status == 200
    assert sessions().filter(session_key=cookie).exists()


def test_a_session_of_an_unknown_key_is_a_stranger_s_and_stays() -> None:
    cookie = login(is_staff=True)
    with configured(SECRET_KEY="another"):
        assert get("/perfkit/", cookie, is_async=False).status == 404
    assert sessions().filter(session_key=cookie).exists()


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


def post(path: str, cookie: str, fields: dict[str, str], *, is_async: bool, site: str = "same-origin") -> Any:
    body = urlencode(fields).encode()
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": site}
    headers = {**form, "cookie": f"sessionid={cookie}"}
    if is_async:
        scope = scope_of("POST", path, headers={**headers, "content-length": str(len(body))})
        return asyncio.run(acall(ASGIHandler(), scope, body))
    environ = environ_of("POST", path, body=body, headers=headers)
    return call(WSGIHandler(), {**environ, "CONTENT_TYPE": form["content-type"]})


def form_token(cookie: str, *, is_async: bool) -> str:
    page = get("/perfkit/actions", cookie, is_async=is_async)
    assert page.status == 200
    found = re.search(rb'name="token" value="([0-9a-f]{64})"', page.body)
    return found[1].decode() if found else ""


def permitted() -> str:
    """The session cookie of a new user of the staff who has the permission to act, given as Django gives any."""
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType

    place, _ = ContentType.objects.get_or_create(app_label="perfkit_django", model="dashboard")
    act, _ = Permission.objects.get_or_create(codename="act", content_type=place, defaults={"name": "Act"})
    cookie = login(is_staff=True)
    get_user_model().objects.get().user_permissions.add(act)
    return cookie


@both
def test_staff_looks_and_does_not_act(is_async: bool) -> None:
    foreign = form_token(login(is_staff=True, is_superuser=True), is_async=is_async)
    cookie = login(is_staff=True)
    assert not form_token(cookie, is_async=is_async)
    for token in ("", "0" * 64, foreign):
        answer = post("/perfkit/act", cookie, {"do": "service-drain", "token": token}, is_async=is_async)
        assert answer.status == 403, token
    assert not apps.get_app_config("perfkit_django").system.health.snapshot().is_draining


@both
@pytest.mark.parametrize("who", ["superuser", "permitted"])
def test_superusers_and_who_has_the_permission_act(is_async: bool, who: str) -> None:
    cookie = permitted() if who == "permitted" else login(is_staff=True, is_superuser=True)
    token = form_token(cookie, is_async=is_async)
    assert token
    system = apps.get_app_config("perfkit_django").system
    for site in ("cross-site", "same-site", "none"):
        fields = {"do": "service-drain", "token": token}
        assert post("/perfkit/act", cookie, fields, is_async=is_async, site=site).status == 403
    assert not system.health.snapshot().is_draining
    assert post("/perfkit/act", cookie, {"do": "service-drain", "token": token}, is_async=is_async).status == 303
    assert system.health.snapshot().is_draining
    assert post("/perfkit/act", cookie, {"do": "service-resume", "token": token}, is_async=is_async).status == 303


def test_the_token_of_one_session_is_of_no_use_in_another() -> None:
    first = form_token(login(is_staff=True, is_superuser=True), is_async=False)
    cookie = login(is_staff=True, is_superuser=True)
    assert form_token(cookie, is_async=False) != first
    assert post("/perfkit/act", cookie, {"do": "service-drain", "token": first}, is_async=False).status == 403


def test_staff_with_the_token_acts_as_any_who_has_it() -> None:
    cookie = login(is_staff=True)
    page = get("/perfkit/actions", cookie, is_async=False, authorization=f"Bearer {TOKEN}")
    assert b'name="token"' in page.body


def test_a_user_model_without_permissions_looks_and_does_not_act(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        is_active = is_staff = True

    monkeypatch.setattr("django.contrib.auth.get_user", lambda request: Plain())
    assert not form_token("any", is_async=False)


@both
def test_a_page_of_another_origin_reads_nothing_with_the_session_of_staff(is_async: bool) -> None:
    cookie = login(is_staff=True)
    for site in ("cross-site", "same-site"):
        for mode in ("cors", "no-cors"):
            said = {"sec-fetch-site": site, "sec-fetch-mode": mode}
            assert get("/perfkit/api/overview", cookie, is_async=is_async, **said).status == 404, said
        followed = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
        assert get("/perfkit/", cookie, is_async=is_async, **followed).status == 200
    own = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert get("/perfkit/api/overview", cookie, is_async=is_async, **own).status == 200

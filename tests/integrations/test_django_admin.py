"""Django's admin leads staff to the dashboard where staff may see it; nothing else of it changes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django_driver import call, environ_of
from django_site import MIDDLEWARE, configured, ensure_tables

STAFF = {"environment": "testing", "access": {"access": "staff"}}
APPS = [
    "perfkit_django",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
]
CONTEXT = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": CONTEXT},
    }
]
LINK = re.compile(r'href="([^"]*perfkit/|[^"]*dash/)"')


@contextlib.contextmanager
def site(perfkit: dict[str, Any], **changes: Any) -> Iterator[Client]:
    """A project with an admin; the client is logged in as a superuser."""
    from django.contrib import admin
    from django.contrib.auth import get_user_model
    from django.urls import path

    settings = {
        "INSTALLED_APPS": APPS,
        "TEMPLATES": TEMPLATES,
        "STATIC_URL": "/static/",
        "PERFKIT": perfkit,
        "MIDDLEWARE": MIDDLEWARE,
        **changes,
    }
    with configured(**settings):
        urls = type("Urls", (), {"urlpatterns": [path("admin/", admin.site.urls)]})
        with configured(ROOT_URLCONF=urls):
            ensure_tables()
            get_user_model().objects.all().delete()
            user = get_user_model().objects.create_superuser("chief", password="word")
            client = Client()
            client.force_login(user)
            yield client


def links(page: Any) -> list[str]:
    assert page.status_code == 200
    return LINK.findall(page.content.decode())


def test_the_admin_leads_staff_to_the_dashboard() -> None:
    with site(STAFF) as client:
        found = set(links(client.get("/admin/")))
        assert found == {"/perfkit/"}
        assert client.get(found.pop()).status_code == 200
        assert set(links(client.get("/admin/auth/user/"))) == {"/perfkit/"}
        assert links(client.get("/admin/auth/")) == []
        assert links(client.get("/admin/password_change/")) == ["/perfkit/"] * 2


def test_the_link_lies_where_the_dashboard_does() -> None:
    with site({**STAFF, "http": {"prefix": "/internal", "dashboard_path": "/dash"}}) as client:
        assert set(links(client.get("/admin/"))) == {"/internal/dash/"}
        cookie = f"sessionid={client.cookies['sessionid'].value}"
        below = call(WSGIHandler(), environ_of("GET", "/shop/admin/", root_path="/shop", headers={"cookie": cookie}))
        assert below.status == 200
        assert set(LINK.findall(below.body.decode())) == {"/shop/internal/dash/"}


@pytest.mark.parametrize(
    ("perfkit", "changes"),
    [
        ({"environment": "testing"}, {}),
        ({**STAFF, "http": {"dashboard_path": None}}, {}),
        (STAFF, {"MIDDLEWARE": MIDDLEWARE[1:]}),
    ],
    ids=["not for staff", "no dashboard", "no middleware"],
)
def test_there_is_no_link_where_staff_would_not_get_in(perfkit: dict[str, Any], changes: dict[str, Any]) -> None:
    with site(perfkit, **changes) as client:
        assert links(client.get("/admin/")) == []


def test_who_is_no_staff_of_a_site_of_one_s_own_sees_no_link_and_its_own_list_stays() -> None:
    with site(STAFF) as client:
        from django.contrib import admin
        from django.contrib.auth.models import AnonymousUser

        from perfkit_django.admin import add_link

        class Open(admin.AdminSite):
            def get_app_list(self, request: Any, app_label: str | None = None) -> list[Any]:
                return [{"name": "own", "app_label": "own", "models": []}]

        client.get("/admin/")
        own = Open(name="open")
        add_link(own)
        add_link(own)
        request: Any = SimpleNamespace(user=AnonymousUser())
        assert [app["name"] for app in own.get_app_list(request)] == ["own"]
        request.user = SimpleNamespace(is_active=True, is_staff=True)
        assert [app["name"] for app in own.get_app_list(request)] == ["own", "perfkit"]
        assert [app["name"] for app in own.get_app_list(request, "own")] == ["own"]


def test_a_project_may_replace_the_list_of_its_sites_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    with site(STAFF) as client:
        from django.contrib import admin

        client.get("/admin/")
        monkeypatch.setattr(admin.AdminSite, "get_app_list", lambda self, request: [{"name": "theirs", "models": []}])
        request: Any = SimpleNamespace(user=SimpleNamespace(is_active=True, is_staff=True))
        assert [app["name"] for app in admin.site.get_app_list(request)] == ["theirs", "perfkit"]

        from perfkit_django.admin import add_link

        own: Any = admin.AdminSite(name="own")
        own.get_app_list = lambda request, app_label=None: [{"name": "its own", "models": []}]
        add_link(own)
        assert [app["name"] for app in own.get_app_list(request)] == ["its own", "perfkit"]


def test_without_an_admin_nothing_of_it_is_imported() -> None:
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parents[2]
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['perfkit_django'], MIDDLEWARE=['perfkit_django.PerfkitMiddleware'])\n"
        "import django; django.setup()\n"
        "print([name for name in sys.modules if name.startswith(('django.contrib.admin', 'perfkit_django.admin'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root), str(root / "integrations")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n"

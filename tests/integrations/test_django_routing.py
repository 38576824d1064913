"""The route of a Django exchange: whole, readable, and one for a view whatever the language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_site
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.utils.functional import lazystr
from django.utils.translation import get_language, override
from django_driver import call, environ_of
from django_site import configured

from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_django.routes import readable


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem(environment="testing")
    with configured(PERFKIT=system), override(None):
        yield system
    system.stop()


def get(*paths: str, **headers: str) -> list[int]:
    handler = WSGIHandler()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [call(handler, environ_of("GET", path, headers=named)).status for path in paths]


def routes(system: PerformanceSystem) -> dict[str, int]:
    return {one.route: one.count for one in recorded(system)}


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("/", "/"),
        ("/hello/ann", "/hello/<name>"),
        ("/shop/7/lines/3/", "/shop/<int:shop_id>/lines/<line>/"),
        ("/articles/2026/", "/articles/<year>/<slug>/"),
        ("/articles/2026/a-slug/", "/articles/<year>/<slug>/"),
        ("/raw/12/v1.0/", "/raw/<arg>/v1.0/"),
        ("/plain/deep/a", "/plain/deep/<kind>/"),
        ("/plain/deep/b/", "/plain/deep/<kind>/"),
        ("/v1/items/5", "/v1/items/<item_id>"),
    ],
)
def test_a_route_is_the_whole_template(system: PerformanceSystem, asked: str, route: str) -> None:
    assert get(asked) == [200]
    assert routes(system) == {route: 1}


@pytest.mark.parametrize("asked", ["/nowhere", "/hello", "/hello/", "/shop/x/lines/3/", "/articles/20266/"])
def test_what_matches_nothing_has_no_route(system: PerformanceSystem, asked: str) -> None:
    assert get(asked) == [404]
    assert routes(system) == {"": 1}


def test_a_language_is_no_part_of_the_route(system: PerformanceSystem) -> None:
    assert get("/en/about/1/", "/de/about/2/", "/pt-br/about/3/") == [200, 200, 200]
    assert routes(system) == {"/<language>/about/<int:page>/": 3}


def test_a_default_language_without_a_prefix_is_the_same_route(system: PerformanceSystem) -> None:
    with configured(ROOT_URLCONF="django_bare_language"):
        assert get("/about/", "/de/about/") == [200, 200]
    assert routes(system) == {"/<language>/about/": 2}


def test_a_translated_path_is_one_route_in_the_words_of_the_default_language(system: PerformanceSystem) -> None:
    with configured(ROOT_URLCONF="django_translated"):
        assert get("/en/contact/", "/de/kontakt/", "/de/contact/") == [200, 200, 404]
    assert routes(system) == {"/<language>/contact/": 2, "": 1}


def test_finding_a_route_leaves_the_language_as_it_is(system: PerformanceSystem) -> None:
    with configured(ROOT_URLCONF="django_translated"):
        get("/de/kontakt/")
        assert get_language() == "de"


def test_a_request_with_urls_of_its_own_has_their_route(system: PerformanceSystem) -> None:
    with configured(MIDDLEWARE=[*django_site.MIDDLEWARE, "django_own_urls.OwnUrls"]):
        assert get("/special/5/", "/hello/ann", host="own.example") == [200, 404]
        assert get("/special/5/", "/hello/ann") == [404, 200]
    assert routes(system) == {"/special/<int:number>/": 1, "/hello/<name>": 1, "": 2}


def test_a_redirect_to_the_slash_has_no_route(system: PerformanceSystem) -> None:
    assert get("/slashed", "/slashed/") == [301, 200]
    assert {(one.route, one.status) for one in recorded(system)} == {("", "301"), ("/slashed/", "200")}


def test_a_404_of_a_view_keeps_its_route(system: PerformanceSystem) -> None:
    with configured(ROOT_URLCONF="django_own_urls"):
        assert get("/missing/9/") == [404]
    assert routes(system) == {"/missing/<int:number>/": 1}


def test_a_forced_script_name_is_not_in_the_route(system: PerformanceSystem) -> None:
    with configured(FORCE_SCRIPT_NAME="/forced"):
        assert get("/hello/ann") == [200]
    assert routes(system) == {"/hello/<name>": 1}


@pytest.mark.parametrize("path", ["/health/live", "/health"])
def test_our_paths_answer_under_a_forced_script_name(system: PerformanceSystem, path: str) -> None:
    with configured(FORCE_SCRIPT_NAME="/forced"):
        assert get(path) == [200]


@pytest.mark.parametrize("path", ["/perfkit", "/health/", "/metrics/", "/perfkit/nowhere"])
def test_a_path_that_is_refused_or_not_ours_is_not_redirected_by_us_or_by_django(
    system: PerformanceSystem, path: str
) -> None:
    assert get(path) == [404]


@pytest.mark.parametrize(
    ("regex", "template"),
    [
        (r"^items/(?P<id>\d+)/$", "items/<id>/"),
        (r"^items/(?P<id>(?:a|b(c))+)/\Z", "items/<id>/"),
        (r"^a/(?:b/(?P<c>\w+)/)?d$", "a/b/<c>/d"),
        (r"^(?:en|de)/x$", "(en|de)/x"),
        (r"^(\d+)-([a-z)]+)/?$", "<arg>-<arg>/"),
        (r"^(?P<path>.*)$", "<path>"),
        (r"^.*$", ".*"),
        (r"^a\.b\-c$", "a.b-c"),
        (r"(?i)^static/(?P<file>[^()]+)$", "static/<file>"),
        (r"^x(?=y)(?!z)y$", "xy"),
        (r"^n\d+$", r"n\d+"),
        (r"^[]a]/(?P<x>[)])$", "[]a]/<x>"),
        (r"^open(group", "open<arg>"),
        ("", ""),
    ],
)
def test_a_regular_expression_reads_as_a_template(regex: str, template: str) -> None:
    assert readable(regex) == template


def view(request: HttpRequest, **named: Any) -> HttpResponse:
    return HttpResponse("found")


def test_a_lazy_text_that_is_no_translation_is_found_too(system: PerformanceSystem) -> None:
    patterns = [path("outer/", include([re_path(lazystr(r"^inner/(?P<x>\d)/$"), view)]))]
    with configured(ROOT_URLCONF=tuple(patterns)):
        assert get("/outer/inner/5/") == [200]
    assert routes(system) == {"/outer/inner/<x>/": 1}

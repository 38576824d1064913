"""The settings of the response cache: what is wrong is told in three sentences; what is not named costs nothing."""

from __future__ import annotations

from typing import Any

import pytest

from perfkit.cache import CacheManager
from perfkit.cache.http import HttpCache
from perfkit.config import get_performance_config
from perfkit.core.errors import ConfigurationError
from perfkit.http.attachment import http_cache_of
from perfkit.system import PerformanceSystem


def error_of(cache: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        get_performance_config(settings={"cache": cache})
    return str(caught.value)


@pytest.mark.parametrize(
    "routes",
    [
        {"POST /products": 30},
        {"/products": 30},
        {"GET products": 30},
        {"get /products": 30},
        {"GET /products?page=1": 30},
        {"GET /a b": 30},
        {"GET /products": -1},
        {"GET /products": "long"},
        {"GET /products": None},
        {"GET /products": 1e9},
    ],
)
def test_a_rule_that_cannot_be_is_refused(routes: dict[str, Any]) -> None:
    message = error_of({"http_cache": routes})
    assert "cache.http_cache" in message
    assert "It must be " in message


def test_it_is_said_what_a_rule_must_be() -> None:
    assert "a dict of GET and route template (such as GET /products/{id}) to seconds" in error_of(
        {"http_cache": {"POST /products": 30}}
    )


@pytest.mark.parametrize(
    "http",
    [
        {"max_body": -1},
        {"max_bytes": 0},
        {"wait": 0},
        {"stale_if_error": -1},
        {"ignored_cookies": ["a b"]},
        {"personal_headers": ["X Tenant"]},
        {"stale_while_revalidat": 5},
    ],
)
def test_an_option_that_cannot_be_is_refused(http: dict[str, Any]) -> None:
    assert "cache.http" in error_of({"http": http})


def test_json_cannot_carry_responses() -> None:
    assert 'cache.http_cache names routes, but cache.value_format is "json".' in error_of(
        {"http_cache": {"GET /a": 1}, "value_format": "json"}
    )


def test_the_environment_may_name_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_CACHE__HTTP_CACHE", '{"GET /products": 30}')
    assert get_performance_config().cache.http_cache == {"GET /products": 30}


@pytest.mark.parametrize(
    ("cache", "is_made"),
    [
        ({}, False),
        ({"http": {"max_body": 5}}, False),
        ({"http_cache": {"GET /a": 1}}, True),
        ({"http": {"sample": 100}}, True),
        ({"http_cache": {"GET /a": 1}, "enabled": False}, False),
    ],
)
def test_there_is_a_response_cache_where_the_settings_want_one(cache: dict[str, Any], is_made: bool) -> None:
    system = PerformanceSystem({"cache": cache}, environment="testing")
    assert (http_cache_of(system) is not None) == is_made


def test_responses_stay_in_the_process_with_a_second_tier_too() -> None:
    cache = HttpCache(CacheManager(redis_url="redis://127.0.0.1:1/0"))
    assert cache._urls._shared is None
    assert cache._bodies._shared is None


def test_two_apps_in_one_system_share_nothing() -> None:
    manager = CacheManager()
    assert HttpCache(manager)._app != HttpCache(manager)._app

"""Wrong arguments: each public call says in three sentences what was given, what may be and what to do."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import anyio
import pytest

from perfkit.cache import CacheManager, Namespace
from perfkit.config import get_performance_config
from perfkit.core.errors import CacheError, ConfigurationError


class Unhashable:
    """Even its repr is trouble."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("no")


def load() -> int:
    return 1


def shown(value: object) -> str:
    """Name a case alike in every process: processes that share the tests must agree on their names."""
    return str(value).replace(repr(load), "load")


Call = tuple[str, tuple[Any, ...], dict[str, Any], str]
"""Name of the method, arguments, named arguments, and what the message begins with."""

KEYED: list[Call] = [
    ("get", (), {}, "The key"),
    ("set", (1,), {}, "The key"),
    ("add", (1,), {}, "The key"),
    ("delete", (), {}, "The key"),
    ("touch", (10,), {}, "The key"),
    ("increment", (), {}, "The key"),
    ("memoize", (load,), {}, "The key"),
]
TTLS = ["5", -1, math.nan, timedelta(seconds=5), True, [], load, 10**400]
WRONG: list[Call] = [
    *((name, (key, *more), named, said) for name, more, named, said in KEYED for key in ([1], {}, Unhashable())),
    *(("set", ("key", 1), {"ttl": ttl}, "ttl is") for ttl in TTLS),
    *(("add", ("key", 1), {"ttl": ttl}, "ttl is") for ttl in TTLS),
    *(("touch", ("key",), {"ttl": ttl}, "ttl is") for ttl in TTLS),
    *(("set_many", ({"key": 1},), {"ttl": ttl}, "ttl is") for ttl in TTLS),
    *(("increment", ("key",), {"ttl": ttl}, "ttl is") for ttl in TTLS),
    *(("memoize", ("key", load), {"ttl": ttl}, "ttl is") for ttl in TTLS),
    *(
        (name, arguments, {"tags": tags}, "tags is")
        for name, arguments in (
            ("set", ("k", 1)),
            ("add", ("k", 1)),
            ("set_many", ({"k": 1},)),
            ("memoize", ("k", load)),
        )
        for tags in ("user", 5, [5], [None], b"ab")
    ),
    *(("invalidate_tags", (tags,), {}, "tags is") for tags in ("user", 5, None, [b"user"])),
    *(("invalidate_pattern", (pattern,), {}, "pattern is") for pattern in (5, None, b"user:*", ["user:*"])),
    *((name, (keys,), {}, "keys is") for name in ("get_many", "delete_many") for keys in (5, None, "user:1", b"ab")),
    *((name, ([[1]],), {}, "The key") for name in ("get_many", "delete_many")),
    *(("set_many", (values,), {}, "values is") for values in (5, None, ["key"], "key")),
    *(("increment", ("key",), {"amount": amount}, "amount is") for amount in ("1", None, [], True, 1j)),
    *(("increment", ("key",), {"initial": initial}, "initial is") for initial in ("1", [], True)),
    *(("memoize", ("key", wrong), {}, "load is") for wrong in (5, None, "load")),
    *(
        ("memoize", ("key", load), {option: wrong}, f"{option} is")
        for option in ("stale_while_revalidate", "stale_if_error", "early_refresh", "negative_ttl")
        for wrong in ("5", -1, math.nan, [])
    ),
]
DECORATING: list[tuple[dict[str, Any], str]] = [
    *(({"ttl": ttl}, "ttl is") for ttl in TTLS),
    *(({option: "5"}, f"{option} is") for option in ("stale_while_revalidate", "stale_if_error", "early_refresh")),
    ({"tags": "user"}, "tags is"),
    ({"key": "id"}, "key is"),
    ({"namespace": 5}, "namespace is"),
    ({"namespace": ""}, "namespace is"),
]
MAKING: list[tuple[dict[str, Any], str]] = [
    *(({"max_size": size}, "max_size is") for size in ("5", 0, -1, 1.5, True)),
    *(({"max_bytes": size}, "max_bytes is") for size in ("5", 0, 1e6)),
    *(({"default_ttl": ttl}, "default_ttl is") for ttl in [*TTLS, 0]),
    *(({"strategy": strategy}, "The strategy") for strategy in ("mru", 5, {}, [])),
    *(({"value_format": name}, "value_format is") for name in ("yaml", 5)),
    ({"compression": "yes"}, "compression is"),
    ({"sizeof": 5}, "sizeof is"),
    *(({"redis_url": url}, "redis_url cannot") for url in (5, "localhost", "http://localhost")),
    ({"clock": 5}, "clock is"),
    ({"rng": 5}, "rng is"),
    ({"settings": {"max_size": 5}}, "settings is"),
]
COVERED = {name for name, *_ in WRONG} | {"memoized", "clear"}


def has_three_sentences(message: str) -> bool:
    return message.endswith(".") and message.count(". ") >= 2


def is_told(caught: pytest.ExceptionInfo[CacheError], said: str) -> bool:
    return str(caught.value).startswith(said) and has_three_sentences(str(caught.value))


@pytest.fixture(params=["alone", "second tier", "one namespace", "kept as bytes"])
def cache(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    # Nobody listens there; what is wrong is told before anybody is asked.
    options = {"second tier": {"redis_url": "redis://127.0.0.1:1"}, "kept as bytes": {"value_format": "msgpack"}}
    manager = CacheManager(**options.get(request.param, {}))
    yield manager.namespace("named") if request.param == "one namespace" else manager
    manager.close()


def test_each_wrong_argument_is_told(cache: Namespace) -> None:
    for name, arguments, named, said in WRONG:
        with pytest.raises(CacheError) as caught:
            getattr(cache, name)(*arguments, **named)
        assert is_told(caught, said), (name, str(caught.value))
    assert len(cache) == 0


def test_each_wrong_argument_is_told_to_async_callers_too(cache: Namespace) -> None:
    async def use() -> None:
        for name, arguments, named, said in WRONG:
            with pytest.raises(CacheError) as caught:
                await getattr(cache, f"a{name}")(*arguments, **named)
            assert is_told(caught, said), (name, str(caught.value))

    anyio.run(use)
    assert len(cache) == 0


def test_to_ask_whether_something_unhashable_is_there_is_told(cache: Namespace) -> None:
    with pytest.raises(CacheError) as caught:
        _ = [1] in cache
    assert is_told(caught, "The key")


@pytest.mark.parametrize(("options", "said"), DECORATING, ids=shown)
def test_each_wrong_option_of_the_decorator_is_told_where_it_stands(options: dict[str, Any], said: str) -> None:
    with pytest.raises(CacheError) as caught:
        CacheManager().memoized(**options)
    assert is_told(caught, said), str(caught.value)


@pytest.mark.parametrize("wrong", [5, None, "function"])
def test_only_functions_can_be_decorated(wrong: Any) -> None:
    with pytest.raises(CacheError) as caught:
        CacheManager().memoized(ttl=5)(wrong)
    assert is_told(caught, "memoized() decorates")


def test_a_decorator_without_parentheses_is_told_of_them() -> None:
    with pytest.raises(CacheError, match="parentheses"):
        CacheManager().memoized(load)  # type: ignore[arg-type] # that is the mistake


@pytest.mark.parametrize(("options", "said"), MAKING, ids=shown)
def test_each_wrong_argument_of_the_manager_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(CacheError) as caught:
        CacheManager(**options)
    assert is_told(caught, said), str(caught.value)


def test_a_wrong_url_of_a_server_is_not_shown_as_it_may_hold_a_password() -> None:
    with pytest.raises(CacheError) as caught:
        CacheManager(redis_url="http://:secret@localhost")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", [5, None, "", b"space"])
def test_a_namespace_has_a_text_for_a_name(name: Any) -> None:
    with pytest.raises(CacheError) as caught:
        CacheManager().namespace(name)
    assert is_told(caught, "namespace is")


def test_a_long_argument_is_not_shown_whole() -> None:
    with pytest.raises(CacheError) as caught:
        CacheManager().get([0] * 100_000)
    assert len(str(caught.value)) < 500


def test_what_a_key_itself_raises_is_raised() -> None:
    class Odd:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            raise TypeError("not comparable")

    cache = CacheManager()
    cache.set(Odd(), 1)
    with pytest.raises(TypeError, match="not comparable"):
        cache.get(Odd())
    with pytest.raises(TypeError, match="not comparable"):
        cache.set(Odd(), 2)
    assert cache.set("key", 1)


def test_no_lock_is_left_held_by_a_wrong_call() -> None:
    cache = CacheManager()
    for name, arguments, named, _ in WRONG:
        with pytest.raises(CacheError):
            getattr(cache, name)(*arguments, **named)
    assert not cache._tier.lock.locked()


def test_an_infinite_or_very_long_time_to_live_is_for_ever(cache: Namespace) -> None:
    for ttl in (math.inf, 1e300, 10**300):
        assert cache.set("key", 1, ttl=ttl)
        assert cache.get("key") == 1


def test_the_table_has_every_public_call() -> None:
    public = {
        name
        for name, member in inspect.getmembers(Namespace, inspect.isfunction)
        if not name.startswith("_") and f"a{name}" in dir(Namespace)
    }
    assert public == COVERED - {"memoized"}


HTTP: list[tuple[dict[str, Any], str]] = [
    ({"http_cache": {"products": 30}}, "cache.http_cache"),
    ({"http_cache": {"POST /products": 30}}, "cache.http_cache"),
    ({"http_cache": {"GET /products": -1}}, "cache.http_cache"),
    ({"http_cache": {"GET /products": "soon"}}, "cache.http_cache"),
    ({"http_cache": ["GET /products"]}, "cache.http_cache"),
    ({"http": {"max_body": -1}}, "cache.http.max_body"),
    ({"http": {"wait": 0}}, "cache.http.wait"),
    ({"http": {"sample": "1"}}, "cache.http.sample"),
    ({"http": {"ignored_cookies": "_ga"}}, "cache.http.ignored_cookies"),
    ({"http": {"personal_headers": ["X Tenant"]}}, "cache.http.personal_headers"),
]


@pytest.mark.parametrize(("section", "path"), HTTP, ids=shown)
def test_each_wrong_setting_of_the_response_cache_is_told(section: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        get_performance_config(settings={"cache": section})
    assert path in str(caught.value)
    assert has_three_sentences(str(caught.value)), str(caught.value)

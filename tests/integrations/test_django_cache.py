"""The cache backend for Django: Django's own suite, and what is ours."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django_site
import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from redis_server import REDIS_SERVER, redis_server
from transparency_sources import SourceMissing, source_of

from perfkit import PerformanceSystem
from perfkit.core.errors import CacheError
from perfkit_django.cache import PerfkitCache
from perfkit_django.cached.copies import ABSENT, Copies

SUITE = Path(__file__).parents[1] / "support" / "django_cache_suite.py"
KINDS = ["sync", "async", "sync on Redis", "async on Redis"]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what became of the suite, each kind in a process of its own, all at once, as the suite mostly sleeps."""
    try:
        tests = source_of("django") / "tests"
    except SourceMissing as error:
        pytest.skip(str(error))

    def verdict(kind: str) -> Any:
        with ExitStack() as stack:
            command = [sys.executable, os.fspath(SUITE), os.fspath(tests), kind.split()[0]]
            if kind.endswith("Redis"):
                if REDIS_SERVER is None:
                    return None
                command.append(stack.enter_context(redis_server(tmp_path_factory.mktemp("redis"))).url)
            done = subprocess.run(command, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    with ThreadPoolExecutor(len(KINDS)) as pool:
        return dict(zip(KINDS, pool.map(verdict, KINDS), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_djangos_own_suite_passes(verdicts: dict[str, Any], kind: str) -> None:
    verdict = verdicts[kind]
    if verdict is None:
        pytest.skip("needs redis-server: apt-get install redis-server")
    assert verdict["failed"] == {}
    assert verdict["ran"] >= 50
    assert all("cull" in name for name in verdict["skipped"])


BACKEND = "perfkit_django.cache.PerfkitCache"


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing") as system:
        yield system


@pytest.fixture
def configured(system: PerformanceSystem) -> Iterator[None]:
    settings = {
        "default": {"BACKEND": BACKEND},
        "other": {"BACKEND": BACKEND, "LOCATION": "other"},
        "objects": {"BACKEND": BACKEND, "LOCATION": "objects", "OPTIONS": {"COPY": False}},
    }
    with django_site.configured(CACHES=settings, PERFKIT=system):
        yield


@pytest.mark.usefixtures("configured")
def test_values_lie_in_the_cache_of_the_system(system: PerformanceSystem) -> None:
    caches["default"].set("key", 1)
    caches["other"].set("key", 2)
    assert (caches["default"].get("key"), caches["other"].get("key")) == (1, 2)
    assert {"django", "django.other"} <= set(system.get_performance_dashboard().components["cache"].namespaces)
    caches["other"].clear()
    assert (caches["default"].get("key"), caches["other"].get("key")) == (1, None)


@pytest.mark.usefixtures("configured")
def test_each_get_gives_a_copy_unless_objects_are_asked_for() -> None:
    value = {"list": [1]}
    for name, is_copied in (("default", True), ("objects", False)):
        cache = caches[name]
        cache.set("key", value)
        assert cache.get("key") == value
        assert (cache.get("key") is not value) == is_copied
        assert (cache.get_or_set("loaded", lambda: value) is not value) == is_copied
        assert (cache.get_many(["key"])["key"] is not value) == is_copied


@pytest.mark.usefixtures("configured")
def test_a_tuple_is_a_tuple() -> None:
    for name in ("default", "objects"):
        caches[name].set("key", (b"not a pickle",))
        assert caches[name].get("key") == (b"not a pickle",)


@pytest.mark.usefixtures("configured")
def test_tags_sync_and_async() -> None:
    cache = caches["default"]
    assert isinstance(cache, PerfkitCache)
    cache.set("key", 1, tags=["t"])
    cache.invalidate_tags(["t"])
    assert cache.get("key") is None

    async def in_a_loop() -> None:
        await cache.aset("key", 1, tags=["t"])
        await cache.ainvalidate_tags(["t"])
        assert await cache.aget("key") is None

    asyncio.run(in_a_loop())


@pytest.mark.usefixtures("configured")
def test_get_or_set_loads_once_for_all_threads() -> None:
    loads: list[int] = []
    with ThreadPoolExecutor(20) as pool:
        asked = [
            pool.submit(lambda: caches["default"].get_or_set("key", lambda: loads.append(1) or 7)) for _ in range(50)
        ]
        assert [each.result() for each in asked] == [7] * 50
    assert len(loads) == 1


@pytest.mark.usefixtures("configured")
def test_a_coroutine_function_loads_in_async_code() -> None:
    async def load() -> list[int]:
        await asyncio.sleep(0)
        return [1]

    async def in_a_loop() -> None:
        assert await caches["default"].aget_or_set("key", load) == [1]
        assert await caches["default"].aget("key") == [1]

    asyncio.run(in_a_loop())


@pytest.mark.usefixtures("configured")
def test_another_system_after_the_setting_changed_is_another_cache() -> None:
    cache = caches["default"]
    cache.set("key", 1)
    with PerformanceSystem(environment="testing") as other, override_settings(PERFKIT=other):
        assert cache.get("key") is None
        cache.set("key", 2)
        assert other.cache.namespace("django").get(":1:key") == 2
    assert cache.get("key") == 1


def test_an_unknown_option_is_told() -> None:
    with pytest.raises(ImproperlyConfigured, match="max_size"):
        PerfkitCache("", {"OPTIONS": {"MAX_ENTRIES": 300}})


@pytest.mark.usefixtures("configured")
def test_a_pickle_that_others_wrote_is_not_read() -> None:
    copies = Copies(is_shared=True)
    (data,) = copies.kept("name", [1])
    assert copies.given("name", (data,)) == [1]
    assert copies.given("other", (data,)) is ABSENT
    assert copies.given("name", (data[:-1] + b"x",)) is ABSENT
    assert copies.given("name", (b"",)) is ABSENT
    (unsigned,) = Copies(is_shared=False).kept("name", [1])
    assert copies.given("name", (unsigned,)) is ABSENT


WRONG: list[tuple[str, tuple[Any, ...], str]] = [
    *(
        (name, arguments, "ttl is")
        for timeout in ("5", [], b"5")
        for name, arguments in (
            ("set", ("key", 1, timeout)),
            ("add", ("key", 1, timeout)),
            ("touch", ("key", timeout)),
            ("set_many", ({"key": 1}, timeout)),
            ("get_or_set", ("key", 1, timeout)),
        )
    ),
    *(("get_many", (keys,), "keys is") for keys in (5, None, "key")),
    *(("delete_many", (keys,), "keys is") for keys in (5, None, "key")),
    *(("set_many", (data,), "data is") for data in (5, None, ["key"])),
    ("incr", ("key", "1"), "amount is"),
    *(("invalidate_tags", (tags,), "tags is") for tags in (5, None, "tag", [5])),
]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(("name", "arguments", "said"), WRONG, ids=str)
def test_wrong_arguments_are_told_in_three_sentences(name: str, arguments: tuple[Any, ...], said: str) -> None:
    cache = caches["default"]
    with pytest.raises(CacheError) as caught:
        getattr(cache, name)(*arguments)
    with pytest.raises(CacheError) as caught_later:
        asyncio.run(getattr(cache, f"a{name}")(*arguments))
    for error in (caught, caught_later):
        message = str(error.value)
        assert message.startswith(said), message
        assert message.endswith(".")
        assert message.count(". ") >= 2
    assert cache.get("key") is None


@pytest.mark.usefixtures("configured")
def test_to_count_on_what_is_no_number_raises_what_django_raises() -> None:
    cache = caches["default"]
    cache.set("text", "one")
    with pytest.raises(TypeError, match="'text' is no number"):
        cache.incr("text")
    with pytest.raises(ValueError, match="'missing' was not found"):
        cache.incr("missing")

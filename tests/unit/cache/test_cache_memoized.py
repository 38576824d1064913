"""The decorator."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from perfkit.cache import CacheManager
from perfkit.core.errors import CacheError


@pytest.fixture
def cache() -> CacheManager:
    return CacheManager()


def test_a_function_is_called_once_for_the_same_arguments(cache: CacheManager) -> None:
    calls = []

    @cache.memoized(ttl=60)
    def area(width: int, height: int = 1) -> int:
        """Multiply."""
        calls.append((width, height))
        return width * height

    assert [area(2, 3), area(2, height=3), area(width=2, height=3), area(3, 2)] == [6] * 4
    assert calls == [(2, 3), (3, 2)]
    assert area.__name__ == "area"  # type: ignore[attr-defined]
    assert area.__doc__ == "Multiply."


def test_one_result_may_be_forgotten_or_all(cache: CacheManager) -> None:
    calls = []

    @cache.memoized()
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    for number in (1, 2):
        double(number)
    assert double.cache_invalidate(1)
    assert not double.cache_invalidate(number=1)
    double(1), double(2)
    assert calls == [1, 2, 1]
    double.cache_clear()
    double(1), double(2)
    assert calls == [1, 2, 1, 1, 2]


def test_a_coroutine_function_stays_one(cache: CacheManager) -> None:
    calls = []

    @cache.memoized(ttl=60)
    async def load(key: str) -> str:
        calls.append(key)
        await asyncio.sleep(0)
        return key.upper()

    async def main() -> list[str]:
        return list(await asyncio.gather(load("a"), load("a"), load("b")))

    assert asyncio.iscoroutinefunction(load)
    assert asyncio.run(main()) == ["A", "A", "B"]
    assert calls == ["a", "b"]


def test_methods_are_cached_for_each_object_and_keep_none_alive(cache: CacheManager) -> None:
    import weakref

    class Shop:
        def __init__(self, name: str) -> None:
            self.name, self.calls = name, 0

        @cache.memoized(ttl=60)
        def price(self, product: int) -> str:
            self.calls += 1
            return f"{self.name}:{product}"

    first, second = Shop("first"), Shop("second")
    assert [first.price(1), first.price(1), second.price(1)] == ["first:1", "first:1", "second:1"]  # type: ignore[call-arg, arg-type]
    assert (first.calls, second.calls) == (1, 1)
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


def test_types_may_be_told_apart(cache: CacheManager) -> None:
    @cache.memoized(typed=True)
    def kind(value: object) -> str:
        return type(value).__name__

    assert [kind(1), kind(1.0), kind(True)] == ["int", "float", "bool"]


def test_arguments_that_cannot_be_a_key_are_refused_with_advice(cache: CacheManager) -> None:
    @cache.memoized()
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with pytest.raises(CacheError, match="key="):
        total([1])

    @cache.memoized(key=tuple)
    def total_of(numbers: list[int]) -> int:
        return sum(numbers)

    assert total_of([1, 2]) == 3
    assert total_of.cache_invalidate([1, 2])


def test_generators_are_refused(cache: CacheManager) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(CacheError, match="generator"):
        cache.memoized()(numbers)


def test_tags_reach_memoized_results(cache: CacheManager) -> None:
    calls = []

    @cache.memoized(tags=["user"])
    def user(number: int) -> int:
        calls.append(number)
        return number

    user(1)
    cache.invalidate_tags(["user"])
    user(1)
    assert calls == [1, 1]


def test_an_error_is_not_kept(cache: CacheManager) -> None:
    calls = []

    @cache.memoized()
    def fail() -> None:
        calls.append(1)
        raise OSError("down")

    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            fail()
    assert len(calls) == 2


def test_a_function_has_numbers_of_its_own(cache: CacheManager) -> None:
    @cache.memoized(namespace="prices")
    def price(product: int) -> int:
        return product

    price(1), price(1)
    assert cache.get_stats().namespaces["prices"].hits == 1

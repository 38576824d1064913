"""The shelf of kept URLs: its bounds hold after every step, and a URL that just came stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfkit.cache.http.shelf import Shelf

URLS = st.sampled_from([f"/{number}" for number in range(12)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), URLS, st.just(0)),
        st.tuples(st.just("touch"), URLS, st.just(0)),
        st.tuples(st.just("add"), URLS, st.integers(1, 40)),
    ),
    max_size=60,
)


@given(steps=STEPS, max_urls=st.integers(1, 6), max_bytes=st.integers(40, 200))
def test_the_shelf_agrees_with_what_it_named(steps: list[tuple[str, str, int]], max_urls: int, max_bytes: int) -> None:
    shelf = Shelf(max_urls=max_urls, max_bytes=max_bytes)
    model: dict[str, dict[str, int]] = {}
    for step, url, size in steps:
        leaving: list[str] | None = []
        if step == "open":
            leaving = shelf.open(url)
            assert set(model.get(url, ())) <= set(leaving)
            model[url] = {}
        elif step == "touch":
            shelf.touch(url)
        else:
            leaving = shelf.add(url, f"{url} {size % 3}", size)
            assert (leaving is None) == (url not in model or size > max_bytes // 4)
            if leaving is not None:
                model[url][f"{url} {size % 3}"] = size
        gone = [each for each in leaving or () if each in model]
        assert url not in gone
        for each in gone:
            assert set(model.pop(each)) <= set(leaving or ())
        assert len(shelf) == len(model) <= max_urls
        assert shelf.bytes == sum(sum(sizes.values()) for sizes in model.values())
        assert shelf.bytes <= max_bytes or len(model) == 1
        assert all(shelf.holds(each) for each in model)


def test_a_url_has_a_bounded_number_of_variants() -> None:
    shelf = Shelf(max_urls=5, max_bytes=1_000_000)
    shelf.open("/")
    left = [shelf.add("/", f"/ {number}", 10) for number in range(200)]
    assert shelf.bytes == 500
    assert [each for leaving in left for each in leaving or ()] == [f"/ {number}" for number in range(150)]


def test_what_is_kept_of_the_generation_stays_when_a_url_is_opened_once_more() -> None:
    shelf = Shelf(max_urls=5, max_bytes=1000)
    shelf.open("/", "new")
    shelf.add("/", "old 1", 10)
    shelf.add("/", "new 1", 20)
    assert shelf.open("/", "new") == ["old 1"]
    assert (shelf.bytes, shelf.open("/", "new")) == (20, [])
    assert shelf.open("/") == ["new 1"]
    assert shelf.bytes == 0


def test_a_newcomer_stays_although_all_others_are_in_use() -> None:
    shelf = Shelf(max_urls=5, max_bytes=1000)
    for url in "abcd":
        shelf.open(url)
        shelf.touch(url)
    assert shelf.open("e") == []
    assert shelf.open("f") == ["e"]
    assert shelf.holds("f")

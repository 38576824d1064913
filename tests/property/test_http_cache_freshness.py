"""The arithmetic of freshness against an obvious model: the formulas of RFC 9111, written down one by one."""

from __future__ import annotations

import math
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from perfkit.cache.http.fields import directives, http_date, seconds
from perfkit.cache.http.freshness import Allowance, Freshness, Wish, freshness, initial_age, use

NOW = 1_700_000_000.0
SECONDS = st.integers(0, 1000)
MAYBE = st.none() | SECONDS


@given(age=MAYBE, date=st.none() | st.integers(-500, 500), delay=st.integers(0, 100))
def test_the_initial_age_is_the_model_s(age: int | None, date: int | None, delay: int) -> None:
    received, requested = NOW, NOW - delay
    date_value = NOW if date is None else NOW + date
    apparent_age = max(0.0, received - date_value)
    corrected_age_value = (age or 0) + (received - requested)
    model = max(apparent_age, corrected_age_value)
    found = initial_age(
        age=None if age is None else str(age),
        date=None if date is None else date_value,
        requested=requested,
        received=received,
    )
    assert found == model


@given(s_maxage=MAYBE, max_age=MAYBE, expires=st.none() | st.integers(-500, 500), default=SECONDS)
def test_the_lifetime_is_the_model_s(
    s_maxage: int | None, max_age: int | None, expires: int | None, default: int
) -> None:
    words = [f"s-maxage={s_maxage}"] * (s_maxage is not None) + [f"max-age={max_age}"] * (max_age is not None)
    fields = {} if expires is None else {"expires": formatdate(NOW + expires, usegmt=True)}
    if s_maxage is not None:
        model = s_maxage
    elif max_age is not None:
        model = max_age
    elif expires is not None:
        model = max(0, expires)
    else:
        model = default
    found = freshness(directives(", ".join(words)), fields, received=NOW, allowance=Allowance(default))
    assert found.lifetime == model
    assert found.is_explicit == (bool(words) or expires is not None)


@given(
    lifetime=SECONDS,
    age=SECONDS,
    revalidate=SECONDS,
    may_be_stale=st.booleans(),
    max_age=MAYBE,
    min_fresh=MAYBE,
    max_stale=st.none() | st.just(math.inf) | SECONDS,
    no_cache=st.booleans(),
)
def test_a_response_serves_when_the_model_says_so(
    lifetime: int,
    age: int,
    revalidate: int,
    may_be_stale: bool,
    max_age: int | None,
    min_fresh: int | None,
    max_stale: float | None,
    no_cache: bool,
) -> None:
    fresh = Freshness(lifetime, revalidate, 0.0, True, may_be_stale)
    wish = Wish(no_cache, math.inf if max_age is None else max_age, min_fresh or 0, max_stale or 0)
    is_young_enough = max_age is None or age <= max_age
    if no_cache:
        serves = False
    elif age < lifetime:
        serves = is_young_enough and lifetime - age >= (min_fresh or 0)
    else:
        over = age - lifetime
        is_allowed = over < revalidate or (
            may_be_stale and max_stale is not None and over <= max_stale and max_stale > 0
        )
        serves = is_allowed and is_young_enough and not min_fresh
    found = use(fresh, age, wish)
    assert found.serves == serves
    assert not found.renews or age >= lifetime


@given(st.text(alphabet='abz-="\\,; 019é', max_size=60))
def test_no_text_breaks_the_reading_of_directives(text: str) -> None:
    found = directives(text)
    assert all(name == name.lower() and values for name, values in found.items())


NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=10)
VALUES = st.none() | st.text(alphabet="abc 019,;=", max_size=8)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_what_is_written_as_directives_is_read_again(given_words: list[tuple[str, str | None]]) -> None:
    text = ", ".join(name if value is None else f'{name}="{value}"' for name, value in given_words)
    model: dict[str, tuple[str, ...]] = {}
    for name, value in given_words:
        model[name] = (*model.get(name, ()), value or "")
    assert dict(directives(text)) == model


@given(st.lists(st.sampled_from(["0", "5", "70", "-1", "", "1.5", "x", "9" * 30, "٣"]), max_size=3))
def test_seconds_are_the_least_of_what_is_given_and_none_if_one_is_no_number(values: list[str]) -> None:
    are_numbers = values and all(value.isascii() and value.isdigit() for value in values)
    assert seconds(values) == (min(*map(int, values), 2**31) if are_numbers else None)


@given(st.integers(0, 4_000_000_000))
def test_a_date_is_read_as_it_was_written(at: int) -> None:
    assert http_date(formatdate(at, usegmt=True)) == at


def test_the_three_forms_of_a_date_are_one_moment() -> None:
    texts = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994")
    assert {http_date(text) for text in texts} == {784111777.0}


def test_what_is_no_date_is_none() -> None:
    for text in (
        None,
        "",
        "0",
        "-1",
        "tomorrow",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "x" * 99,
    ):
        assert http_date(text) is None, text

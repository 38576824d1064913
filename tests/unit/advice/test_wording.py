"""Numbers are said the same way everywhere: three digits that mean something, and a unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers

from perfkit.advice import wording


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "—"),
        (0.0, "0 ms"),
        (0.0000001, "<0.001 ms"),
        (0.000021, "0.021 ms"),
        (0.0021, "2.10 ms"),
        (0.0412, "41.2 ms"),
        (0.488, "488 ms"),
        (0.99949, "999 ms"),
        (0.9996, "1.00 s"),
        (1.4, "1.40 s"),
        (12.345, "12.3 s"),
        (4321.0, "4,321 s"),
    ],
)
def test_durations_are_ms_below_a_second_and_s_above(value: float | None, said: str) -> None:
    assert wording.seconds(value) == said


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (None, "—"),
        (0.0, "0 %"),
        (0.00001, "<0.01 %"),
        (0.0012, "0.12 %"),
        (0.01, "1 %"),
        (0.039, "3.9 %"),
        (0.09949, "9.9 %"),
        (0.71, "71 %"),
        (0.996, "99.6 %"),
        (0.99999, ">99.9 %"),
        (1.0, "100 %"),
        (3.8, "380 %"),
    ],
)
def test_ratios_are_said_in_percent(ratio: float | None, said: str) -> None:
    assert wording.percent(ratio) == said


@given(ratio=floats(0.0, 1.0))
def test_only_nothing_reads_as_nothing_and_only_all_as_all(ratio: float) -> None:
    said = wording.percent(ratio)
    assert (said == "0 %") == (ratio == 0.0)
    assert (said == "100 %") == (ratio == 1.0)


@given(value=floats(1e-7, 1e6))
def test_a_said_duration_is_within_half_a_percent_of_the_true_one(value: float) -> None:
    number, unit = wording.seconds(value).split(" ")
    if number.startswith("<"):
        assert value < 0.0000005
        return
    read = float(number.replace(",", "")) / (1000.0 if unit == "ms" else 1.0)
    assert read == pytest.approx(value, rel=0.0051, abs=0.0000005)


@pytest.mark.parametrize(
    ("value", "said"), [(None, "—"), (0.0, "0"), (0.0001, "<0.001"), (31.24, "31.2"), (2400.4, "2,400")]
)
def test_rates_are_said_without_a_unit(value: float | None, said: str) -> None:
    assert wording.rate(value) == said


@pytest.mark.parametrize(
    ("mebibytes", "said"),
    [(0.0, "0 MiB"), (180.4, "180 MiB"), (7.25, "7.25 MiB"), (1023.9, "1.00 GiB"), (2048.0, "2.00 GiB")],
)
def test_memory_is_said_in_mebibytes_and_gibibytes(mebibytes: float, said: str) -> None:
    assert wording.size(mebibytes * 1024 * 1024) == said
    assert wording.size(None) == "—"


@pytest.mark.parametrize(
    ("value", "said"),
    [(-1.0, "0s"), (42.9, "42s"), (725.0, "12m 05s"), (15_180.0, "4h 13m"), (273_600.0, "3d 04h"), (9e7, "1,041d 16h")],
)
def test_ages_are_said_in_their_two_largest_units(value: float, said: str) -> None:
    assert wording.age(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.2, "1 s"), (42.0, "42 s"), (300.0, "5 min"), (3600.0, "60 min"), (86_400.0, "24 h")]
)
def test_windows_are_said_in_one_unit(value: float, said: str) -> None:
    assert wording.window(value) == said


@given(number=integers(0, 10**9))
def test_one_thing_has_no_plural(number: int) -> None:
    assert wording.count(number, "request").endswith("request") == (number == 1)


def test_routes_without_a_template_have_names() -> None:
    assert wording.route_name("GET", "/items/{item_id}") == "GET /items/{item_id}"
    assert wording.route_name("GET", "") == "GET (no route)"
    assert wording.route_name("_OTHER", "_other") == "(any method) (other routes)"


def test_long_lists_say_how_many_more_there_are() -> None:
    assert wording.listed(["a", "b"]) == "a, b"
    assert wording.listed(iter("abcde")) == "a, b, c and 2 more"

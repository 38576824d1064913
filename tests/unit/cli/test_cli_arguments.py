from __future__ import annotations

import argparse

import pytest

from perfkit.cli.arguments import duration, latency, points, seconds, service_url, share, size
from perfkit.cli.console import Style, clean, fitted, is_coloured, shortened, table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("300ms", 0.3),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1h", 3600.0),
        ("3", 3.0),
        (".5 s", 0.5),
        ("50us", 5e-5),
    ],
)
def test_durations_have_units(text: str, expected: float) -> None:
    assert duration(text) == pytest.approx(expected)
    assert seconds(text) == duration(text)


@pytest.mark.parametrize("text", ["", "ms", "-1s", "1 week", "1e3s", "nan", "inf", "1%", "²s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no duration"):
        duration(text)


@pytest.mark.parametrize(("text", "ratio"), [("1%", 0.01), ("0.5", 0.5), ("100 %", 1.0), ("0", 0.0), (".1%", 0.001)])
def test_shares_are_percent_or_ratios(text: str, ratio: float) -> None:
    assert share(text) == pytest.approx(ratio)


@pytest.mark.parametrize("text", ["", "101%", "1.1", "-1%", "1s", "%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        share(text)


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("5", 5), ("64MB", 64_000_000), ("64 MiB", 64 * 2**20), ("1.5kB", 1500), ("1gib", 2**30), ("7B", 7)],
)
def test_sizes_have_units(text: str, bytes_: int) -> None:
    assert size(text) == bytes_


@pytest.mark.parametrize("text", ["", "-1", "MB", "5 apples", "1e9", "5ms", "10000TB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no size"):
        size(text)


@pytest.mark.parametrize("text", ["0", "0ms", "-1", "nan", "inf", "soon"])
def test_a_timeout_is_above_0(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        seconds(text)


@pytest.mark.parametrize("text", ["101", "-1", "x", "٣", ""])
def test_what_is_no_score_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        points(text)


@pytest.mark.parametrize(
    "text", ["not a url", "http://a b", "http://ho\x1bst", "http://h\u202e", "ftp://x", "http://", "http://h:99999", ""]
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a URL"):
        service_url(text)


@pytest.mark.parametrize("text", ["http://u:p@host/", "http://token@host", "http://host/perfkit/?t=abc"])
def test_a_secret_in_a_url_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="holds a secret") as caught:
        service_url(text)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("a\x9b2Jb", "a\ufffd2Jb"),
        ("title\x1b]0;x\x07", "title\ufffd]0;x\ufffd"),
        ("over\rwritten\n", "over written "),
        ("right\u202eleft\u2066", "right\ufffdleft\ufffd"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("mark\u061c, hyphen\u00ad", "mark\ufffd, hyphen\ufffd"),
        ("tags\U000e0041", "tags\ufffd"),
        ("half\ud800", "half\ufffd"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_lines_are_kept_where_they_are_wanted() -> None:
    assert clean("a\nb\x1bc", lines=True) == "a\nb\ufffdc"


class Terminal:
    def isatty(self) -> bool:
        return True


class Closed:
    def isatty(self) -> bool:
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize(
    ("wish", "environ", "coloured"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", {"CLICOLOR": "0"}, False),
        ("auto", {"TERM": "dumb"}, False),
        ("auto", {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_follows_the_wish_then_the_environment_then_the_terminal(
    wish: str, environ: dict[str, str], coloured: bool
) -> None:
    assert is_coloured(wish, Terminal(), environ) is coloured  # type: ignore[arg-type]  # as much of a stream as is asked


def test_what_is_no_terminal_has_no_colour() -> None:
    assert not is_coloured("auto", Closed(), {})  # type: ignore[arg-type]  # as much of a stream as is asked
    assert is_coloured("auto", Closed(), {"FORCE_COLOR": "1"})  # type: ignore[arg-type]


def test_styles_are_nothing_without_colour() -> None:
    assert Style(False)("word", "red") == "word"
    assert Style(True)("word", "red", "bold") == "\x1b[31;1mword\x1b[0m"


def test_tables_align_and_texts_are_cut_with_a_mark() -> None:
    assert table(("a", "n"), [("long", "1"), ("x", "200")]) == ["a       n", "long    1", "x     200"]
    assert (fitted("abcdef", 4), fitted("abc", 4), fitted("abc", 0)) == ("abc~", "abc", "")


def test_a_limit_of_a_latency_has_a_unit() -> None:
    assert (latency("300ms"), latency("1.5s"), latency("0")) == (0.3, 1.5, 0.0)
    with pytest.raises(argparse.ArgumentTypeError, match="'300' has no unit; it must be such as 300ms"):
        latency("300")


def test_a_name_is_shortened_where_names_are_alike() -> None:
    names = {shortened(f"GET /products/{{product_id}}{end}", 20) for end in ("", "/stock")}
    assert names == {"GET /produ~oduct_id}", "GET /produ~id}/stock"}
    assert (shortened("abc", 3), shortened("abcdef", 2), shortened("abc", 0)) == ("abc", "a~", "")

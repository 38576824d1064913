"""Who asks how for the metrics gets what."""

from __future__ import annotations

import gzip

import pytest

from perfkit.http.negotiate import (
    MAX_NAMES,
    BadQuery,
    Choice,
    accepted,
    accepts_gzip,
    choose,
    gzipped,
    wanted_names,
)
from perfkit.metrics.exposition import Escaping, Format
from perfkit.testing.exposition import ACCEPTS


@pytest.mark.parametrize(("accept", "expected"), ACCEPTS)
def test_real_and_hostile_headers_are_answered(accept: str, expected: str) -> None:
    assert accepted(accept).content_type.startswith(expected)


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("application/openmetrics-text", "openmetrics"),
        ("application/*", "openmetrics"),
        ("text/*", "prometheus"),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", "openmetrics"),
        ('application/openmetrics-text; version="1.0.0"; q=0.5 , text/plain ; q=0.4', "openmetrics"),
        ("text/plain,application/openmetrics-text", "prometheus"),
        ("application/openmetrics-text,text/plain", "openmetrics"),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.500", "prometheus"),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", "prometheus"),
        ("text/plain;version=9,application/openmetrics-text;q=0.1", "openmetrics"),
        ("application/json", "prometheus"),
        ("text/plain;q=0,*/*;q=0.5", "openmetrics"),
        ("text/*;q=0,*/*;q=0.5", "openmetrics"),
        ("text/plain;q=0,application/openmetrics-text;q=0", "prometheus"),
        ("*/*;q=0", "prometheus"),
    ],
)
def test_the_highest_weight_that_we_can_serve_wins(accept: str, format: str) -> None:
    assert accepted(accept).format == format


@pytest.mark.parametrize("weight", ["", "x", "1.1", "-1", "nan", "inf", "2", "0.5.5", "1e0", "٠.٥", "+1"])
def test_an_entry_with_a_malformed_weight_is_ignored(weight: str) -> None:
    accept = f"application/openmetrics-text;q={weight},text/plain;q=0.1"
    assert accepted(accept).format is Format.PROMETHEUS


@pytest.mark.parametrize("scheme", list(Escaping))
@pytest.mark.parametrize("media", ["text/plain", "application/openmetrics-text"])
def test_escaping_is_agreed_on_from_version_1(media: str, scheme: Escaping) -> None:
    choice = accepted(f"{media};version=1.0.0;escaping={scheme}")
    assert choice.escaping is scheme
    assert choice.content_type.endswith(f"; escaping={scheme}")
    assert f"{media}; version=1.0.0;" in choice.content_type


@pytest.mark.parametrize("scheme", ["", "none", "allow-utf-8\r\nSet-Cookie: x"])
def test_an_unknown_escaping_is_underscores(scheme: str) -> None:
    choice = accepted(f"text/plain;version=1.0.0;escaping={scheme}")
    assert choice.content_type == "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"


def test_old_versions_know_no_escaping() -> None:
    for accept in (
        "text/plain;version=0.0.4;escaping=dots",
        "application/openmetrics-text;version=0.0.1;escaping=dots",
    ):
        choice = accepted(accept)
        assert choice.escaping is Escaping.UNDERSCORES
        assert "escaping" not in choice.content_type


def test_an_endless_header_is_read_in_part() -> None:
    assert accepted("image/png," * 100_000 + "application/openmetrics-text").format is Format.PROMETHEUS


@pytest.mark.parametrize("format", list(Format))
def test_the_query_overrides_the_header(format: Format) -> None:
    choice = choose("application/openmetrics-text", f"a=b&format={format}")
    assert isinstance(choice, Choice)
    assert choice.format is format


def test_without_format_in_the_query_the_header_decides() -> None:
    choice = choose("application/openmetrics-text", "name[]=format")
    assert isinstance(choice, Choice)
    assert choice.format is Format.OPENMETRICS


def test_an_unknown_format_is_a_bad_request_that_lists_the_four() -> None:
    answer = choose("*/*", "format=xml")
    assert isinstance(answer, BadQuery)
    assert answer.status == 400
    assert "'xml'" in answer.message
    assert "prometheus, openmetrics, json, csv" in answer.message


def test_the_message_is_short_whatever_the_query() -> None:
    answer = choose("", "format=" + "x" * 100_000)
    assert isinstance(answer, BadQuery)
    assert len(answer.message) < 400


@pytest.mark.parametrize(
    ("accept_encoding", "welcome"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP;Q=0.1", True),
        ("x-gzip", True),
        ("deflate, br", False),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip", True),
        ("gzip;q=x", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_used_where_it_is_welcome(accept_encoding: str, welcome: bool) -> None:
    assert accepts_gzip(accept_encoding) is welcome


def test_gzip_unpacks_to_the_same_and_is_much_smaller() -> None:
    body = b"".join(b'jobs_total{queue="q%d"} %d.0\n' % (n, n * n) for n in range(1_000))
    assert gzip.decompress(gzipped(body)) == body
    assert len(gzipped(body)) < len(body) / 3
    assert gzipped(body) == gzipped(body)


def test_names_are_repeated_fields_percent_decoded() -> None:
    assert wanted_names("name[]=a&name%5B%5D=b%5fc&format=json&name[]=a&name[]=") == frozenset({"a", "b_c"})


@pytest.mark.parametrize("query", ["", "format=json", "name[]=", "name=a"])
def test_without_names_all_metrics_are_meant(query: str) -> None:
    assert wanted_names(query) is None


def test_the_number_of_names_is_bounded() -> None:
    assert isinstance(wanted_names("&".join(f"name[]=n{n}" for n in range(MAX_NAMES))), frozenset)
    answer = wanted_names("&".join(f"name[]=n{n}" for n in range(100_000)))
    assert isinstance(answer, BadQuery)
    assert answer.status == 400


def test_bytes_that_are_no_utf8_do_not_raise() -> None:
    assert wanted_names("name[]=%ff&%") == frozenset({"\ufffd"})

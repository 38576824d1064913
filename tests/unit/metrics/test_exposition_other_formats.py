"""JSON and CSV: for programs and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from perfkit.core.families import Definition, Family, Histogram, MetricType, Point
from perfkit.metrics.exposition import Format, content_type, render

JOBS = Definition(
    name="jobs_seconds_total",
    type=MetricType.COUNTER,
    description="Jobs.",
    labels=("queue", "error_type"),
    unit="seconds",
)
WAIT = Definition(name="wait_seconds", type=MetricType.HISTOGRAM)


def rows(*families: Family) -> list[list[str]]:
    text = render(families, "csv", at=1700000000.25).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_json_lists_families_with_samples() -> None:
    page = json.loads(render([Family(JOBS, [Point(("mail", ""), 2.0)])], "json"))
    assert page == [
        {
            "name": "jobs_seconds_total",
            "type": "counter",
            "help": "Jobs.",
            "unit": "seconds",
            "samples": [{"name": "jobs_seconds_total", "labels": {"queue": "mail"}, "value": 2.0}],
        }
    ]


def test_json_shows_the_series_of_a_histogram() -> None:
    page = json.loads(render([Family(WAIT, [Point((), Histogram((1.0,), (1.0, 2.0), 4.0))])], "json"))
    assert [(sample["name"], sample["labels"], sample["value"]) for sample in page[0]["samples"]] == [
        ("wait_seconds_bucket", {"le": "1.0"}, 1.0),
        ("wait_seconds_bucket", {"le": "+Inf"}, 3.0),
        ("wait_seconds_count", {}, 3.0),
        ("wait_seconds_sum", {}, 4.0),
    ]


@pytest.mark.parametrize(("value", "text"), [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf")])
def test_json_writes_what_it_has_no_number_for_as_text(value: float, text: str) -> None:
    family = Family(Definition(name="level", type=MetricType.GAUGE), [Point((), value)])
    assert json.loads(render([family], "json"))[0]["samples"][0]["value"] == text


def test_json_of_nothing_is_an_empty_list() -> None:
    assert json.loads(render([], "json")) == []


def test_csv_has_one_row_a_series() -> None:
    assert rows(Family(JOBS, [Point(('a,"b"\n', "x"), 2.0)])) == [
        ["name", "type", "labels", "value", "timestamp"],
        ["jobs_seconds_total", "counter", '{"queue":"a,\\"b\\"\\n","error_type":"x"}', "2.0", "1700000000.250"],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_disarms_what_a_spreadsheet_would_run(start: str) -> None:
    family = Family(Definition(name=f"{start}cmd|' /C calc'!A0", type=MetricType.GAUGE), [Point((), -1.0)])
    assert rows(family)[1][0] == f"'{start}cmd|' /C calc'!A0"


def test_csv_keeps_a_negative_number_a_number() -> None:
    family = Family(Definition(name="level", type=MetricType.GAUGE), [Point((), -1.5)])
    assert rows(family)[1][3] == "-1.5"


@pytest.mark.parametrize("format", ["json", "csv"])
def test_an_unencodable_label_does_not_lose_the_page(format: str) -> None:
    assert "a?b" in render([Family(JOBS, [Point(("a\ud800b", ""), 2.0)])], format).decode()


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(ValueError, match="xml"):
        render([], "xml")


def test_content_types_name_version_and_charset() -> None:
    assert content_type(Format.PROMETHEUS) == "text/plain; version=0.0.4; charset=utf-8"
    assert content_type(Format.OPENMETRICS) == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
    )
    assert content_type(Format.JSON) == "application/json"
    assert content_type(Format.CSV).startswith("text/csv; charset=utf-8")

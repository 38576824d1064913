"""Load reports as they stand in headers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.load_balancer import LoadBalancer
from perfkit.load_balancer.reports.orca import format_json, format_text, parse, parse_headers
from perfkit.load_balancer.reports.reading import read_report
from perfkit.load_balancer.reports.report import LoadReport

figures = st.none() | st.floats(0.0, 1e6).map(lambda value: float(f"{value:.5g}"))


@given(in_flight=figures, utilization=figures, memory=figures, rps=figures, eps=figures, latency=figures)
def test_what_is_written_is_read_again(
    in_flight: float | None,
    utilization: float | None,
    memory: float | None,
    rps: float | None,
    eps: float | None,
    latency: float | None,
) -> None:
    report = LoadReport(in_flight=in_flight, utilization=utilization, memory=memory, rps=rps, eps=eps, latency=latency)
    if report == LoadReport():
        return
    for written in (format_text(report), format_json(report)):
        read = parse(written)
        assert read is not None
        for name in LoadReport.__struct_fields__:
            value = getattr(report, name)
            assert getattr(read, name) == (None if value is None else pytest.approx(value, rel=1e-4, abs=1e-6))


@pytest.mark.parametrize(
    "text",
    [
        "cpu_utilization:0.3, mem_utilization:0.8, application_utilization:0.5, rps_fractional:10, eps:1",
        "TEXT cpu_utilization=0.3,mem_utilization=0.8,application_utilization=0.5,rps_fractional=10,eps=1",
        'JSON {"cpu_utilization":0.3,"mem_utilization":0.8,"application_utilization":0.5,"rps_fractional":10,"eps":1}',
        '{"cpu_utilization":0.3,"mem_utilization":0.8,"application_utilization":0.5,"rps_fractional":10,"eps":1}',
    ],
)
def test_both_forms_with_and_without_prefix(text: str) -> None:
    assert parse(text) == LoadReport(cpu=0.3, memory=0.8, utilization=0.5, rps=10.0, eps=1.0)


def test_without_a_figure_of_the_application_the_cpu_stands_for_it() -> None:
    report = parse("TEXT cpu_utilization=0.7")
    assert report is not None
    assert report.utilization == 0.7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cpu_utilization:nan",
        "cpu_utilization:inf",
        "cpu_utilization:-1",
        "cpu_utilization:0.1, cpu_utilization:0.2",
        "unknown:1",
        "cpu_utilization",
        "JSON [1]",
        'JSON {"cpu_utilization":"high"}',
        'JSON {"cpu_utilization":true}',
        "JSON {",
        "TEXT named_metrics.rif=4" + "0" * 5000,
        "JSON " + "[" * 4000,
    ],
)
def test_what_is_no_report_is_none(text: str) -> None:
    assert parse(text) is None


@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_no_header_raises(text: str | bytes) -> None:
    parse(text)


def test_two_formats_at_once_are_no_report() -> None:
    one, two = (
        {"endpoint-load-metrics": "cpu_utilization:0.3"},
        {"endpoint-load-metrics-json": '{"cpu_utilization":0.3}'},
    )
    assert parse_headers(one) == parse_headers(two) == LoadReport(cpu=0.3, utilization=0.3)
    assert parse_headers(one | two) is None


def test_a_whole_number_beyond_all_floats_is_no_report() -> None:
    huge = 10**400
    assert parse(f'JSON {{"cpu_utilization":{huge}}}') is None
    assert read_report(huge) is None


@pytest.mark.parametrize("figure", [math.nan, math.inf, -1.0])
def test_a_figure_that_no_server_has_is_counted_and_forgotten_wherever_it_comes_from(figure: float) -> None:
    balancer = LoadBalancer("prequal")
    balancer.add_server("one")
    balancer.acquire().release(report=LoadReport(in_flight=figure))
    balancer.record_probe("one", in_flight=1.0, latency=figure)
    assert balancer.server("one").report is None
    balancer.acquire().release(report=f'JSON {{"cpu_utilization":{10**400}}}')
    assert balancer.server("one").in_flight == 0

"""The public checker of pages: each fault is caught, and right pages are left alone."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from perfkit.testing.exposition import ACCEPTS, agreement_problems, problems, progress_problems, read

HISTOGRAM = (
    '# TYPE w histogram\nw_bucket{le="0.5"} 1\nw_bucket{le="1.0"} 2\nw_bucket{le="+Inf"} 4\nw_count 4\nw_sum 3.5\n'
)
COUNTER = "# TYPE c counter\nc_total 1\n"
END = "# EOF\n"

BROKEN_TEXT = {
    "no line feed at the end": "a 1",
    "blank line": "a 1\n\nb 1\n",
    "carriage return": "a 1\r\n",
    "no number": "a one\n",
    "no value": "a\n",
    "python's infinity": "a inf\n",
    "python's nan": "a nan\n",
    "too many fields": "a 1 2 3\n",
    "bad metric name": "a-b 1\n",
    "label without value": "a{b} 1\n",
    "label without quotes": "a{b=c} 1\n",
    "label not escaped": 'a{b="c"d"} 1\n',
    "unknown escape": 'a{b="\\t"} 1\n',
    "label twice": 'a{b="1",b="2"} 1\n',
    "no comma": 'a{b="1"c="2"} 1\n',
    "not closed": 'a{b="1" 1\n',
    "reserved label": 'a{__b="1"} 1\n',
    "no blank": "a{}1\n",
    "two names": '{"a","b"} 1\n',
    "name twice": 'a{"a"} 1\n',
    "name unquoted in a comment": "# TYPE a-b gauge\n",
    "series twice": 'a{b="1",c="2"} 1\na{c="2",b="1"} 1\n',
    "an empty label is an absent one": 'a{b=""} 1\na 1\n',
    "interleaved": 'a 1\nb 1\na{x="1"} 1\n',
    "interleaved histogram": HISTOGRAM.replace("w_count", "z 1\nw_count"),
    "type twice": "# TYPE a gauge\n# TYPE a gauge\na 1\n",
    "help twice": "# HELP a x\n# HELP a y\na 1\n",
    "type behind samples": "a 1\n# TYPE a gauge\n",
    "type of the other format": "# TYPE a unknown\na 1\n",
    "help escaped wrongly": "# HELP a \\t\n",
    "negative counter": "# TYPE a counter\na -1\n",
    "counter that is no number": "# TYPE a counter\na NaN\n",
    "exemplar": '# TYPE a_total counter\na_total 1 # {x="y"} 1\n',
    "two families claim a name": HISTOGRAM + "# TYPE w_count gauge\n",
    "no last bucket": HISTOGRAM.replace('w_bucket{le="+Inf"} 4\n', ""),
    "bounds descend": HISTOGRAM.replace("0.5", "5.0"),
    "bucket without bound": HISTOGRAM.replace('{le="0.5"}', ""),
    "buckets do not accumulate": HISTOGRAM.replace('"0.5"} 1', '"0.5"} 3'),
    "count is not the last bucket": HISTOGRAM.replace("count 4", "count 5"),
    "negative bucket": HISTOGRAM.replace('"0.5"} 1', '"0.5"} -1'),
    "bound in another form": HISTOGRAM.replace('"1.0"', '"1"'),
    "parts of two series mixed": (
        '# TYPE w histogram\nw_bucket{a="1",le="+Inf"} 1\nw_bucket{a="2",le="+Inf"} 1\n'
        'w_count{a="1"} 1\nw_count{a="2"} 1\n'
    ),
}
BROKEN_OPENMETRICS = {
    "no end": COUNTER,
    "something behind the end": COUNTER + END + COUNTER,
    "two line feeds behind the end": COUNTER + END + "\n",
    "foreign comment": "# hello\n" + COUNTER + END,
    "counter without total": "# TYPE c counter\nc 1\n" + END,
    "type names the sample": "# TYPE c_total counter\nc_total 1\n" + END,
    "type of the other format": "# TYPE c untyped\nc 1\n" + END,
    "unit that the name has not": "# TYPE c counter\n# UNIT c seconds\nc_total 1\n" + END,
    "info that is not one": "# TYPE i info\ni_info 2\n" + END,
    "exemplar on a gauge": '# TYPE g gauge\ng 1 # {a="b"} 1\n' + END,
    "exemplar on a sum": HISTOGRAM.replace("sum 3.5", 'sum 3.5 # {a="b"} 1') + END,
    "exemplar too long": COUNTER.replace(" 1", f' 1 # {{a="{"x" * 128}"}} 1') + END,
    "exemplar above its bucket": HISTOGRAM.replace('"0.5"} 1', '"0.5"} 1 # {a="b"} 0.6') + END,
    "exemplar below its bucket": HISTOGRAM.replace('"1.0"} 2', '"1.0"} 2 # {a="b"} 0.5') + END,
    "exemplar without value": COUNTER.replace(" 1", ' 1 # {a="b"}') + END,
    "exemplar without labels": COUNTER.replace(" 1", " 1 # 1") + END,
    "sum with negative bounds": HISTOGRAM.replace("0.5", "-0.5") + END,
}


@pytest.mark.parametrize("fault", BROKEN_TEXT)
def test_a_fault_of_prometheus_text_is_caught(fault: str) -> None:
    assert problems(BROKEN_TEXT[fault]) != []


@pytest.mark.parametrize("fault", BROKEN_OPENMETRICS)
def test_a_fault_of_openmetrics_is_caught(fault: str) -> None:
    assert problems(BROKEN_OPENMETRICS[fault], openmetrics=True) != []


def test_bytes_that_are_no_utf8_are_caught() -> None:
    assert problems(b'a{b="\xff"} 1\n') != []


def test_too_many_series_are_caught() -> None:
    page = "".join(f'a{{b="{n}"}} 1\n' for n in range(11))
    assert problems(page, max_series=11) == []
    assert "11 series" in problems(page, max_series=10)[0]


@pytest.mark.parametrize(
    "page",
    [
        "",
        HISTOGRAM,
        '# a word\n# HELP a x "y" \\\\ \\n\n# TYPE a gauge\na NaN 1700000000000\n',
        'a{b="\\\\\\"\\n}, # {",c="ü",} -Inf\n',
        '# TYPE "a.b" gauge\n{"a.b","c.d"="e"} 1e-5\n',
        "# TYPE a_total counter\na_total +Inf\n",
    ],
)
def test_right_prometheus_text_passes(page: str) -> None:
    assert problems(page) == []


@pytest.mark.parametrize(
    "page",
    [
        END,
        COUNTER + END,
        COUNTER + "c_created 1.5\n" + END,
        HISTOGRAM.replace('"1.0"} 2', '"1.0"} 2 # {a="# {}"} 1.0 17.5') + END,
        '# TYPE i info\n# HELP i x\ni_info{a="b"} 1\n' + END,
        '# TYPE s_seconds summary\n# UNIT s_seconds seconds\ns_seconds{quantile="0.5"} 1\ns_seconds_count 1\n' + END,
    ],
)
def test_right_openmetrics_passes(page: str) -> None:
    assert problems(page, openmetrics=True) == []


def test_reading_gives_names_labels_and_values() -> None:
    (series,) = read('a{b="c\\"\\n",d=""} 2.5\n').series
    assert (series.name, series.labels, series.value) == ("a", (("b", 'c"\n'), ("d", "")), 2.5)
    assert series.identity == ("a", (("b", 'c"\n'),))


@pytest.mark.parametrize(("kind", "before"), [("counter", "# TYPE c_total counter\nc_total 5\n"), ("w", HISTOGRAM)])
def test_a_count_may_only_grow(kind: str, before: str) -> None:
    assert progress_problems(before, before) == []
    assert progress_problems(before, before.replace(" 5", " 6").replace(" 4", " 9")) == []
    assert progress_problems(before, before.replace(" 5", " 4").replace(" 4", " 3")) != []


def test_a_count_may_not_vanish() -> None:
    before = '# TYPE c counter\nc_total{a="1"} 1\nc_total{a="2"} 1\n# EOF\n'
    found = progress_problems(before, before.replace('c_total{a="1"} 1\n', ""), openmetrics=True)
    assert len(found) == 1
    assert "vanished" in found[0]


def test_a_gauge_may_sink_and_vanish() -> None:
    assert progress_problems("# TYPE g gauge\ng 5\n", "# TYPE g gauge\ng 1\n") == []
    assert progress_problems("# TYPE g gauge\ng 5\n", "") == []


def test_both_formats_must_show_the_same_series() -> None:
    text = "# TYPE c_total counter\nc_total 1\n" + HISTOGRAM
    openmetrics = COUNTER + HISTOGRAM + END
    assert agreement_problems(text, openmetrics) == []
    assert len(agreement_problems(text, openmetrics.replace('"1.0"', '"1"'))) == 2
    assert len(agreement_problems(text, openmetrics.replace("c_total 1", "c_total 2"))) == 1
    assert agreement_problems("a NaN\n", "a NaN\n# EOF\n") == []


def registry() -> CollectorRegistry:
    result = CollectorRegistry()
    counter = Counter("jobs", 'Jobs "done"\\\n.', ["queue"], registry=result)
    counter.labels('a"\\\n').inc(3, {"trace_id": "abc"})
    Gauge("level", "", registry=result).set(float("nan"))
    Histogram("wait_seconds", "Wait.", ["route"], registry=result).labels("/a").observe(0.2, {"trace_id": "abc"})
    Summary("size_bytes", "Size.", registry=result).observe(5)
    Info("build", "Build.", registry=result).info({"version": "1"})
    return result


def test_pages_of_prometheus_client_pass() -> None:
    assert problems(generate_latest(registry())) == []
    assert problems(generate_openmetrics(registry()), openmetrics=True) == []


def test_the_accept_headers_find_that_prometheus_client_ignores_weights() -> None:
    wrong = [accept for accept, expected in ACCEPTS if not choose_encoder(accept)[1].startswith(expected)]
    assert wrong == [
        "application/openmetrics-text;q=0.2,text/plain;q=0.9",
        "application/openmetrics-text;q=0,text/plain;q=0.1",
        "application/openmetrics-text;q=0",
    ]

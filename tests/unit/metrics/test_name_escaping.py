"""Foreign names under the four schemes."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perfkit.core.families import Definition, Family, Histogram, MetricType, Point
from perfkit.metrics.exposition import Escaping, render
from perfkit.metrics.exposition.identifiers import escaped_name
from perfkit.testing.exposition import problems


@pytest.mark.parametrize(
    ("scheme", "name", "expected"),
    [
        ("underscores", "metric.name/with/slashes", "metric_name_with_slashes"),
        ("underscores", "http_requests", "http_requests"),
        ("underscores", "0day", "_day"),
        ("underscores", "größe", "gr__e"),
        ("dots", "metric.name.with.dots", "metric_dot_name_dot_with_dot_dots"),
        ("dots", "http_requests", "http__requests"),
        ("dots", "a/b", "a_b"),
        ("values", "metric.name", "U__metric_2E_name"),
        ("values", "http_requests.all", "U__http__requests_2E_all"),
        ("values", "http_requests", "http_requests"),
        ("values", "größe", "U__gr_F6__DF_e"),
        ("allow-utf-8", "metric.name", "metric.name"),
    ],
)
def test_each_scheme_escapes_as_specified(scheme: str, name: str, expected: str) -> None:
    assert escaped_name(name, Escaping(scheme)) == expected


def test_a_colon_belongs_to_metrics_and_not_to_labels() -> None:
    assert escaped_name("a:b", Escaping.UNDERSCORES) == "a:b"
    assert escaped_name("a:b", Escaping.UNDERSCORES, is_label=True) == "a_b"


@pytest.mark.parametrize("scheme", list(Escaping))
@pytest.mark.parametrize("format", ["prometheus", "openmetrics"])
def test_pages_with_foreign_names_are_right(scheme: Escaping, format: str) -> None:
    families = [
        Family(
            Definition(name='my."metric"\n.total_total', type=MetricType.COUNTER, labels=("label.x", "le")),
            [Point(("v", "w"), 1.0), Point(("", ""), 1.0)],
        ),
        Family(
            Definition(name="wait.time_seconds", type=MetricType.HISTOGRAM, unit="seconds", labels=("größe",)),
            [Point(("v",), Histogram((1.0,), (1.0, 2.0), 3.0)), Point(("",), Histogram((1.0,), (1.0, 2.0), 3.0))],
        ),
    ]
    page = render(families, format, escaping=scheme).decode()
    assert problems(page, openmetrics=format == "openmetrics") == []
    if format == "openmetrics":
        assert len(list(text_string_to_metric_families(page))) == 2


def test_a_quoted_name_moves_into_the_braces() -> None:
    family = Family(Definition(name="my.metric", type=MetricType.GAUGE, labels=("label.x",)), [Point(("v",), 1.0)])
    assert render([family], escaping="allow-utf-8").decode() == (
        '# TYPE "my.metric" gauge\n{"my.metric","label.x"="v"} 1.0\n'
    )


def test_created_follows_a_quoted_name() -> None:
    family = Family(Definition(name="a.b_total", type=MetricType.COUNTER, labels=("x",)), [Point(("v",), 1.0)])
    page = render([family], "openmetrics", escaping="allow-utf-8", created_at=5.0).decode()
    assert '{"a.b_total",x="v"} 1.0\n{"a.b_created",x="v"} 5.0\n' in page


def test_two_names_that_escaping_makes_one_are_one_family_too_many() -> None:
    families = [Family(Definition(name=name, type=MetricType.GAUGE), [Point((), 1.0)]) for name in ("a.b", "a_b")]
    reports: list[str] = []
    page = render(families, on_error=lambda name, error: reports.append(name))
    assert page == b"# TYPE a_b gauge\na_b 1.0\n"
    assert reports == ["a_b"]
    assert render(families, escaping="values").count(b"# TYPE") == 2

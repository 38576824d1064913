"""promtool, Prometheus' own checker, accepts our pages."""

from __future__ import annotations

import math
import shutil
import subprocess

import pytest

from perfkit.core.families import Definition, Exemplar, Family, Histogram, MetricType, Point, Summary
from perfkit.metrics.exposition import render

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed; install it with: apt-get install prometheus"
)
LINT_ONLY = 3
"""promtool's exit code for a valid page with names that it finds unusual."""

FAMILIES = [
    Family(
        Definition(
            name="http_server_request_duration_seconds",
            type=MetricType.HISTOGRAM,
            description='Duration, "wall" time\\\n of requests.',
            labels=("http_route", "error_type"),
            unit="seconds",
        ),
        [
            Point(("/a/{b}", ""), Histogram((0.005, 1.0, 1e6), (1.0, 2.0, 0.0, 4.0), 12.5)),
            Point(("", 'q"\\\n'), Histogram((0.005, 1.0, 1e6), (0.0,) * 4, 0.0)),
        ],
    ),
    Family(
        Definition(name="temperature_celsius", type=MetricType.HISTOGRAM, description="Below zero."),
        [Point((), Histogram((-10.0, 10.0), (1.0, 2.0, 3.0), -5.0))],
    ),
    Family(
        Definition(name="jobs_total", type=MetricType.COUNTER, description="Jobs.", labels=("queue",)),
        [Point(("größe 🎉",), 3.0, Exemplar((("trace_id", "a"),), 1.0)), Point(("",), math.inf)],
    ),
    Family(
        Definition(name="level_ratio", type=MetricType.GAUGE, description="Level.", labels=("x",)),
        [Point(("a",), math.nan), Point(("b",), -math.inf), Point(("c",), 1e-300)],
    ),
    Family(
        Definition(name="size_bytes", type=MetricType.SUMMARY, description="Sizes."),
        [Point((), Summary(((0.5, 1.0), (0.99, 2.0)), 3.0, 4.0))],
    ),
    Family(
        Definition(name="target_info", type=MetricType.INFO, description="Target.", labels=("service_name",)),
        [Point(("shop",), 1.0)],
    ),
    Family(Definition(name="thing", type=MetricType.UNKNOWN, description="Thing."), [Point((), -1.0)]),
]


def check(page: bytes) -> subprocess.CompletedProcess[bytes]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, "check", "metrics"], input=page, capture_output=True, check=False, timeout=60)


@needs_promtool
@pytest.mark.parametrize("scheme", ["underscores", "dots", "values"])
def test_promtool_accepts_every_type(scheme: str) -> None:
    result = check(render(FAMILIES, escaping=scheme))
    assert result.returncode in (0, LINT_ONLY), result.stderr.decode()


@needs_promtool
def test_promtool_has_nothing_to_say_about_our_own_kind_of_names() -> None:
    result = check(render([FAMILIES[0], *FAMILIES[2:4]]))
    assert (result.returncode, result.stdout + result.stderr) == (0, b"")


@needs_promtool
def test_promtool_would_find_a_fault() -> None:
    assert check(render(FAMILIES).replace(b'le="+Inf"} 7.0', b'le="+Inf"} seven')).returncode == 1

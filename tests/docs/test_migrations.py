"""The ways from other packages speak of what those packages have, and leave nothing of it out."""

from __future__ import annotations

import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from doc_pages import rows, section, text

PAGES = {
    "starlette_exporter": "docs/migrations/starlette-exporter.md",
    "django_prometheus": "docs/migrations/django-prometheus.md",
    "silk": "docs/migrations/django-silk.md",
}
METRICS = {"starlette_exporter": r"`(starlette_\w+)", "django_prometheus": r"`(django_[a-z]+_\w+)"}


def sources(package: str) -> str:
    """Return all of the Python of *package*, as it is installed; nothing of it is imported."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return "\n".join(path.read_text() for path in sorted(Path(spec.origin).parent.rglob("*.py")))


def left(page: str, heading: str) -> str:
    """Return the first cells of the tables below *heading*."""
    return "\n".join(cells[0] for cells in rows(section(text(page), heading)))


def right(page: str, heading: str) -> str:
    return "\n".join(cells[1] for cells in rows(section(text(page), heading)))


@pytest.mark.parametrize("package", METRICS)
def test_the_metrics_of_the_tables_exist_on_both_sides(package: str) -> None:
    page, source = PAGES[package], sources(package)
    theirs = set(re.findall(METRICS[package], left(page, "## Metrics")))
    assert len(theirs) >= 3
    for name in theirs:
        # Its own prefix is a setting, and the ends are those of the format.
        stem = re.sub(r"_(bucket|total)$", "", name).removeprefix("starlette_")
        assert stem in source, name
    ours = set(re.findall(r"`((?:http|db|perfkit)_\w+(?:_\w+)+)", right(page, "## Metrics"))) - {"http_route"}
    documented = set(re.findall(r"^\| `(\w+)` \|", text("docs/reference/metrics.md"), re.MULTILINE))
    labels = set(
        re.findall(r"`(\w+)`", "".join(cells[2] for cells in rows(text("docs/reference/metrics.md")) if len(cells) > 3))
    )
    assert {re.sub(r"_(bucket|count)$", "", name) for name in ours} <= documented | labels


def test_every_metric_of_django_prometheus_is_spoken_of() -> None:
    defined = set(re.findall(r'^ {4,}"(django_[a-z_]+)",$', sources("django_prometheus"), re.MULTILINE))
    assert len(defined) > 20
    page = text(PAGES["django_prometheus"])
    # Where several are alike the page names one.
    alike = {
        "django_model_updates_total",
        "django_model_deletes_total",
        "django_migrations_unapplied_total",
        "django_http_requests_unknown_latency_including_middlewares_total",
        "django_http_requests_unknown_latency_total",
        "django_db_new_connection_errors_total",
        "django_db_execute_many_total",
        "django_cache_get_fail_total",
    }
    assert not {name for name in defined - alike if name not in page}


def test_every_option_of_starlette_exporter_is_spoken_of() -> None:
    from starlette_exporter import PrometheusMiddleware

    options = set(inspect.signature(PrometheusMiddleware).parameters) - {"app"}
    page = text(PAGES["starlette_exporter"])
    assert not {option for option in options if not re.search(rf"`{option}\b", page)}


def test_every_setting_of_django_prometheus_in_the_table_exists() -> None:
    named = set(re.findall(r"PROMETHEUS_\w+", left(PAGES["django_prometheus"], "## Settings")))
    assert named
    assert not {name for name in named if name not in sources("django_prometheus")}


def test_every_setting_of_silk_is_spoken_of_and_no_other() -> None:
    config = inspect.cleandoc(sources("silk"))
    defined = set(re.findall(r"^\s+'(SILKY_\w+)':", config, re.MULTILINE))
    assert len(defined) > 20
    page = text(PAGES["silk"])
    named = set(re.findall(r"SILKY_[A-Z_]+[A-Z]", page))
    assert named <= defined
    # The details of what has no counterpart are not listed one by one.
    details = {
        name
        for name in defined
        if name.startswith(
            ("SILKY_PYTHON_PROFILER_", "SILKY_STORAGE", "SILKY_JSON", "SILKY_MIDDLEWARE", "SILKY_EXPLAIN")
        )
    }
    assert not defined - named - details

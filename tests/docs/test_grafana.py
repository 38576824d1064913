"""The dashboard and the rules that we ship: Grafana's words are right, and Prometheus knows what is asked."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import ROOT, blocks, rows, section, text
from grafana_board import BOARD, RULES, filled, metrics_of, queries
from prometheus_server import PROMTOOL

GRAFANA = ROOT / "docs" / "grafana"
PAGE = "docs/how-to/grafana.md"

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed; install it with: apt-get install prometheus"
)


def promtool(*arguments: str | Path, cwd: Path | None = None) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(BOARD.read_text())["panels"]
    return found


def test_the_file_is_what_its_maker_writes() -> None:
    spec = importlib.util.spec_from_file_location("make", GRAFANA / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    # Its dataclasses look for their module there.
    import sys

    sys.modules["make"] = make
    try:
        spec.loader.exec_module(make)
        assert BOARD.read_text() == make.text(), "run: python docs/grafana/make.py"
    finally:
        del sys.modules["make"]


def test_the_dashboard_can_be_imported_into_any_grafana() -> None:
    board = json.loads(BOARD.read_text())
    assert "id" not in board
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", board["uid"])
    assert board["schemaVersion"] == 42
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance", "route"]
    # No data source of somebody's own: each is the one that is chosen at the top.
    sources = re.findall(r'"uid": "([^"]*)"', BOARD.read_text())
    assert set(sources) == {"${datasource}", board["uid"]}
    used = set(re.findall(r"\$\{?(\w+)", BOARD.read_text()))
    assert used <= {*variables, "__rate_interval", "__all"}


def test_panels_have_a_place_of_their_own_a_name_and_a_word_about_them() -> None:
    shown = panels()
    assert len({panel["id"] for panel in shown}) == len(shown)
    cells = {}
    for panel in shown:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells[panel["id"]] = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
    assert not [pair for pair in combinations(cells, 2) if cells[pair[0]] & cells[pair[1]]]
    kinds = {panel["type"] for panel in shown}
    assert kinds == {"row", "stat", "timeseries", "heatmap"}
    for panel in shown:
        if panel["type"] != "row":
            assert panel["title"]
            assert len(panel["description"]) > 10, panel["title"]
            assert [target["refId"] for target in panel["targets"]] == list("ABC")[: len(panel["targets"])]
    assert [panel["title"] for panel in shown if panel["type"] == "row"] == [
        cells[0] for cells in rows(section(text(PAGE), "## The dashboard"))
    ]


def test_every_metric_that_is_asked_for_exists() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", text("docs/reference/metrics.md"), re.MULTILINE))
    asked = set[str]().union(*(metrics_of(query) for query in queries()))
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            asked |= metrics_of(rule["expr"])
    assert len(asked) > 25
    assert not {name for name in asked if not {name, re.sub(r"_(bucket|count|sum)$", "", name)} & documented}


@needs_promtool
def test_every_question_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{at}", "expr": filled(query)} for at, query in enumerate(queries())]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", path)


@needs_promtool
def test_the_rules_are_rules() -> None:
    promtool("check", "rules", "--lint-fatal", RULES)
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert alerts == {cells[0].strip("`") for cells in rows(section(text(PAGE), "## Rules"))}


REQUESTS = "http_server_request_duration_seconds"
OF = 'job="shop", instance="a"'


def series(name: str, values: str, labels: str = "") -> dict[str, str]:
    return {"series": f"{name}{{{OF}{', ' + labels if labels else ''}}}", "values": values}


ILL = [
    series("up", "1x40"),
    series("perfkit_build_info", "1x40", 'version="1"'),
    # 10 a second, of which 1 fails, and all take two seconds.
    series(f"{REQUESTS}_count", "0+540x40", 'http_route="/a"'),
    series(f"{REQUESTS}_count", "0+60x40", 'http_route="/a", error_type="500"'),
    series(f"{REQUESTS}_bucket", "0x40", 'le="1"'),
    series(f"{REQUESTS}_bucket", "0+600x40", 'le="2.5"'),
    series(f"{REQUESTS}_bucket", "0+600x40", 'le="+Inf"'),
    series("perfkit_health_status", "2x40", 'check="database"'),
    series("perfkit_event_loop_blocked_seconds_total", "0+12x40", 'loop="main"'),
    series("perfkit_memory_used_bytes", "95x40"),
    series("perfkit_memory_limit_bytes", "100x40"),
    series("perfkit_requests_lost_total", "0+1x40"),
    series("perfkit_store_degraded", "1x40"),
]

WELL = [
    series("up", "1x40"),
    series("perfkit_build_info", "1x40", 'version="1"'),
    series(f"{REQUESTS}_count", "0+600x40", 'http_route="/a"'),
    series(f"{REQUESTS}_count", "0+0x40", 'http_route="/a", error_type="500"'),
    series(f"{REQUESTS}_bucket", "0+600x40", 'le="1"'),
    series(f"{REQUESTS}_bucket", "0+600x40", 'le="+Inf"'),
    series("perfkit_health_status", "1x40", 'check="database"'),
    series("perfkit_event_loop_blocked_seconds_total", "0x40", 'loop="main"'),
    series("perfkit_memory_used_bytes", "50x40"),
    series("perfkit_memory_limit_bytes", "100x40"),
    series("perfkit_requests_lost_total", "0x40"),
    series("perfkit_store_degraded", "0x40"),
]

GONE = [series("up", "1x10 0x30"), series("perfkit_build_info", "1x10", 'version="1"')]

FIRING = {
    "RequestsFail",
    "ErrorBudgetBurns",
    "RequestsAreSlow",
    "HealthIsCritical",
    "EventLoopIsBlocked",
    "MemoryIsShort",
    "WorkersWereKilled",
    "NumbersOfOneWorkerOnly",
}


@needs_promtool
@pytest.mark.parametrize(("state", "firing"), [(ILL, FIRING), (WELL, set()), (GONE, {"ServiceIsGone"})])
def test_an_alert_fires_when_it_should_and_only_then(
    state: list[dict[str, str]], firing: set[str], tmp_path: Path
) -> None:
    alerts = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
    ]
    count = [
        {
            "expr": f'count(ALERTS{{alertname="{rule["alert"]}", alertstate="firing"}}) or vector(0)',
            "eval_time": "39m",
            "exp_samples": [{"labels": "{}", "value": 1 if rule["alert"] in firing else 0}],
        }
        for rule in alerts
    ]
    path = tmp_path / "test.yml"
    tests = [{"interval": "1m", "input_series": state, "promql_expr_test": count}]
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", path)


@needs_promtool
def test_the_scrape_configuration_is_what_prometheus_reads(tmp_path: Path) -> None:
    found = [block.code for block in blocks(text(PAGE)) if block.language == "yaml" and "scrape_configs" in block.code]
    assert len(found) == 1
    (tmp_path / "token").write_text("a-token-for-the-scrape")
    config = found[0].replace("/etc/prometheus/shop-token", str(tmp_path / "token"))
    path = tmp_path / "prometheus.yml"
    path.write_text(config.replace("/etc/prometheus/perfkit.rules.yml", str(RULES)))
    promtool("check", "config", path)


PAGES = (PAGE, "docs/migrations/starlette-exporter.md", "docs/migrations/django-prometheus.md")


@needs_promtool
@pytest.mark.parametrize("page", PAGES)
def test_the_queries_of_a_page_are_what_prometheus_reads(page: str, tmp_path: Path) -> None:
    found = [
        " ".join(query.split())
        for block in blocks(text(page))
        if block.language == "promql"
        for query in re.split(r"\n(?=\S)", block.code.strip())
    ]
    assert len(found) >= 3
    rules = [{"record": f"query:{at}", "expr": query} for at, query in enumerate(found)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "page", "rules": rules}]}))
    promtool("check", "rules", path)

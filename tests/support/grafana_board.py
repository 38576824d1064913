"""The questions that the dashboard for Grafana asks, as Grafana would send them."""

from __future__ import annotations

import json
import re

from doc_pages import ROOT

__all__ = ["BOARD", "RULES", "asked", "filled", "metrics_of", "queries"]

BOARD = ROOT / "docs" / "grafana" / "perfkit.json"
RULES = ROOT / "docs" / "grafana" / "perfkit.rules.yml"

METRIC = re.compile(r"\b([a-z]\w+)(?=[{\[])|\b((?:perfkit|process)_[a-z]\w+)")


def asked() -> list[str]:
    """Return the PromQL of all panels."""
    board = json.loads(BOARD.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


def queries() -> list[str]:
    """Return the PromQL of all panels, and of the marks above them."""
    return [*asked(), *(mark["expr"] for mark in json.loads(BOARD.read_text())["annotations"]["list"])]


def filled(query: str, *, rate: str = "1m") -> str:
    """Return *query* with all chosen at the top, over *rate*."""
    for name, value in (("$__rate_interval", rate), ("$job", ".*"), ("$instance", ".*"), ("$route", ".*")):
        query = query.replace(name, value)
    assert "$" not in query, query
    return query


def metrics_of(query: str) -> set[str]:
    """Return the names of the metrics in PromQL, but for those that rules record."""
    return {selected or bare for selected, bare in METRIC.findall(re.sub(r"#.*", "", query))}

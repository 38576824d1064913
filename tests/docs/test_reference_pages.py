"""The reference says what the code says: metrics, public names, paths, command line."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re

import pytest
from doc_pages import rows, section, text
from starlette.applications import Starlette
from starlette.testclient import TestClient

import perfkit
from perfkit.cli.main import parser
from perfkit.core.families import Definition
from perfkit.core.names import REQUEST_DURATION, WEBSOCKET_DURATION
from perfkit.http.negotiate import Choice, choose
from perfkit.metrics.exposition import Format
from perfkit.registry import COMPONENTS
from perfkit.testing.exposition import read
from perfkit_asgi import PerfkitMiddleware

TOKEN = "a-token-for-the-pages"
LOAD = {"load_path": "/load"}

PUBLIC = (
    "perfkit",
    "perfkit_asgi",
    "perfkit_wsgi",
    "perfkit_flask",
    "perfkit_django",
    "perfkit.config",
    *(f"perfkit.{name}" for name in COMPONENTS),
    "perfkit.store",
    "perfkit.advice",
    "perfkit.dashboard",
    "perfkit.core.message",
    "perfkit.core.checks",
    "perfkit.core.errors",
    "perfkit.testing",
    "perfkit.testing.adapter_kit",
    "perfkit.testing.policy_kit",
    "perfkit.testing.receiver_kit",
    "perfkit.testing.strategy_kit",
    "perfkit.testing.exposition",
)


def definitions() -> dict[str, Definition]:
    """Return every metric that a module of perfkit defines."""
    found = {}
    for module in pkgutil.walk_packages(perfkit.__path__, "perfkit."):
        if not module.name.startswith("perfkit.testing") and not module.name.endswith("__main__"):
            values = vars(importlib.import_module(module.name)).values()
            found |= {value.name: value for value in values if isinstance(value, Definition)}
    return found


def documented_metrics() -> dict[str, list[str]]:
    table = rows(text("docs/reference/metrics.md").partition("\n## ")[0])
    return {row[0].strip("`"): row[1:] for row in table}


def test_every_metric_is_documented_as_it_is_defined() -> None:
    wanted = {
        name: [
            str(metric.type),
            ", ".join(f"`{label}`" for label in metric.labels) or "none",
            metric.unit or "none",
            metric.description,
        ]
        for name, metric in definitions().items()
    }
    assert documented_metrics() == wanted


@pytest.mark.parametrize("metric", [REQUEST_DURATION, WEBSOCKET_DURATION], ids=lambda metric: metric.name)
def test_buckets_are_documented(metric: Definition) -> None:
    said = " ".join(section(text("docs/reference/metrics.md"), "## Buckets").split())
    assert ", ".join(f"{bound:g}" for bound in metric.boundaries) + " seconds" in said
    assert f"`{metric.name}` shows" in said


def test_labels_of_requests_are_documented() -> None:
    said = [row[0].strip("`") for row in rows(section(text("docs/reference/metrics.md"), "## Labels of requests"))]
    assert said == list(REQUEST_DURATION.labels)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_documented_and_nothing_else(module: str) -> None:
    table = rows(section(text("docs/reference/python-api.md"), f"## `{module}`"))
    said = [row[0].strip("`") for row in table]
    assert sorted(said) == sorted(importlib.import_module(module).__all__)
    assert all(row[1] for row in table)


def test_no_other_module_claims_to_be_public() -> None:
    headings = re.findall(r"^## `([\w.]+)`$", text("docs/reference/python-api.md"), re.MULTILINE)
    assert sorted(headings) == sorted(PUBLIC)


def test_the_calls_of_the_system_exist() -> None:
    source = text("docs/reference/python-api.md")
    table = rows(source.partition("\n## ")[0])
    named = {call for row in table for call in re.findall(r"`(\w+)\(", row[0])}
    assert len(named) >= 8
    assert all(callable(getattr(perfkit.PerformanceSystem, call)) for call in named)


def documented_paths() -> list[tuple[str, int, int]]:
    table = rows(section(text("docs/reference/http.md"), "## Paths"))
    return [(row[0].strip("`"), int(row[2]), int(row[3])) for row in table]


@pytest.fixture
def client() -> TestClient:
    app = Starlette()
    # The tests themselves have imported prometheus_client, whose own metrics would show.
    metrics = {"prometheus_client": "off"}
    app.add_middleware(PerfkitMiddleware, access={"token": TOKEN}, environment="testing", metrics=metrics, http=LOAD)
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize(("path", "stranger", "allowed"), documented_paths())
def test_a_path_answers_strangers_and_those_allowed_as_documented(
    client: TestClient, path: str, stranger: int, allowed: int
) -> None:
    assert client.get(path).status_code == stranger
    assert client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == allowed


def test_every_path_that_is_ours_is_documented() -> None:
    from perfkit.http.front import Front
    from perfkit.http.routes import Routes

    routes = Routes(Front(perfkit.PerformanceSystem({"http": LOAD}, environment="testing")))
    assert routes.paths
    pages = {path for path in routes.paths if not path.startswith("/perfkit/static/")}
    assert pages == {path for path, _, _ in documented_paths()}


def test_every_format_is_documented_with_its_content_type() -> None:
    table = rows(section(text("docs/reference/http.md"), "## Metrics"))
    said = {row[2].strip("`").removeprefix("?format="): row[3].strip("`") for row in table}
    chosen = {each: choose("", f"format={each}") for each in Format}
    assert said == {each: choice.content_type for each, choice in chosen.items() if isinstance(choice, Choice)}


def test_the_fields_of_the_overview_are_documented(client: TestClient) -> None:
    answer = client.get("/perfkit/api/overview", headers={"authorization": f"Bearer {TOKEN}"}).json()
    said = section(text("docs/reference/http.md"), "## The overview as JSON")
    assert answer["version"] == 1
    assert set(answer) <= set(re.findall(r"`(\w+)`", said))


def test_a_running_service_shows_documented_metrics_only(client: TestClient) -> None:
    client.get("/nowhere")
    page = read(client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text)
    shown = set(page.types)
    assert REQUEST_DURATION.name in shown
    assert shown <= set(documented_metrics())


def commands() -> dict[str, argparse.ArgumentParser]:
    whole = parser()
    found = {"perfkit": whole}
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {f"perfkit {name}": command for name, command in action.choices.items()}
    return found


@pytest.mark.parametrize("command", commands())
def test_every_option_of_a_command_is_documented_with_its_meaning(command: str) -> None:
    said = {row[0]: row[1] for row in rows(section(text("docs/reference/cli.md"), f"## {command}"))}
    wanted = {}
    for action in commands()[command]._actions:
        if action.option_strings:
            value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
            wanted[", ".join(f"`{option}{value}`" for option in action.option_strings)] = action.help
    assert set(said) == set(wanted)
    own = {
        option: meaning for option, meaning in wanted.items() if "--help" not in option and "--version" not in option
    }
    assert {option: said[option] for option in own} == own

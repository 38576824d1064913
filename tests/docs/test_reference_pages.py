"""The reference says what the code says: metrics, public names, paths, command line."""

from __future__ import annotations

import importlib
import importlib.util
import re
from types import ModuleType

import pytest
from doc_pages import ROOT, prose, rows, section, text
from starlette.applications import Starlette
from starlette.testclient import TestClient

import perfkit
from perfkit.core.families import Definition
from perfkit.core.names import REQUEST_DURATION, WEBSOCKET_DURATION
from perfkit.http.negotiate import Choice, choose
from perfkit.metrics.exposition import Format
from perfkit.testing.exposition import read
from perfkit_asgi import PerfkitMiddleware

TOKEN = "a-token-for-the-pages"
LOAD = {"load_path": "/load"}


def references() -> ModuleType:
    """Return the program that writes what the pages take from the code."""
    spec = importlib.util.spec_from_file_location("docs_references", ROOT / "docs/references.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCES = references()


def test_the_committed_references_are_those_made_from_the_code() -> None:
    wanted = REFERENCES.documents()
    old = [str(path) for path, made in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != made]
    assert not old, "run: python docs/references.py"
    assert {path for path in (ROOT / "docs/reference/python").glob("*.md") if path not in wanted} == set()


def test_a_reference_tells_arguments_defaults_and_meaning() -> None:
    page = text("docs/reference/python/perfkit.cache.md")
    assert "## `CacheManager`" in page
    assert "### `Namespace.invalidate_tags()`" in page
    assert re.search(r"^- `ttl`: \w+", page, re.MULTILINE)
    assert "``" not in prose(page).replace("```", "")


def test_what_is_no_longer_so_is_made_anew() -> None:
    metrics, commands = text("docs/reference/metrics.md"), text("docs/reference/cli.md")
    old = re.sub(r"^\| `perfkit_errors_total` .*\n", "", metrics, count=1, flags=re.MULTILINE)
    assert old != metrics
    assert sorted(REFERENCES.with_metrics(old).splitlines()) == sorted(metrics.splitlines())
    wrong = commands.replace("show the trace of an error", "nothing", 1)
    assert REFERENCES.with_options(wrong) == commands


def documented_metrics() -> dict[str, list[str]]:
    table = rows(text("docs/reference/metrics.md").partition("\n## ")[0])
    return {row[0].strip("`"): row[1:] for row in table}


@pytest.mark.parametrize("metric", [REQUEST_DURATION, WEBSOCKET_DURATION], ids=lambda metric: metric.name)
def test_buckets_are_documented(metric: Definition) -> None:
    said = " ".join(section(text("docs/reference/metrics.md"), "## Buckets").split())
    assert ", ".join(f"{bound:g}" for bound in metric.boundaries) + " seconds" in said
    assert f"`{metric.name}` shows" in said


def test_labels_of_requests_are_documented() -> None:
    said = [row[0].strip("`") for row in rows(section(text("docs/reference/metrics.md"), "## Labels of requests"))]
    assert said == list(REQUEST_DURATION.labels)


@pytest.mark.parametrize("module", REFERENCES.MODULES)
def test_every_public_name_is_documented_and_nothing_else(module: str) -> None:
    table = rows(section(text("docs/reference/python-api.md"), f"## `{module}`"))
    said = [row[0].strip("`") for row in table]
    assert sorted(said) == sorted(importlib.import_module(module).__all__)
    assert all(row[1] for row in table)


def test_no_other_module_claims_to_be_public() -> None:
    headings = re.findall(r"^## `([\w.]+)`$", text("docs/reference/python-api.md"), re.MULTILINE)
    assert sorted(headings) == sorted(REFERENCES.MODULES)


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

"""The published JSON schemas are those of the code, and what perfkit answers is as they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from doc_pages import ROOT

from perfkit import PerformanceSystem
from perfkit.cli import schema as of_commands
from perfkit.schema import SCHEMAS, encoded, json_schema, main
from perfkit.testing import FakeClock

FOLDER = ROOT / "docs/reference/schemas"


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem({"service": "shop"}, environment="testing", clock=FakeClock()) as system:
        orders = system.metrics.define_metric("orders", "counter", "Orders", labels=("kind",))
        orders.labels(kind='bo"ok\n').increment()
        system.metrics.set_gauge("temperature", float("nan"))
        yield system


def check(name: str, document: Any) -> None:
    jsonschema.Draft202012Validator(json_schema(name)).validate(document)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_made_from_the_code_as_it_is(name: str) -> None:
    command = "python -m perfkit.schema --directory docs/reference/schemas"
    assert (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8") == encoded(name), f"run: {command}"
    jsonschema.Draft202012Validator.check_schema(json_schema(name))


@pytest.mark.parametrize("name", of_commands.DOCUMENTS)
def test_the_published_schema_of_a_command_is_made_from_the_code_as_it_is(name: str) -> None:
    command = "python -m perfkit.cli.schema --directory docs/reference/schemas/cli"
    path = FOLDER / "cli" / f"{name}.schema.json"
    assert path.read_text(encoding="utf-8") == of_commands.encoded(name), f"run: {command}"


def test_no_schema_is_published_that_is_none_of_ours() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {f"{name}.schema.json" for name in SCHEMAS}


def test_the_dashboard_is_as_its_schema_says(system: PerformanceSystem) -> None:
    document = system.get_performance_dashboard().to_dict()
    check("dashboard", document)
    assert document["components"].keys() == json_schema("dashboard")["$defs"]["PerformanceDashboard"]["properties"][
        "components"
    ]["properties"].keys() & set(document["components"])
    del document["components"]["performance"]["latency"]
    with pytest.raises(jsonschema.ValidationError, match="latency"):
        check("dashboard", document)


def test_health_is_as_its_schema_says(system: PerformanceSystem) -> None:
    check("health", json.loads(msgspec.json.encode(system.health.get_health_summary())))


def test_the_json_of_the_metrics_is_as_its_schema_says(system: PerformanceSystem) -> None:
    document = json.loads(system.export_metrics("json"))
    check("metrics", document)
    values = {sample["name"]: sample["value"] for family in document for sample in family["samples"]}
    assert values["temperature"] == "NaN"
    with pytest.raises(jsonschema.ValidationError):
        check("metrics", [{**document[0], "samples": [{"name": "x", "labels": {}, "value": "many"}]}])


def test_an_unknown_schema_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="dashboard, health, metrics"):
        json_schema("dashbord")


def test_the_command_prints_one_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 0
    assert capsys.readouterr().out == encoded("health")

"""JSON schemas of what perfkit answers: ``python -m perfkit.schema dashboard``, or ``--directory D`` for all.

Made from the structs themselves, by JSON Schema draft 2020-12.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from perfkit import registry
from perfkit.health.snapshot import HealthSnapshot
from perfkit.metrics.exposition.structured import FamilyDocument
from perfkit.snapshot import SCHEMA_VERSION, PerformanceDashboard

__all__ = ["SCHEMAS", "json_schema", "schemas_of"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
DEFINITIONS = "#/$defs/{name}"

SCHEMAS = {
    "dashboard": "What get_performance_dashboard().to_dict() returns.",
    "health": "What get_health_summary() returns; with service and release, what the health path tells those allowed.",
    "metrics": 'What export_metrics("json") returns.',
}
"""Name → what it describes."""


def json_schema(name: str) -> dict[str, Any]:
    """Return the schema called *name*, one of `SCHEMAS`.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in SCHEMAS:
        raise ValueError(f"There is no schema {name!r}. The schemas are: {', '.join(SCHEMAS)}. Use one of these names.")
    make = {"dashboard": _dashboard, "health": _health, "metrics": _metrics}[name]
    schema, definitions = make()
    return {
        "$schema": DRAFT,
        "$comment": f"Made by python -m perfkit.schema {name}. Version {SCHEMA_VERSION}.",
        "title": f"perfkit {name}",
        "description": SCHEMAS[name],
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def _dashboard() -> tuple[dict[str, Any], dict[str, Any]]:
    """Each component's snapshot is what its class says that it returns."""
    words = {word: get_type_hints(registry.load(word).snapshot)["return"] for word in registry.COMPONENTS}
    schemas, definitions = schemas_of(PerformanceDashboard, *words.values())
    components = dict(zip(words, schemas[1:], strict=True))
    definitions["PerformanceDashboard"]["properties"]["components"] = {
        "type": "object",
        "description": "By its word each component that is enabled.",
        "properties": components,
        "additionalProperties": True,
    }
    return schemas[0], definitions


def _health() -> tuple[dict[str, Any], dict[str, Any]]:
    schemas, definitions = schemas_of(HealthSnapshot)
    return schemas[0], definitions


def _metrics() -> tuple[dict[str, Any], dict[str, Any]]:
    schemas, definitions = schemas_of(list[FamilyDocument])
    return schemas[0], definitions


def schemas_of(*types: Any, reference: str = DEFINITIONS) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the schemas of *types*, and by their names those that they refer to, as *reference* says."""
    schemas, definitions = msgspec.json.schema_components(types, ref_template=reference)
    for definition in definitions.values():
        # Python 3.13 takes the indentation out of docstrings, and so do some releases of msgspec: the schema is one.
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return [dict(schema) for schema in schemas], dict(definitions)


def encoded(name: str) -> str:
    """Return the schema as indented text."""
    return msgspec.json.format(msgspec.json.encode(json_schema(name)), indent=2).decode() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one schema, or write all to a directory."""
    parser = argparse.ArgumentParser(prog="python -m perfkit.schema", description="JSON schemas of perfkit's answers.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", choices=list(SCHEMAS), help="the schema to print")
    what.add_argument("--directory", type=Path, help="write all schemas to this directory, as NAME.schema.json")
    given = parser.parse_args(arguments)
    if given.directory is None:
        sys.stdout.write(encoded(given.name))
        return 0
    given.directory.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        (given.directory / f"{name}.schema.json").write_text(encoded(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

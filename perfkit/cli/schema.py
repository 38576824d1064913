"""JSON schemas of what the commands print: ``python -m perfkit.cli.schema --directory D`` writes them all.

Made from the structs themselves, by JSON Schema draft 2020-12. What a struct encodes is always there, so every field of
ours is required.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from perfkit.cli.comparing.words import Compare
from perfkit.cli.diagnosis.note import Doctor
from perfkit.cli.documents.codes import Explain
from perfkit.cli.documents.document import Document
from perfkit.cli.documents.probes import Health
from perfkit.cli.documents.settings import ConfigExplain, ConfigShow, ConfigValidate
from perfkit.cli.reading.findings import Advise
from perfkit.cli.reading.gates import Check
from perfkit.cli.reading.indexes import DatabaseAdvice
from perfkit.cli.top.stream import Top
from perfkit.snapshot import SCHEMA_VERSION

__all__ = ["DOCUMENTS", "encoded", "json_schema", "main"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
DEFINITIONS = "#/$defs/{name}"

DOCUMENTS: dict[str, type[Document]] = {
    "advise": Advise,
    "advise-database": DatabaseAdvice,
    "check": Check,
    "compare": Compare,
    "config-explain": ConfigExplain,
    "config-show": ConfigShow,
    "config-validate": ConfigValidate,
    "doctor": Doctor,
    "explain": Explain,
    "health": Health,
    "top": Top,
}
"""Name of the schema → what it describes."""


def json_schema(name: str) -> dict[str, Any]:
    """Return the schema called *name*, one of `DOCUMENTS`."""
    (schema,), definitions = msgspec.json.schema_components([DOCUMENTS[name]], ref_template=DEFINITIONS)
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
        if "properties" in definition:
            definition["required"] = list(definition["properties"])
    return {
        "$schema": DRAFT,
        "$comment": f"Made by python -m perfkit.cli.schema. Version {SCHEMA_VERSION}.",
        "title": f"perfkit {name.replace('-', ' ')} --json",
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def encoded(name: str) -> str:
    """Return the schema as indented text."""
    return msgspec.json.format(msgspec.json.encode(json_schema(name)), indent=2).decode() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all schemas into a directory, as NAME.schema.json."""
    parser = argparse.ArgumentParser(
        prog="python -m perfkit.cli.schema", description="JSON schemas of what the commands print."
    )
    parser.add_argument("--directory", type=Path, required=True, help="where to write them")
    folder: Path = parser.parse_args(arguments).directory
    folder.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (folder / f"{name}.schema.json").write_text(encoded(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

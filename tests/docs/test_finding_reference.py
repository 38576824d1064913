"""The table of findings names every code with its kind, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from doc_pages import rows, section, text

import perfkit
from perfkit.database.kinds import CODES

NAMED = re.compile(r'"(PK\d{3})",\s+(?:kind=)?"(\w+)",')


def in_the_code() -> set[tuple[str, str]]:
    root = Path(perfkit.__file__).parent
    named = {pair for path in root.rglob("*.py") for pair in NAMED.findall(path.read_text())}
    return named | {(code, kind) for kind, code in CODES.items()}


def test_every_code_is_documented_with_its_kind() -> None:
    table = rows(section(text("docs/reference/findings.md"), "## Codes"))
    assert {(row[0].strip("`"), row[1].strip("`")) for row in table} == in_the_code()


def test_no_code_is_used_twice() -> None:
    codes = [code for code, _ in in_the_code()]
    assert len(codes) == len(set(codes)) > 10

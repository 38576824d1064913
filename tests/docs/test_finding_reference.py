"""Every code has its page, what it says of the code is so, and its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import ROOT, Block, blocks, text
from evidence import carried

import perfkit
from perfkit.advice.codes import CODES, explanation
from perfkit.advice.codes.__main__ import documents, main
from perfkit.core.errors import UnknownCodeError
from perfkit.core.findings import Finding, Priority
from perfkit.database.kinds import CODES as OF_DATABASES

FOLDER = ROOT / "docs/reference/findings"
NAMED = re.compile(r'"(PK\d{3})",\s+(?:kind=)?"(\w+)",')
WANTED = ("## What it costs", "## Confirm it", "## Fix it", "## When to ignore it")


def in_the_code() -> set[tuple[str, str]]:
    root = Path(perfkit.__file__).parent
    named = {pair for path in root.rglob("*.py") for pair in NAMED.findall(path.read_text())}
    return named | {(code, kind) for kind, code in OF_DATABASES.items()}


def test_every_code_is_explained_with_its_kind() -> None:
    assert {(code, explanation(code).kind) for code in CODES} == in_the_code()


def test_no_code_is_used_twice() -> None:
    codes = [code for code, _ in in_the_code()]
    assert len(codes) == len(set(codes)) > 40


def test_the_committed_pages_are_those_made_from_the_code(tmp_path: Path) -> None:
    assert main(["--directory", str(tmp_path)]) == 0
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert committed == made == documents(), "the pages are old; run: python -m perfkit.advice.codes"


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_what_it_costs_how_to_see_and_to_fix_it_and_when_to_ignore_it(code: str) -> None:
    body = explanation(code).body
    places = [body.find(part) for part in WANTED]
    assert -1 not in places, WANTED[places.index(-1)]
    assert places == sorted(places)
    assert not re.search(r"\{\{\w", body + explanation(code).told), "a figure has no value"


@pytest.mark.parametrize("code", CODES)
def test_the_evidence_of_a_finding_is_documented_and_nothing_else(code: str) -> None:
    told = explanation(code)
    assert set(told.evidence) == carried()[told.kind]


def test_a_finding_names_its_page() -> None:
    for code in CODES:
        found = Finding(code=code, kind="k", component="c", priority=Priority.LOW, message="m", action="a")
        assert (ROOT / found.help).is_file()
    own = Finding(code="SHOP1", kind="k", component="c", priority=Priority.LOW, message="m", action="a")
    assert own.help == ""


def test_an_unknown_code_is_an_error_that_says_where_the_known_ones_are() -> None:
    with pytest.raises(UnknownCodeError, match=r"There is no code 'PK999'\. .* PK101 to PK603\."):
        explanation("PK999")


def test_the_examples_run_in_the_shop_that_they_speak_of() -> None:
    path = os.pathsep.join(
        map(str, (ROOT, *(ROOT / each for each in ("integrations", "example_apps", "tests/support"))))
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PERFKIT_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tests/support/finding_shop.py"],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment | {"PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    ran = re.search(r"^(\d+) examples ran$", done.stdout, re.MULTILINE)
    assert ran is not None
    assert int(ran[1]) > 60


def statements() -> list[tuple[str, Block]]:
    return [(code, block) for code in CODES for block in blocks(explanation(code).body) if block.language == "sql"]


def test_the_sql_of_the_pages_is_read_by_a_parser() -> None:
    import sqlglot

    found = statements()
    assert len(found) > 30
    for code, block in found:
        for statement in sqlglot.parse(block.code, read="postgres"):
            assert statement is not None, f"{code}: {block.code}"


def test_the_metrics_that_pages_name_exist() -> None:
    known = set(re.findall(r"`([a-z_]+)`", text("docs/reference/metrics.md")))
    for code in CODES:
        for name in re.findall(r"`((?:perfkit|db|http)_[a-z_]+?)(?:\{[^`]*)?`", explanation(code).body):
            if name.startswith("perfkit_") and name.removeprefix("perfkit_") in ("django", "flask", "cache"):
                continue
            assert name in known, f"{code} names {name}"

"""`perfkit explain`: the page of a code in a terminal, and as JSON."""

from __future__ import annotations

import json

import jsonschema
import pytest

from perfkit.advice.codes import CODES, explanation
from perfkit.cli.main import main
from perfkit.cli.schema import json_schema


def test_a_code_is_explained_without_the_signs_of_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "pk134"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("PK134: Idle in a transaction\n")
    assert "\nWhat it costs\n" in said
    assert "    SET idle_in_transaction_session_timeout = '10s';" in said
    assert "(PK136)" in said
    assert not [sign for sign in ("```", "](", "| ---", "<!--", "\n#") if sign in said]


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--color", "never"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CODES)
    assert explanation("PK301").title in "\n".join(lines)


@pytest.mark.parametrize("arguments", [["explain", "--json"], ["explain", "PK101", "--json"]])
def test_the_json_is_as_its_schema_says(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json_schema("explain")).validate(document)
    assert [each["code"] for each in document["codes"]] == (list(CODES) if len(arguments) == 2 else ["PK101"])


def test_a_kind_stands_for_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    pages = set()
    for word in ("PK101", "n_plus_one", "N-Plus-One"):
        assert main(["explain", word]) == 0
        pages.add(capsys.readouterr().out)
    assert len(pages) == 1
    assert "`n_plus_one`" not in pages.pop()


def test_no_code_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "PK999"]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert "There is no code 'PK999'." in captured.err


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "PK101", "--quiet"]) == 0
    assert not capsys.readouterr().out

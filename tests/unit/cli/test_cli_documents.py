"""What the commands print for programs is as its published schema says; and `-v`, progress, `health`, `drain`."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from overviews import Canned, canned, encoded, finding, made, route

from perfkit.cli import console
from perfkit.cli.console import progress
from perfkit.cli.documents.document import Document, printed
from perfkit.cli.main import main
from perfkit.cli.schema import DOCUMENTS, json_schema
from perfkit.cli.schema import encoded as encoded_schema
from perfkit.cli.schema import main as write_schemas

FOLDER = Path(__file__).parents[3] / "docs/reference/schemas/cli"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("PERFKIT_URL", "PERFKIT_TOKEN", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    yield
    logger = logging.getLogger("perfkit.cli")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def service() -> Iterator[Canned]:
    with canned() as server:
        server.tells(made(findings=(finding(),), routes=(route("/a"), route("/b", p95=None))))
        checks = [{"name": "disk", "status": "warning", "message": "90 %"}, {"name": "db", "status": "healthy"}]
        server.answers["/health"] = (200, json.dumps({"status": "warning", "checks": checks}).encode())
        yield server


# Schemas


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_published_schema_is_made_from_the_code_as_it_is(name: str) -> None:
    command = "python -m perfkit.cli.schema --directory docs/reference/schemas/cli"
    assert (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8") == encoded_schema(name), f"run: {command}"
    jsonschema.Draft202012Validator.check_schema(json_schema(name))


def test_no_schema_is_published_that_is_none_of_ours(tmp_path: Path) -> None:
    assert write_schemas(["--directory", str(tmp_path / "new")]) == 0
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in (tmp_path / "new").iterdir()}


def test_every_kind_of_document_has_a_schema() -> None:
    ours = {kind for kind in Document.__subclasses__() if kind.__module__.startswith("perfkit.")}
    assert set(DOCUMENTS.values()) == ours


def told(name: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return what the command prints with --json, held against the schema *name*."""
    main([*arguments, "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert (document["version"], document["command"]) == (1, name.replace("-", " "))
    # Every field is required: what is not there would be no document of this command.
    for field in document:
        rest = {key: value for key, value in document.items() if key != field}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(rest)
    return document


def test_what_reads_a_service_prints_what_its_schema_says(
    service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told("top", capsys, "top", service.url, "--once")["routes"][0]["route"] == "/a"
    assert told("check", capsys, "check", service.url)["passed"] is True
    assert told("advise", capsys, "advise", service.url)["findings"][0]["code"] == "PK101"
    assert told("health", capsys, "health", service.url)["checks"][0]["name"] == "disk"
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_bytes(encoded(made(routes=(route("/a"),))))
    after.write_bytes(encoded(made(routes=(route("/a", p95=0.9),), findings=(finding(),))))
    assert told("compare", capsys, "compare", str(before), str(after))["is_worse"] is True


def test_what_reads_settings_and_databases_prints_what_its_schema_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFKIT_METRICS__PROMETHEUS_CLIENT", "off")
    assert told("config-show", capsys, "config", "show")["settings"]["cache.max_size"]["source"]
    assert told("config-explain", capsys, "config", "explain", "cache.max_size")["variable"]
    assert told("config-validate", capsys, "config", "validate")["is_valid"] is True
    assert told("doctor", capsys, "doctor")["notes"]
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER)")
    (tmp_path / "work.sql").write_text("-- calls: 900\nSELECT id FROM orders WHERE customer = 5;")
    arguments = ("advise", "--database", f"sqlite:///{path}", "--workload", str(tmp_path / "work.sql"))
    assert told("advise-database", capsys, *arguments)["statements"] == 1


def test_a_service_that_is_silent_is_told_as_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    document = told("health", capsys, "health", "http://127.0.0.1:1")
    assert (document["is_well"], document["code"], document["status"]) == (False, None, "")
    assert document["error"]


def test_what_is_no_number_becomes_null_and_signs_become_ascii() -> None:
    class Odd(Document, frozen=True, kw_only=True, tag="odd"):
        value: float
        name: str

    text = printed(Odd(version=1, value=float("nan"), name="é"))
    assert text.isascii()
    assert json.loads(text) == {"command": "odd", "version": 1, "value": None, "name": "é"}


# health, drain


def test_health_and_drain_find_the_health_path_beside_the_dashboard(
    service: Canned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answers["/app/health"] = service.answers["/health"]
    service.answers["/health/ready"] = (503, b'{"status": "critical"}')
    for path in ("", "/", "/perfkit/", "/perfkit", "/app/perfkit/"):
        assert main(["health", service.url + path]) == 0, path
    assert main(["health", f"{service.url}/health/ready"]) == 1
    monkeypatch.setenv("PERFKIT_URL", f"{service.url}/perfkit/")
    assert main(["health"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["warning", "warning: disk: 90 %"]


def test_health_takes_its_token_from_a_file(service: Canned, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("of-the-file\n")
    path.chmod(0o600)
    assert main(["health", service.url, "--token-file", str(path), "--quiet"]) == 0
    assert service.asked[-1] == ("/health", "Bearer of-the-file")


def test_a_drain_that_fails_ends_with_the_code_of_its_reason(
    service: Canned, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drain", "http://127.0.0.1:1"]) == 3
    assert main(["drain", service.url]) == 3  # the canned service knows no POST, and says 501
    assert "with 501" in capsys.readouterr().err


def test_https_where_there_is_none_is_said_so(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", service.url.replace("http:", "https:")]) == 3
    assert "it does not speak https; write http://" in capsys.readouterr().err


# -v and progress


def test_verbose_says_what_was_asked_and_keeps_the_token(
    service: Canned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFKIT_TOKEN", "a-secret-of-the-service")
    assert main(["check", service.url, "-v"]) == 0
    out, messages = capsys.readouterr()
    assert "perfkit check: perfkit 0." in messages
    assert f"perfkit check: GET {service.url}/perfkit/api/overview with a token: 200, " in messages
    assert "secret" not in out + messages
    assert main(["check", service.url, "--verbose", "--quiet"]) == 0
    assert capsys.readouterr().err.count("GET ") == 1


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_takes_long_is_told_on_a_terminal_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE", 0.01)
    for stream, term, is_told in (
        (Screen(), "xterm", True),
        (Screen(), "dumb", False),
        (io.StringIO(), "xterm", False),
    ):
        monkeypatch.setenv("TERM", term)
        monkeypatch.setattr("sys.stderr", stream)
        with progress("planning \x1b[2J 5 statements"):
            give_up_at = time.monotonic() + 60.0
            while is_told and not stream.getvalue():
                assert time.monotonic() < give_up_at
                time.sleep(0.01)
        assert ("planning" in stream.getvalue()) is is_told
        assert "\x1b[2J" not in stream.getvalue()
        assert stream.getvalue().endswith("\r\x1b[K") is is_told


def test_what_is_quick_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stream)
    with progress("looking"):
        pass
    assert stream.getvalue() == ""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

from perfkit.cli.config import schema
from perfkit.cli.main import main
from perfkit.config import PerformanceConfig


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("PERFKIT_"):
            monkeypatch.delenv(name)


def told(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> dict[str, object]:
    assert main(["config", *arguments, "--json"]) == code
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    return document


def test_each_value_is_shown_with_its_source(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("service = 'shop'\n[cache]\nmax_size = 5\n")
    monkeypatch.setenv("PERFKIT_CACHE__MAX_SIZE", "7")
    monkeypatch.setenv("PERFKIT_TOKEN", "a-secret-of-the-tests")
    assert main(["config", "show", "--file", str(path), "--environment", "testing"]) == 0
    out = capsys.readouterr().out
    assert "service = 'shop'  (settings)" in out
    assert "cache.max_size = 7  (environment PERFKIT_CACHE__MAX_SIZE)" in out
    assert "access.token = <hidden>  (environment PERFKIT_TOKEN)" in out
    assert "a-secret-of-the-tests" not in out
    assert "environment = 'testing'  (argument)" in out
    shown = told(capsys, 0, "show", "--changed")["settings"]
    assert isinstance(shown, dict)
    assert shown["access.token"] == {"value": "<hidden>", "source": "environment PERFKIT_TOKEN"}
    assert all(each["source"] != "default" for each in shown.values())


def test_the_settings_of_an_app_are_found_in_its_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configured_flask.py").write_text(
        "from flask import Flask\nfrom perfkit_flask import Perfkit\n"
        "app = Flask('x')\napp.config['PERFKIT'] = {'service': 'of-flask'}\nPerfkit(app)\n"
    )
    (tmp_path / "configured_asgi.py").write_text(
        "from starlette.applications import Starlette\nfrom perfkit_asgi import PerfkitMiddleware\n"
        "app = Starlette()\napp.add_middleware(PerfkitMiddleware, service='of-starlette')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for module in ("flask", "starlette"):
        name = "configured_flask" if module == "flask" else "configured_asgi"
        assert main(["config", "show", "--app", f"{name}:app", "--changed"]) == 0
        assert f"service = 'of-{module}'  (settings)" in capsys.readouterr().out
        sys.modules.pop(name)


def test_everything_that_is_wrong_is_said_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"cache": {"max_sise": 1, "max_size": -1}, "environment": "prod"}')
    assert main(["config", "validate", "--file", str(path)]) == 2
    shown, messages = capsys.readouterr()
    assert shown == ""
    assert messages.count("error: ") == 3
    assert "max_size" in messages
    document = told(capsys, 2, "validate", "--file", str(path))
    assert document["is_valid"] is False
    assert len(document["errors"]) == 3  # type: ignore[arg-type]


def test_good_settings_are_said_to_be_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "validate"]) == 0
    assert capsys.readouterr().out.startswith("The settings can be used")


def test_a_misspelt_variable_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_CACHE__MAX_SISE", "5")
    assert main(["config", "validate"]) == 2
    assert "PERFKIT_CACHE__MAX_SIZE" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["cache.max_size", "PERFKIT_CACHE__MAX_SIZE"])
def test_a_setting_is_explained_by_its_name_or_its_variable(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = told(capsys, 0, "explain", key)
    assert document["key"] == "cache.max_size"
    assert document["variable"] == "PERFKIT_CACHE__MAX_SIZE"
    assert document["source"] == "default"
    assert "number" in str(document["must_be"])
    assert main(["config", "explain", key]) == 0
    assert capsys.readouterr().out.startswith("cache.max_size: ")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("store.retention", None, "2592000 (30 days)"),
        ("performance.window", "90", "90"),
        ("performance.window", "5400", "5400 (90 minutes)"),
        ("cache.max_bytes", "67108864", "67108864 (64 MiB)"),
        ("cache.max_bytes", "1500", "1500 (1.465 KiB)"),
        ("cache.max_bytes", None, "null"),
        ("cache.max_size", "2592000", "2592000"),
        ("cache.enabled", "yes", "true"),
        ("performance.window", "61.5", "61.5"),
        ("performance.window", "10", "10"),
    ],
)
def test_an_explained_value_is_told_as_people_read_it(
    key: str, value: str | None, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv(f"PERFKIT_{key.replace('.', '__').upper()}", value)
    assert main(["config", "explain", key]) == 0
    assert f"  value     {said}\n" in capsys.readouterr().out
    assert not isinstance(told(capsys, 0, "explain", key)["value"], str), "programs get the bare value"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("cache.max_sise", "Did you mean cache.max_size?"),
        ("cache.maxSize", "There is no setting"),
        ("store", "It is a section; its settings are store."),
        ("", "explain was given no KEY"),
    ],
)
def test_an_unknown_setting_is_a_wrong_use(key: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", key]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_a_file_that_holds_no_settings_is_a_wrong_use(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in ("json", "toml"):
        path = tmp_path / f"x.{suffix}"
        path.write_bytes(content)
        if (content, suffix) != (b"[1]", "toml"):
            assert main(["config", "validate", "--file", str(path)]) == 2
    assert main(["config", "validate", "--file", str(tmp_path / "none")]) == 2
    assert main(["config", "validate", "--file", str(path), "--app", "x:y"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_schema_is_one_and_takes_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    validator = jsonschema.Draft202012Validator(made)
    defaults = json.loads(msgspec.json.encode(PerformanceConfig(), enc_hook=repr))
    assert [error.message for error in validator.iter_errors(defaults)] == []
    assert list(validator.iter_errors({"cache": {"max_size": -1}}))
    assert list(validator.iter_errors({"cache": {"max_sise": 1}}))
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == made

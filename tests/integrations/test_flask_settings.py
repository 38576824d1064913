"""Settings in Flask's way: keywords, ``app.config["PERFKIT"]``, the environment, and what the command line tells."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_settings import BAD
from click.testing import Result
from flask import Flask
from flask.cli import ScriptInfo
from wsgi_driver import environ_of, exchange

from perfkit.core.errors import ConfigurationError
from perfkit.system import PerformanceSystem
from perfkit_flask import Perfkit
from perfkit_flask.commands import perfkit as perfkit_command

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("PERFKIT_")]:
        monkeypatch.delenv(name)


def configured(settings: Any) -> Flask:
    app = Flask(__name__)
    app.config["PERFKIT"] = settings
    Perfkit(app)
    return app


def run(make: Callable[[], Flask], *arguments: str) -> Result:
    """Run ``flask perfkit`` for the app that *make* makes, as the plugin of the command line does."""
    return Flask("runner").test_cli_runner().invoke(perfkit_command, arguments, obj=ScriptInfo(create_app=make))


def told(text: str) -> str:
    """Return *text* without its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_setting_in_the_config_is_told_when_the_app_is_made(kind: str) -> None:
    settings, path, words = BAD[kind]
    with pytest.raises(ConfigurationError) as raised:
        configured(settings)
    assert words in str(raised.value)
    assert path in str(raised.value)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_setting_is_told_by_the_command_of_an_app_that_cannot_be_made(kind: str) -> None:
    settings, path, words = BAD[kind]
    result = run(lambda: configured(settings), "check")
    assert result.exit_code == 2
    assert path in result.output
    assert words in result.output
    assert "Traceback" not in result.output
    assert "hunter2" not in result.output


def test_there_are_at_least_25_kinds_of_bad_settings() -> None:
    assert len(BAD) >= 25


@pytest.mark.parametrize("settings", [["store"], 5, "text"], ids=repr)
def test_a_config_that_is_no_dict_is_told(settings: Any) -> None:
    with pytest.raises(ConfigurationError):
        configured(settings)


def test_all_bad_settings_are_told_at_once() -> None:
    result = run(lambda: configured({"stor": {}, "health": {"memory_warning": 85}, "service": ""}), "check")
    assert result.exit_code == 2
    assert result.output.startswith("3 settings cannot be used:\n- ")


def test_later_layers_win_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_PERFORMANCE__WINDOW", "300")
    app = Flask(__name__)
    app.config["PERFKIT"] = {"performance": {"window": 200, "collect_interval": 3}}
    Perfkit(app, service="shop", performance={"window": 100, "collect_interval": 2}, store={"mode": "memory"})
    config = app.extensions["perfkit"].config()
    assert config.performance.window == 300
    assert config.performance.collect_interval == 3
    assert (config.service, config.store.mode) == ("shop", "memory")


def test_a_config_that_is_filled_after_init_counts() -> None:
    app = Flask(__name__)
    Perfkit(app, environment="testing")
    app.config["PERFKIT"] = {"service": "late"}
    exchange(app, environ_of("GET", "/"))
    system = app.extensions["perfkit"].system
    assert system.config.service == "late"
    system.stop()


def test_a_config_that_is_made_wrong_after_init_does_not_stop_the_app(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask(__name__)
    app.add_url_rule("/x", "x", lambda: "text")
    Perfkit(app, environment="testing")
    app.config["PERFKIT"] = {"servise": "late"}
    assert exchange(app, environ_of("GET", "/x")).body == b"text"
    assert "could not attach" in caplog.text
    assert app.test_cli_runner().invoke(args=["perfkit", "check"]).exit_code == 2


def test_a_system_of_ones_own_brings_its_settings() -> None:
    system = PerformanceSystem({"service": "mine"}, environment="testing")
    app = Flask(__name__)
    Perfkit(app, system=system)
    assert app.extensions["perfkit"].config() is system.config


def test_check_says_that_all_is_well() -> None:
    app = configured({"service": "shop"})
    result = app.test_cli_runner().invoke(args=["perfkit", "check"])
    assert (result.exit_code, result.output) == (0, "perfkit: everything is in order.\n")


def test_check_warns_of_what_is_risky() -> None:
    result = run(lambda: configured({"access": {"token": "hunter2-hunter2-hunter2"}}), "check")
    assert result.exit_code == 0
    assert "warning: access.token is set in code." in told(result.output)
    assert "perfkit: 1 warning." in result.output
    assert "hunter2" not in result.output


def test_config_shows_each_value_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_STORE__RETENTION", "86400")
    monkeypatch.setenv("PERFKIT_TOKEN", "hunter2-hunter2-hunter2")
    app = configured({"service": "shop"})
    result = app.test_cli_runner().invoke(args=["perfkit", "config"])
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert "service = 'shop'  (settings)" in lines
    assert any(line.startswith("store.retention = 86400") and "PERFKIT_STORE__RETENTION" in line for line in lines)
    assert "access.token = <hidden>  (environment PERFKIT_TOKEN)" in lines
    assert "http.health_path = '/health'  (default)" in lines
    assert "hunter2" not in result.output


@pytest.mark.parametrize("command", ["check", "config"])
def test_an_app_without_perfkit_is_told_what_to_write(command: str) -> None:
    result = run(lambda: Flask("bare"), command)
    assert result.exit_code == 2
    assert "Write Perfkit(app)" in told(result.output)


def test_the_command_of_an_app_in_a_file_works(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from flask import Flask\nfrom perfkit_flask import Perfkit\n"
        "app = Flask(__name__)\napp.config['PERFKIT'] = {'service': 'shop'}\nPerfkit(app)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "flask", "perfkit", "config"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT / 'integrations'}"},
    )
    assert done.returncode == 0, done.stderr
    assert "service = 'shop'  (settings)" in done.stdout


def test_the_command_tells_what_is_wrong_with_an_app_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from flask import Flask\nfrom perfkit_flask import Perfkit\n"
        "app = Flask(__name__)\napp.config['PERFKIT'] = {'servise': 'shop', 'stor': {}}\nPerfkit(app)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "flask", "perfkit", "check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("2 settings cannot be used:\n- ")
    assert "Traceback" not in done.stderr

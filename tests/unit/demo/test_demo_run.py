"""How the demo is started and ended; the whole of it runs in the integration tests."""

from __future__ import annotations

import logging
import os
import signal
import socket
from pathlib import Path

import pytest

from perfkit.cli.demo import PACKAGES
from perfkit.core.errors import ConfigurationError
from perfkit_demo.described import FRAMEWORKS, Described
from perfkit_demo.flask_shop.app import create_app as create_flask_app
from perfkit_demo.run import Demo, announce, environment_of, environment_variables, run, signals
from perfkit_demo.served import FAILURES_LOGGED_BY, app, is_surprising
from perfkit_demo.servers import listening_socket
from perfkit_demo.shop.audit import LEAK_LIMIT
from perfkit_demo.shop.services import PaymentDeclinedError

DATABASE = Path("/somewhere/shop.db")


def test_the_demo_is_development_so_that_no_token_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    environment = environment_of(Demo(), DATABASE, {})
    assert environment["PERFKIT_ENVIRONMENT"] == "development"
    assert announce(8000, environment) == "http://127.0.0.1:8000/perfkit/"
    assert "health     http://127.0.0.1:8000/health\n" in capsys.readouterr().out


def test_another_environment_is_kept_and_gets_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    environment = environment_of(Demo(), DATABASE, {"PERFKIT_ENVIRONMENT": "production"})
    assert environment["PERFKIT_ENVIRONMENT"] == "production"
    assert len(environment["PERFKIT_TOKEN"]) >= 22
    assert announce(8000, environment).endswith("/perfkit/?t=" + environment["PERFKIT_TOKEN"])
    assert environment["PERFKIT_TOKEN"] in capsys.readouterr().out


@pytest.mark.parametrize("demo", [Demo(workers=2), Demo(framework="flask"), Demo(framework="django", workers=3)])
def test_worker_processes_share_their_numbers_in_the_temporary_folder(demo: Demo) -> None:
    assert environment_of(demo, DATABASE, {})["PERFKIT_STORE__DIRECTORY"] == "/somewhere/numbers"


def test_one_worker_in_this_process_keeps_its_numbers_in_memory() -> None:
    assert "PERFKIT_STORE__DIRECTORY" not in environment_of(Demo(), DATABASE, {})


def test_environment_variables_are_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_DEMO_SEED", "before")
    monkeypatch.delenv("PERFKIT_DEMO_DATABASE", raising=False)
    with environment_variables({"PERFKIT_DEMO_SEED": "1", "PERFKIT_DEMO_DATABASE": "x"}):
        assert (os.environ["PERFKIT_DEMO_SEED"], os.environ["PERFKIT_DEMO_DATABASE"]) == ("1", "x")
    assert os.environ["PERFKIT_DEMO_SEED"] == "before"
    assert "PERFKIT_DEMO_DATABASE" not in os.environ


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_one_insists(number: signal.Signals) -> None:
    at_start = signal.getsignal(number)  # a test run in the background may be told to ignore it
    signal.signal(number, signal.SIG_DFL)
    try:
        with signals() as stopping:
            signal.raise_signal(number)
            assert stopping.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, at_start)


def test_a_port_in_use_is_an_error_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Port {port} of 127\.0\.0\.1 is in use\. .+\. .+--port"):
            run(Demo(port=port))
    assert list(tmp_path.iterdir()) == []


def test_port_0_is_any_free_one() -> None:
    with listening_socket(0) as one, listening_socket(0) as other:
        assert one.getsockname()[1] != other.getsockname()[1]


def test_the_app_says_what_it_needs_when_nobody_told_it_the_database() -> None:
    with pytest.raises(ConfigurationError, match="perfkit demo"):
        app({})


def test_the_app_says_which_frameworks_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'rails'.*fastapi, flask, django"):
        app({"PERFKIT_DEMO_DATABASE": "shop.db", "PERFKIT_DEMO_FRAMEWORK": "rails"})


def test_what_is_told_to_the_workers_is_what_they_understand() -> None:
    told = Described(database=DATABASE, framework="django", seed=-3, workers=4)
    assert Described.from_environment(told.environment) == told
    assert told.leak_limit == LEAK_LIMIT // 4


def test_the_command_line_knows_the_shops_that_there_are() -> None:
    assert tuple(PACKAGES) == FRAMEWORKS


def test_seeded_failures_are_no_news_but_others_are() -> None:
    def line(error: Exception | None) -> logging.LogRecord:
        info = (type(error), error, None) if error else None
        return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", (), info)

    assert not is_surprising(line(PaymentDeclinedError("declined")))
    assert is_surprising(line(ValueError("news")))
    assert is_surprising(line(None))


def test_the_failures_of_flask_are_looked_for_where_flask_tells_them() -> None:
    assert create_flask_app("unused.db", perfkit=False).logger.name == FAILURES_LOGGED_BY["flask"]

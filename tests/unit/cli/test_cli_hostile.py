"""Commands against services that mean no good, and with tokens that are none: nothing is obeyed, nothing is told on."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from msgspec.structs import replace
from overviews import Canned, canned, encoded, finding, made, route

from perfkit.cli.main import main
from perfkit.cli.probing import address
from perfkit.cli.reading.exchanges import slowest
from perfkit.cli.reading.service import Service, ServiceError

ESCAPE = "\x1b]0;owned\x07\x9b2J"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    for name in ("PERFKIT_URL", "PERFKIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with canned() as server:
        server.tells(made())
        yield server


COMMANDS = (["check"], ["top", "--once"], ["health"], ["drain"])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("token", ["swordfish\nx: y", "swordfish\x7f", "swordfish\u20ac"])
def test_a_token_that_no_header_may_hold_is_not_printed(
    command: list[str], token: str, service: Canned, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERFKIT_TOKEN", token)
    assert main([command[0], service.url, *command[1:]]) == 2
    said = "".join(capsys.readouterr())
    assert "swordfish" not in said
    assert "PERFKIT_TOKEN holds what no header may hold" in said
    assert service.asked == []


def test_the_line_end_of_a_file_is_no_part_of_the_token(service: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_TOKEN", "swordfish\r\n")
    assert main(["check", service.url]) == 0
    assert [token for _, token in service.asked] == ["Bearer swordfish"]


@pytest.mark.parametrize("command", ["health", "drain"])
@pytest.mark.parametrize("url", ["http://ann:swordfish@127.0.0.1:9", "http://127.0.0.1:9/health?t=swordfish"])
def test_a_url_with_a_secret_is_refused_and_not_repeated(
    command: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, url])
    assert ended.value.code == 2
    assert "swordfish" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "document",
    [
        {"status": ESCAPE, "checks": [{"status": "warning", "name": ESCAPE, "message": ESCAPE}]},
        {"status": "critical", "checks": 7},
        {"status": [ESCAPE], "checks": {"a": 1}},
    ],
)
def test_health_prints_nothing_that_a_terminal_obeys(
    document: object, service: Canned, capsys: pytest.CaptureFixture[str]
) -> None:
    service.answers["/health"] = (503, json.dumps(document).encode())
    assert main(["health", service.url]) == 1
    said = capsys.readouterr().out
    assert said
    assert not {"\x1b", "\x07", "\x9b"} & set(said)


@pytest.mark.parametrize("command", ["health", "drain", "check"])
def test_what_is_no_http_is_not_obeyed_either(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(f"{ESCAPE}\r\n\r\n".encode("latin-1"))

        thread = Thread(target=answer)
        thread.start()
        assert main([command, f"http://127.0.0.1:{listener.getsockname()[1]}"]) in (1, 3)
        thread.join()
    said = "".join(capsys.readouterr())
    assert "did not answer" in said
    assert not {"\x1b", "\x07", "\x9b"} & set(said)


@pytest.mark.parametrize(
    "listed",
    [
        [{"id": "a", "seconds": "long"}],
        [{"id": "a", "seconds": [1]}],
        [{"id": ["a"], "seconds": 1.0}],
        [{"seconds": 1.0}],
        [7],
        {"a": 1},
    ],
)
def test_a_list_of_requests_that_is_none_is_said_so(listed: object, service: Canned) -> None:
    path = "/perfkit/api/requests?route=GET%20%2F&limit=500"
    service.answers[path] = (200, json.dumps({"requests": listed}).encode())
    with pytest.raises(ServiceError, match="did not tell its kept requests"):
        slowest(Service(address(service.url)), "GET /")


@pytest.mark.parametrize(("is_terminal", "is_kept"), [(True, False), (False, True)])
def test_an_export_is_cleaned_for_a_terminal_and_kept_for_programs(
    is_terminal: bool,
    is_kept: bool,
    service: Canned,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    service.tells(made(routes=(route("/\x9b2J"),)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    assert main(["export", service.url]) == 0
    assert ("\x9b".encode() in capfdbinary.readouterr().out) is is_kept


def test_numbers_that_no_page_holds_are_said_so(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    overview = made()
    assert overview.performance is not None
    trend = replace(overview.performance.trend, step=1e16, p95=(-1e308, 5e-324), rate=(1.0, 2.0))
    performance = replace(overview.performance, trend=trend)
    service.tells(replace(overview, performance=performance))
    assert main(["top", "--once", service.url]) == 0
    assert main(["report", service.url]) == 3
    assert "numbers that no page can show" in capsys.readouterr().err


def test_metrics_that_are_no_numbers_are_said_so(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    sample = {"name": "x_bucket", "labels": {"le": "many"}, "value": 1.0}
    family = {"name": "x", "type": "histogram", "help": "", "unit": "", "samples": [sample]}
    service.answers["/metrics?format=json"] = (200, json.dumps([family]).encode())
    assert main(["export", service.url, "--format", "otlp"]) == 3
    assert "numbers that OTLP cannot hold" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["check"], ["top", "--once"], ["advise"]])
def test_no_line_that_a_runner_takes_for_a_command_comes_from_the_service(
    command: list[str], service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "x\n::error::fake"
    hostile = finding(code=words, site=f"{words}:3", message=words, action=words, fix={"sql": words})
    overview = made(findings=(hostile,), service=words, environment=words)
    service.tells(replace(overview, verdict=replace(overview.verdict, headline=words)))
    known = tmp_path / "known.json"
    known.write_bytes(encoded(made()))
    more = ["--no-new-findings", str(known)] if command == ["check"] else []
    main([command[0], service.url, *command[1:], *more])
    said = capsys.readouterr().out
    assert "fake" in said
    assert not [line for line in said.splitlines() if line.lstrip().startswith("::")]


def test_a_head_that_comes_byte_by_byte_has_one_time_limit(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(40):
                    connection.sendall(b"x")
                    time.sleep(0.1)
                connection.sendall(b"\r\nContent-Length: 2\r\n\r\n{}")
                was_read.append(True)

        was_read: list[bool] = []
        thread = Thread(target=drip)
        thread.start()
        code = main(["health", f"http://127.0.0.1:{listener.getsockname()[1]}", "--timeout", "500ms"])
        thread.join()
    assert (code, was_read) == (1, [])
    assert "did not answer" in capsys.readouterr().err

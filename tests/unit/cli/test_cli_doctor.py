"""`perfkit doctor`: each thing that can be wrong is found, and what is well is not complained about."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from overviews import canned, made, route

from perfkit import __version__
from perfkit.cli.diagnosis.answers import dashboard
from perfkit.cli.diagnosis.installation import cost, shared
from perfkit.cli.diagnosis.note import Level, Note
from perfkit.cli.main import main
from perfkit.cli.probing import Reply
from perfkit.cli.reading.service import Service
from perfkit.config import get_performance_config

APPS = {
    "well": "app = Starlette()\napp.add_middleware(PerfkitMiddleware)\n",
    "bare": "app = Starlette()\n",
    "inner": (
        "class Policy:\n"
        "    def __init__(self, app): self.app = app\n"
        "    async def __call__(self, scope, receive, send):\n"
        "        async def more(message):\n"
        "            if message['type'] == 'http.response.start':\n"
        "                message['headers'] = [*message['headers'], (b'content-security-policy', b'default-src x')]\n"
        "            await send(message)\n"
        "        await self.app(scope, receive, more)\n"
        "app = Starlette()\napp.add_middleware(PerfkitMiddleware)\napp.add_middleware(Policy)\n"
    ),
    "flask_inner": (
        "from flask import Flask\nfrom perfkit_flask import Perfkit\n"
        "app = Flask('flask_inner')\nPerfkit(app)\ninner = app.wsgi_app\n"
        "def around(environ, start_response): return inner(environ, start_response)\napp.wsgi_app = around\n"
    ),
    "open_to_all": (
        "def everyone(request): return True\n"
        "app = Starlette()\napp.add_middleware(PerfkitMiddleware, access={'access': everyone})\n"
    ),
}


def ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name in ("perfkit-scheduler", "perfkit-loop-watch")}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("PERFKIT_", "PROMETHEUS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PERFKIT_METRICS__PROMETHEUS_CLIENT", "off")
    for name, text in APPS.items():
        head = "from starlette.applications import Starlette\nfrom perfkit_asgi import PerfkitMiddleware\n"
        (tmp_path / f"doctored_{name}.py").write_text(head + text)
    path, threads = list(sys.path), ours()
    monkeypatch.chdir(tmp_path)
    yield
    assert ours() == threads, "the doctor has left a system that runs"
    sys.path[:] = path
    for name in APPS:
        sys.modules.pop(f"doctored_{name}", None)


def diagnosed(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return the worst note of each subject."""
    assert main(["doctor", *arguments, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["command"], document["is_well"]) == (1, "doctor", not code)
    levels = ["ok", "note", "warn", "FAIL"]
    notes: dict[str, dict[str, Any]] = {}
    for note in sorted(document["notes"], key=lambda note: levels.index(note["level"])):
        notes[note["subject"]] = note
    return notes


def test_an_app_that_is_well_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    notes = diagnosed(capsys, 0, "doctored_well:app")
    for subject in ("app", "settings", "store", "order", "dashboard", "policy", "prefix", "strangers", "cost"):
        assert notes[subject]["level"] == "ok", notes[subject]
    assert "µs" in notes["cost"]["message"]


def test_an_app_without_perfkit_is_told_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    note = diagnosed(capsys, 0, "doctored_bare")["app"]
    assert note["level"] == "note"
    assert "app.add_middleware(PerfkitMiddleware)" in note["todo"]
    assert "perfkit run doctored_bare" in note["todo"]


def test_a_middleware_around_perfkit_and_its_second_policy_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    notes = diagnosed(capsys, 1, "doctored_inner:app")
    assert notes["order"]["level"] == "warn"
    assert "Policy lies around perfkit" in notes["order"]["message"]
    assert notes["policy"]["level"] == "FAIL"
    assert "there is 2" in notes["policy"]["message"]


def test_what_lies_around_perfkit_in_flask_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert diagnosed(capsys, 0, "doctored_flask_inner:app")["order"]["level"] == "warn"


def test_a_dashboard_that_strangers_see_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert diagnosed(capsys, 1, "doctored_open_to_all:app")["strangers"]["level"] == "FAIL"


def test_a_missing_token_is_told_and_a_given_one_is_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert diagnosed(capsys, 0, "doctored_well:app")["access"]["level"] == "warn"
    assert "PERFKIT_TOKEN" not in os.environ
    sys.modules.pop("doctored_well")
    monkeypatch.setenv("PERFKIT_TOKEN", "a-secret-of-the-doctor")
    assert main(["doctor", "doctored_well:app"]) == 0
    assert os.environ["PERFKIT_TOKEN"] == "a-secret-of-the-doctor"
    out = capsys.readouterr().out
    assert "a token is set" in out
    assert "a-secret" not in out


def test_settings_that_cannot_be_used_are_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFKIT_CACHE__MAX_SIZE", "-1")
    notes = diagnosed(capsys, 1)
    assert notes["settings"]["level"] == "FAIL"
    assert "cache.max_size" in notes["settings"]["message"]


def levels(notes: Iterator[Note]) -> dict[str, Level]:
    return {note.subject: note.level for note in notes}


def test_directories_that_cannot_be_used_are_found(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    def looked(directory: str, foreign: str = "") -> dict[str, Level]:
        config = get_performance_config(overrides={"store": {"directory": directory}}, environ={})
        return levels(shared(config, {"PROMETHEUS_MULTIPROC_DIR": foreign} if foreign else {}))

    assert looked(str(tmp_path / "new")) == {"store": Level.OK}
    assert looked(str(file / "below")) == {"store": Level.ERROR}
    assert looked(str(tmp_path), str(tmp_path)) == {"store": Level.OK, "prometheus": Level.OK}
    assert looked(str(tmp_path), str(tmp_path / "missing")) == {"store": Level.OK, "prometheus": Level.ERROR}


def test_the_cost_is_measured() -> None:
    assert cost().level is Level.OK


class Answering:
    """A service whose page is given."""

    def __init__(self, page: str, *policies: str, sheet: int = 200, code: int = 200) -> None:
        self.page, self.policies, self.sheet, self.code = page, policies, sheet, code

    def get(self, path: str, *, as_stranger: bool = False) -> Reply:
        if path.endswith(".css"):
            return Reply(self.sheet, (), b"")
        headers = tuple(("content-security-policy", policy) for policy in self.policies)
        return Reply(self.code, headers, self.page.encode())


OURS = "default-src 'none'; script-src 'self'"


@pytest.mark.parametrize(
    ("service", "found"),
    [
        (Answering('<link href="./static/s.css">', OURS), {}),
        (Answering("", OURS, code=404), {"dashboard": Level.ERROR}),
        (Answering(""), {"policy": Level.ERROR}),
        (Answering("", "default-src *"), {"policy": Level.ERROR}),
        (Answering("", OURS, OURS), {"policy": Level.ERROR}),
        (Answering('<a href="/perfkit/">', OURS), {"prefix": Level.ERROR}),
        (Answering('<img src="https://elsewhere/x.png">', OURS), {"prefix": Level.ERROR}),
        (Answering('<link href="./static/s.css">', OURS, sheet=404), {"prefix": Level.WARNING}),
    ],
)
def test_what_the_page_comes_with_is_looked_at(service: Answering, found: dict[str, Level]) -> None:
    told = levels(dashboard(service, "/perfkit"))
    assert {subject: level for subject, level in told.items() if level is not Level.OK} == found


def test_a_running_service_is_looked_at_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    with canned() as service:
        service.tells(made(requests=100, routes=(route("", requests=90),), degraded="the store is full"))
        service.answers["/perfkit/"] = (200, b"<html>")
        service.headers = {"content-security-policy": OURS}
        notes = diagnosed(capsys, 1, service.url)
    assert notes["strangers"]["level"] == "FAIL"
    assert notes["workers"]["message"] == "the store is full"
    assert notes["metrics"]["level"] == "note"
    assert "90 of the last 100 matched no route" in notes["requests"]["message"]


@pytest.mark.parametrize(
    ("target", "code"),
    [("http://127.0.0.1:1", 3), ("http://u:p@127.0.0.1", 2), ("no_such_module:app", 2), ("ftp://x", 2)],
)
def test_what_cannot_be_looked_at_has_its_exit_code(target: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", target]) == code
    assert "Traceback" not in capsys.readouterr().err


CAPTURE = {"name": "sqlalchemy", "is_active": False, "reason": "the self-test failed: OperationalError"}
SEEN = {"requests": 100, "routes": (route("/a"),), "perfkit": __version__}


@pytest.mark.parametrize(
    ("numbers", "health", "subject", "level", "said", "todo"),
    [
        ({}, 503, "health", "warn", "says that the service is critical", "perfkit health says why"),
        ({}, 404, "health", "note", "/health answers 404", "http.health_path"),
        ({"perfkit": "0.0.9"}, 200, "version", "note", "has perfkit 0.0.9", "own environment"),
        ({"off": ("database",)}, 200, "components", "note", "database is switched off", "database.enabled to true"),
        ({"asleep": ("cache",)}, 200, "components", "note", "cache sleeps", "@cached"),
        ({"asleep": ("recorder",)}, 200, "components", "note", "recorder sleeps", ""),
        ({"database": {"captures": [CAPTURE]}}, 200, "hooks", "warn", "sqlalchemy are not seen", "OperationalError"),
        ({"database": None}, 200, "hooks", "note", "no database is seen", "by hand"),
        ({"requests": 0, "routes": ()}, 200, "requests", "warn", "none has been counted", "not in its way"),
        ({"degraded": "the store is full"}, 200, "workers", "warn", "the store is full", "store.directory"),
    ],
)
def test_a_fault_of_a_running_service_is_found_with_what_mends_it(
    numbers: dict[str, Any],
    health: int,
    subject: str,
    level: str,
    said: str,
    todo: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with canned() as service:
        service.headers = {"content-security-policy": OURS}
        service.tells(made(**{**SEEN, **numbers}))
        service.answers |= {"/perfkit/": (200, b"<html>"), "/health": (health, b"{}"), "/metrics": (200, b"")}
        main(["doctor", service.url, "--json"])
    notes = [note for note in json.loads(capsys.readouterr().out)["notes"] if note["subject"] == subject]
    assert [note["level"] for note in notes] == [level]
    assert said in notes[0]["message"]
    assert todo in notes[0]["todo"]


def test_a_token_in_the_clear_is_found() -> None:
    clear = {url: Service(urlsplit(url)).is_in_the_clear for url in CLEAR}
    assert clear == CLEAR


CLEAR = {
    "http://shop.example": True,
    "http://10.0.0.5:8000": True,
    "https://shop.example": False,
    "http://127.0.0.1:8000": False,
    "http://127.9.9.9": False,
    "http://localhost:8000": False,
    "http://[::1]:8000": False,
}


def test_an_app_that_nothing_can_serve_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfkit.cli.diagnosis.application.find_spec", lambda name: None)
    note = diagnosed(capsys, 0, "doctored_well:app")["server"]
    assert (note["level"], note["todo"]) == ("warn", "pip install uvicorn")

"""`flask perfkit` and `manage.py perfkit` in real projects: the perfkit command, with the app's own paths and token."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django_site import MIDDLEWARE
from flask import Flask
from flask.cli import ScriptInfo

from perfkit.config import AccessSettings, HttpSettings, PerformanceConfig
from perfkit.http.commands.passing import PASSED, pass_on
from perfkit_flask import Perfkit
from perfkit_flask.commands import perfkit as flask_command

ROOT = Path(__file__).parents[2]
assert MIDDLEWARE  # the site of the tests is configured

TOKEN = "a-token-of-the-project-itself-32"
FLASK = f"""
from flask import Flask
from perfkit_flask import Perfkit

app = Flask(__name__)
app.config["PERFKIT"] = {{"access": {{"token": "{TOKEN}"}}, "http": {{"prefix": "/internal"}}}}
Perfkit(app)
"""
FACTORY = FLASK.replace("app = Flask", "def create_app():\n    app = Flask").replace("\napp.config", "\n    app.config")
FACTORY = FACTORY.replace("\nPerfkit(app)", "\n    Perfkit(app)\n    return app")
SETTINGS = f"""
SECRET_KEY = "x"
ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["perfkit_django"]
MIDDLEWARE = ["perfkit_django.PerfkitMiddleware"]
PERFKIT = {{"access": {{"token": "{TOKEN}"}}, "http": {{"prefix": "/internal"}}}}
"""
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[str]]]:
    """Folder and command of each kind of project."""
    files = {
        "flask": {"app.py": FLASK},
        "flask-factory": {"app.py": FACTORY},
        "django": {"settings.py": SETTINGS, "urls.py": "urlpatterns = []", "manage.py": MANAGE},
    }
    found = {}
    for kind, each in files.items():
        folder = tmp_path_factory.mktemp(kind)
        for name, text in each.items():
            (folder / name).write_text(text)
        program = ["manage.py"] if kind == "django" else ["-m", "flask"]
        found[kind] = (folder, [sys.executable, *program, "perfkit"])
    return found


class Listener(BaseHTTPRequestHandler):
    """A service that remembers what it is asked; it knows nothing."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012 - made anew for each test

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("authorization", "")))
        body = b'{"status": "warning"}'
        self.send_response(200 if self.path.endswith("/health") else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """A port where something answers, and what was asked there."""
    handler = type("Handler", (Listener,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port, handler.asked
    server.shutdown()
    thread.join()
    server.server_close()


def run(project: tuple[Path, list[str]], *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    folder, command = project
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PERFKIT_", "DJANGO_", "FLASK_"))}
    path = os.pathsep.join(map(str, (ROOT, ROOT / "integrations")))
    environment = {**kept, "PYTHONPATH": path, **variables}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("kind", ["flask-factory", "django"])
def test_the_doctor_looks_at_the_project_itself(projects: dict[str, tuple[Path, list[str]]], kind: str) -> None:
    done = run(projects[kind], "doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["command"] == "doctor"
    said = {note["subject"]: note["message"] for note in told["notes"]}
    assert "perfkit is in its code" in said["app"]
    assert ("Django" if kind == "django" else "Flask") in said["app"]
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["flask", "django"])
def test_a_command_knows_the_paths_and_the_token_of_the_project(
    projects: dict[str, tuple[Path, list[str]]], kind: str, service: tuple[int, list[tuple[str, str]]]
) -> None:
    port, asked = service
    refused = run(projects[kind], "advise", "--json", PERFKIT_URL=f"http://127.0.0.1:{port}/internal/perfkit")
    assert refused.returncode == 4, refused.stdout + refused.stderr
    assert ("/internal/perfkit/api/overview", f"Bearer {TOKEN}") in asked
    assert TOKEN not in refused.stdout + refused.stderr


def in_flask(*arguments: str) -> tuple[int, str]:
    app = Flask("shop")
    Perfkit(app)
    result = Flask("runner").test_cli_runner().invoke(flask_command, arguments, obj=ScriptInfo(create_app=lambda: app))
    return result.exit_code, result.output


def in_django(*arguments: str) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            call_command("perfkit", *arguments)
        except SystemExit as end:
            return int(end.code or 0), output.getvalue()
    return 0, output.getvalue()


@pytest.mark.parametrize("run_in", [in_flask, in_django])
def test_the_options_and_the_help_of_a_command_are_its_own(run_in: Callable[..., tuple[int, str]]) -> None:
    code, said = run_in("advise", "--help")
    assert code == 0
    assert "--top COUNT" in said
    code, said = run_in("advise", "--nonsense", "-x")
    assert code == 2
    assert "--nonsense" in said
    code, said = run_in("--help")
    assert all(name in said for name in (*PASSED, "check", "config"))


@pytest.mark.parametrize("run_in", [in_flask, in_django])
def test_the_exit_code_and_the_answer_are_those_of_the_command(
    run_in: Callable[..., tuple[int, str]], service: tuple[int, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = service
    monkeypatch.setenv("PERFKIT_URL", f"http://127.0.0.1:{port}")
    assert run_in("health", f"http://127.0.0.1:{port}/health") == (0, "warning\n")
    assert run_in("health", f"http://127.0.0.1:{port}/nowhere")[0] == 1
    assert run_in("export", "--format", "json")[0] == 4
    assert ("/perfkit/api/overview", "") in asked


def test_what_django_itself_takes_may_stand_anywhere(called: list[tuple[list[str], str | None, str | None]]) -> None:
    with pytest.raises(SystemExit):
        call_command("perfkit", "advise", "--settings=shop.settings", "--top", "3", "--pythonpath", "src")
    assert called.pop()[0] == ["advise", "--top", "3"]


CONFIG = PerformanceConfig(
    http=HttpSettings(prefix="/in", dashboard_path="/dash", health_path="/up"), access=AccessSettings(token=TOKEN)
)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str | None, str | None]]:
    """What the command line is called with, and the address and token that it finds."""
    calls: list[tuple[list[str], str | None, str | None]] = []

    def main(arguments: list[str]) -> int:
        calls.append((arguments, os.environ.get("PERFKIT_URL"), os.environ.get("PERFKIT_TOKEN")))
        return 7

    for name in ("PERFKIT_URL", "PERFKIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("perfkit.cli.main.main", main)
    return calls


def test_what_is_passed_on(
    called: list[tuple[list[str], str | None, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(command: str, *arguments: str, app: str = "app:app") -> tuple[list[str], str | None, str | None]:
        assert pass_on(command, arguments, config=CONFIG, port=5000, app=app) == 7
        return called.pop()

    place = "http://127.0.0.1:5000/in"
    assert ask("advise", "--top", "3") == (["advise", "--top", "3"], f"{place}/dash", TOKEN)
    assert ask("health") == (["health", f"{place}/up"], f"{place}/dash", TOKEN)
    here = ["http://127.0.0.1:9/up", "https://localhost/up", "http://[::1]:9", "localhost:9", "HTTP://shop.localhost:9"]
    for url in here:
        assert ask("health", url)[2] == TOKEN, url
    assert ask("report", "-o", "report.html")[2] == TOKEN
    for url in ("http://there", "https://there:443/up", "there:9", "HTTP://there", "http://localhost@there", "http://"):
        assert ask("health", url)[2] is None, "the app's token is for the app alone"
    assert ask("doctor", "--json") == (["doctor", "--json", "app:app"], f"{place}/dash", None)
    assert ask("doctor", "http://there") == (["doctor", "http://there"], f"{place}/dash", None)
    assert ask("doctor", app="")[0] == ["doctor"]
    monkeypatch.setenv("PERFKIT_URL", "http://there:9")
    assert ask("advise") == (["advise"], "http://there:9", None)
    monkeypatch.setenv("PERFKIT_TOKEN", "the-token-of-the-environment")
    assert ask("advise") == (["advise"], "http://there:9", "the-token-of-the-environment")
    assert ask("health") == (["health", "http://there:9"], "http://there:9", "the-token-of-the-environment")
    monkeypatch.delenv("PERFKIT_URL")
    assert os.environ.get("PERFKIT_URL") is None


@pytest.mark.parametrize("written", [["--url", "{}"], ["--url={}"]])
def test_another_address_is_given_with_the_apps_own_paths(
    called: list[tuple[list[str], str | None, str | None]], written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFKIT_URL", "http://there:9")

    def ask(command: str, url: str) -> tuple[list[str], str | None]:
        given = ["--json", *(each.format(url) for each in written)]
        assert pass_on(command, given, config=CONFIG, port=5000, app="app:app") == 7
        arguments, _, token = called.pop()
        assert arguments[:2] == [command, "--json"]
        return arguments[2:], token

    monkeypatch.delenv("PERFKIT_URL")
    assert ask("advise", "http://127.0.0.1:9/") == (["http://127.0.0.1:9/in/dash"], TOKEN)
    assert ask("advise", "localhost:9") == (["http://localhost:9/in/dash"], TOKEN)
    assert ask("health", "http://there") == (["http://there/in/up"], None)
    assert ask("advise", "http://there/other/perfkit") == (["http://there/other/perfkit"], None)
    assert ask("doctor", "http://there") == (["http://there/in/dash"], None)
    monkeypatch.setenv("PERFKIT_URL", "http://there:9")
    assert ask("advise", "http://127.0.0.1:9") == (["http://127.0.0.1:9/in/dash"], None), "one of the two is elsewhere"


def test_flask_is_asked_where_its_server_listens(
    called: list[tuple[list[str], str | None, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FLASK_RUN_HOST", "FLASK_RUN_PORT"):
        monkeypatch.delenv(name, raising=False)
    app = Flask("shop")
    app.config["PERFKIT"] = {"access": {"token": TOKEN}}
    Perfkit(app)

    def asked() -> tuple[str | None, str | None]:
        runner = Flask("runner").test_cli_runner()
        runner.invoke(flask_command, ["advise"], obj=ScriptInfo(create_app=lambda: app))
        return called.pop()[1:]

    assert asked() == ("http://127.0.0.1:5000/perfkit", TOKEN)
    monkeypatch.setenv("FLASK_RUN_PORT", "5050")
    assert asked() == ("http://127.0.0.1:5050/perfkit", TOKEN)
    for host, place in {"0.0.0.0": "127.0.0.1", "::": "[::1]", "localhost": "localhost"}.items():
        monkeypatch.setenv("FLASK_RUN_HOST", host)
        assert asked() == (f"http://{place}:5050/perfkit", TOKEN)
    monkeypatch.setenv("FLASK_RUN_HOST", "192.0.2.7")
    assert asked() == ("http://192.0.2.7:5050/perfkit", None), "the app's token is read by nobody on the way"


@pytest.mark.parametrize("command", ["advise", "health"])
def test_who_is_not_answered_learns_who_was_asked_and_how_to_ask_another(
    command: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PERFKIT_URL", "PERFKIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens there
        port = taken.getsockname()[1]
        assert pass_on(command, [], config=CONFIG, port=port, app="app:app", server="flask run listens")
        said = capfd.readouterr().err
        assert f"http://127.0.0.1:{port} was asked, where flask run listens. Nobody answers there." in said
        assert "--url http://host:port" in said
        assert pass_on(command, [f"http://127.0.0.1:{port}"], config=CONFIG, port=port, app="app:app")
        assert "was asked" not in capfd.readouterr().err, "who names an address knows it"

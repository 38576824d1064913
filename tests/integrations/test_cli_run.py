"""`perfkit run`: apps that know nothing of perfkit, under real servers, measured without a line changed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import until
from ports import reserved_port
from processes import family_of, left_of, stop

pytestmark = pytest.mark.server

TOKEN = "a-token-for-the-run-tests"

FILES = {
    "fast.py": """
from fastapi import FastAPI
app = FastAPI()

@app.get("/items/{number}")
def item(number: int): return {"number": number}
""",
    "flasky.py": """
from flask import Flask

def create_app():
    app = Flask(__name__)
    app.add_url_rule("/items/<int:number>", view_func=lambda number: {"number": number}, endpoint="item")
    return app
""",
    "bare.py": """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"here"]
""",
    "project/__init__.py": "",
    "project/settings.py": """
SECRET_KEY = "for the tests only " * 4
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "project.urls"
MIDDLEWARE = ("django.middleware.common.CommonMiddleware",)
""",
    "project/urls.py": """
from django.http import JsonResponse
from django.urls import path
urlpatterns = [path("items/<int:number>", lambda request, number: JsonResponse({"number": number}))]
""",
    "project/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_wsgi_application()
""",
    "project/asgi.py": """
import os
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_asgi_application()
""",
}

COMMAND = (sys.executable, "-m", "perfkit.cli", "run")
WITHOUT_GUNICORN = (
    sys.executable,
    "-c",
    "import sys; sys.modules['gunicorn'] = None; from perfkit.cli.main import main; sys.exit(main(sys.argv[1:]))",
    "run",
)


class Running:
    """A `perfkit run` and what it says."""

    def __init__(self, process: subprocess.Popen[str], port: int, messages: Path) -> None:
        self.process, self.port, self.messages = process, port, messages

    def get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def overview(self) -> dict[str, Any]:
        code, body = self.get("/perfkit/api/overview")
        assert code == 200, body
        document: dict[str, Any] = json.loads(body)
        return document

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/health/live")[0] == 200
        assert self.process.poll() is None, self.messages.read_text()
        return False


@contextlib.contextmanager
def running(folder: Path, *arguments: str, command: tuple[str, ...] = COMMAND) -> Iterator[Running]:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")}
    messages = folder / "messages"
    with reserved_port() as port, messages.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--port", str(port), *arguments],
            cwd=folder,
            env={**environment, "PERFKIT_TOKEN": TOKEN, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            service = Running(process, port, messages)
            until(service.answers)
            yield service
        finally:
            stop(process)
            if process.stdout is not None:
                process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "route", "said"),
    [
        (("fast:app",), "/items/{number}", "fast:app is FastAPI (ASGI)"),
        (("fast", "--workers", "2"), "/items/{number}", "fast is FastAPI (ASGI)"),
        (("fast.py", "--reload"), "/items/{number}", "fast.py is FastAPI (ASGI)"),
        (("flasky",), "/items/<int:number>", "flasky is Flask (WSGI)"),
        (("flasky:create_app()", "--workers", "2"), "/items/<int:number>", "is Flask (WSGI)"),
        (("project.wsgi",), "/items/<int:number>", "project.wsgi is Django (WSGI)"),
        (("project.asgi:application",), "/items/<int:number>", "is Django (ASGI)"),
        (("bare", "--", "--threads", "2"), "", "bare is WSGI (WSGI)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_app_is_measured_without_a_line_changed(
    tmp_path: Path, arguments: tuple[str, ...], route: str, said: str
) -> None:
    with running(tmp_path, *arguments) as service:
        for number in range(5):
            assert service.get(f"/items/{number}")[0] == 200
        performance = service.overview()["performance"]
        assert performance["total_requests"] == 5
        assert [(each["method"], each["route"]) for each in performance["routes"]] == [("GET", route)]
        assert said in service.messages.read_text()
        assert service.process.stdout is not None
        assert service.process.stdout.readline() == f"dashboard  http://127.0.0.1:{service.port}/perfkit/\n"


def test_the_standard_library_serves_where_there_is_no_other(tmp_path: Path) -> None:
    with running(tmp_path, "bare:app", command=WITHOUT_GUNICORN) as service:
        assert service.get("/anything") == (200, b"here")
        assert service.overview()["performance"]["total_requests"] == 1
        assert "for development only" in service.messages.read_text()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 130


@pytest.mark.parametrize("target", ["fast:app", "flasky"])
def test_a_signal_ends_all_of_it(tmp_path: Path, target: str) -> None:
    with running(tmp_path, target, "--workers", "2") as service:
        family = family_of(service.process.pid)
        assert len(family) >= 3
        service.process.send_signal(signal.SIGINT)
        service.process.wait(60)
        assert left_of(family) == []


def test_options_that_need_gunicorn_say_so(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(FILES["bare.py"])
    command = [*WITHOUT_GUNICORN, "bare:app", "--port", "0", "--workers", "2"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 2
    assert "pip install gunicorn" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_missing_uvicorn_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "fast.py").write_text(FILES["fast.py"])
    code = "import sys; sys.modules['uvicorn'] = None; from perfkit.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "run", "fast:app", "--port", "0"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 2
    assert "pip install uvicorn" in outcome.stderr

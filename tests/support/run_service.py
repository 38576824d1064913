"""`perfkit run` around small apps that know nothing of perfkit, under real servers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from patience import until
from ports import reserved_port
from processes import stop

__all__ = ["COMMAND", "FILES", "TOKEN", "WITHOUT_GUNICORN", "Running", "running"]

TOKEN = "a-token-for-the-run-tests"

FILES = {
    "fast.py": """
from fastapi import FastAPI
app = FastAPI()

@app.get("/items/{number}")
def item(number: int): return {"number": number}
""",
    "star.py": """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def item(request): return JSONResponse({"number": request.path_params["number"]})

def build(): return Starlette(routes=[Route("/items/{number:int}", item)])
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

"""perfkit in Django projects of other settings than the tests', each in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from doc_pages import blocks, text
from fleet import HERE, ROOT, Fleet, Load, fleet
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

SETTINGS = """
DEBUG = True
SECRET_KEY = "not secret"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "project_urls"
INSTALLED_APPS = ["perfkit_django"]
MIDDLEWARE = ["perfkit_django.PerfkitMiddleware"]
WSGI_APPLICATION = None
PERFKIT = {"service": "project"}
"""

URLS = """
import os

from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("items/<int:item_id>", lambda request, item_id: HttpResponse(str(item_id))),
    path("pid", lambda request: HttpResponse(str(os.getpid()))),
    path("imported", lambda request: HttpResponse(" ".join(__import__("sys").modules))),
]
"""

ROUTE = "/items/<int:item_id>"


class Project:
    """A Django project in a folder."""

    def __init__(self, folder: Path, settings: str = SETTINGS, urls: str = URLS) -> None:
        self.folder = folder
        (folder / "project_settings.py").write_text(settings)
        (folder / "project_urls.py").write_text(urls)
        self.environment = {
            "PYTHONPATH": os.pathsep.join(map(str, (folder, HERE, ROOT, ROOT / "integrations"))),
            "DJANGO_SETTINGS_MODULE": "project_settings",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")}
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env={**inherited, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def answered_by(running: Fleet) -> int:
    try:
        status, body = running.get("/pid")
    except OSError:
        return 0
    return int(body) if status == 200 else 0


def test_runserver_reloads_and_only_the_process_that_serves_counts(project: Project) -> None:
    store = project.folder / "store"
    environment = {**project.environment, "PERFKIT_STORE__DIRECTORY": str(store)}
    with fleet("-m django runserver 127.0.0.1:{port}", env=environment) as running:
        parent, first = running.process.pid, answered_by(running)
        assert first not in (0, parent)
        Load(running.port).run(50)
        assert running.counted(ROUTE) == 50
        assert len(list(store.rglob("w-*.val"))) == 1
        opened = {Path(file.path) for file in psutil.Process(parent).open_files()}
        assert not [file for file in opened if file.is_relative_to(store)]
        time.sleep(1.1)  # the reloader looks at modification times once a second
        urls = project.folder / "project_urls.py"
        urls.write_text(f"{URLS}\n# changed\n")
        until(lambda: answered_by(running), lambda pid: pid not in (0, first))
        Load(running.port).run(50)
        assert running.counted(ROUTE) == 100
        assert running.in_flight() == 0


def test_runserver_without_reloading_counts_too(project: Project) -> None:
    with fleet("-m django runserver 127.0.0.1:{port} --noreload --nothreading", env=project.environment) as running:
        Load(running.port).run(50, threads=1)
        assert running.counted(ROUTE) == 50


def test_the_dashboard_of_runserver_opens_on_this_machine_without_a_token(project: Project) -> None:
    with fleet("-m django runserver 127.0.0.1:{port} --noreload", env=project.environment) as running:
        assert running.get("/perfkit/")[0] == 200
        assert running.get("/health/ready")[0] == 200


def test_nothing_of_contrib_is_needed_or_imported(project: Project) -> None:
    with fleet("-m django runserver 127.0.0.1:{port} --noreload", env=project.environment) as running:
        status, modules = running.get("/imported")
    assert status == 200
    assert not {name for name in modules.split() if name.startswith(("django.contrib.auth", "django.contrib.sessions"))}


def test_manage_py_check_is_content_with_the_lines_of_the_tutorial(project: Project) -> None:
    done = project.manage("check")
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_manage_py_check_tells_all_that_is_wrong_and_runserver_does_not_start(tmp_path: Path) -> None:
    bad = SETTINGS.replace('{"service": "project"}', '{"servise": "project", "store": {"retention": -5}}')
    project = Project(tmp_path, bad)
    for command in (("check",), ("runserver", "--noreload", "127.0.0.1:0")):
        done = project.manage(*command)
        assert done.returncode == 1
        assert done.stderr.count("perfkit.E001") == 2
        assert "Write service instead." in done.stderr


def test_manage_py_perfkit_runs_outside_of_a_server(project: Project) -> None:
    done = project.manage("perfkit", "check")
    assert (done.returncode, done.stdout) == (0, "perfkit: everything is in order.\n"), done.stderr
    done = project.manage("perfkit", "config", PERFKIT_TOKEN="a-token-of-the-projects")
    assert "service = 'project'  (settings)" in done.stdout
    assert "environment = 'development'  (debug)" in done.stdout
    assert "a-token-of" not in done.stdout
    assert project.manage("perfkit").returncode == 2


def test_there_is_no_model_and_no_migration(project: Project) -> None:
    done = project.manage("makemigrations", "--check", "--dry-run", "perfkit_django")
    assert (done.returncode, done.stdout) == (0, "No changes detected in app 'perfkit_django'\n"), done.stderr
    assert not (ROOT / "integrations" / "perfkit_django" / "migrations").exists()


PAGE = "docs/tutorials/django.md"
BOOKS = "/books/<int:book_id>/"


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make the project of the tutorial by its own words; return the environment of its servers."""
    folder = tmp_path_factory.mktemp("tutorial")
    settings, urls, _, tests, *_ = (block.code for block in blocks(text(PAGE)) if block.language == "python")
    started = subprocess.run(
        [sys.executable, "-m", "django", "startproject", "books", "."], cwd=folder, timeout=120, check=False
    )
    assert started.returncode == 0
    with (folder / "books" / "settings.py").open("a", encoding="utf-8") as file:
        file.write(settings)
    (folder / "books" / "urls.py").write_text(urls, encoding="utf-8")
    (folder / "books" / "tests.py").write_text(tests, encoding="utf-8")
    return {
        "PYTHONPATH": os.pathsep.join(map(str, (folder, HERE, ROOT, ROOT / "integrations"))),
        "DJANGO_SETTINGS_MODULE": "books.settings",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.mark.parametrize(
    "server",
    [
        "-m django runserver 127.0.0.1:{port} --noreload",
        "-m gunicorn books.wsgi -b 127.0.0.1:{port} --workers 4 --timeout 120",
        "-m gunicorn books.wsgi -b 127.0.0.1:{port} --workers 4 --threads 8 --timeout 120",
        "-m uvicorn books.asgi:application --port {port} --workers 4 --lifespan off",
    ],
)
def test_the_tutorial_works_as_it_stands(tutorial: dict[str, str], server: str) -> None:
    with fleet(server, env=tutorial) as running:
        assert Load(running.port, path="/books/1/").run(60).acknowledged == 60
        assert running.get("/books/99/")[0] == 404
        assert running.get("/perfkit/")[0] == 200
        assert running.get("/health/ready")[0] == 200
        until(lambda: running.counted(BOOKS), lambda found: found == 61)


def test_the_test_of_the_tutorial_passes(tutorial: dict[str, str]) -> None:
    for command in (("check",), ("test", "books")):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "django", *command],
            env={**os.environ, **tutorial},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr

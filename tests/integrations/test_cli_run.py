"""`perfkit run`: apps that know nothing of perfkit, under real servers, measured without a line changed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import family_of, left_of
from run_service import FILES, WITHOUT_GUNICORN, running

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("arguments", "route", "said"),
    [
        (("fast:app",), "/items/{number}", "fast:app is FastAPI (ASGI)"),
        (("fast", "--workers", "2"), "/items/{number}", "fast is FastAPI (ASGI)"),
        (("fast.py", "--reload"), "/items/{number}", "fast.py is FastAPI (ASGI)"),
        (("star:build", "--factory"), "/items/{number:int}", "star:build is Starlette (ASGI)"),
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


def test_stdout_has_the_address_alone(tmp_path: Path) -> None:
    with running(tmp_path, "fast:app") as service:
        service.get("/items/1")
        service.process.send_signal(signal.SIGTERM)
        out, _ = service.process.communicate(timeout=60)
        assert out == f"dashboard  http://127.0.0.1:{service.port}/perfkit/\n"
        assert "GET /items/1" in service.messages.read_text()


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

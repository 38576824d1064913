"""README's quick starts, copied and pasted: each in a virtual environment of its own, served, and looked at."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from doc_pages import ROOT, Block, blocks, section, text
from patience import until
from ports import reserved_port
from processes import stop

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

PORT = re.compile(r"\b8000\b")


def quick_start(framework: str) -> tuple[list[Block], Block]:
    """Give the blocks to run before, and the last one, which serves."""
    *before, serves = blocks(section(text("README.md"), f"### {framework}"))
    assert serves.language == "sh"
    return before, serves


@contextmanager
def served(command: str, folder: Path, environment: dict[str, str]) -> Iterator[int]:
    """Run *command* in a shell, as somebody who pasted it, but for the port; give the port."""
    with reserved_port() as port, (folder / "server.log").open("wb") as log:
        pasted = PORT.sub(str(port), command)
        assert pasted != command, "the command names no port"
        process = subprocess.Popen(
            ["sh", "-c", pasted], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield port
        finally:
            stop(process)


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError:
        return 0, ""


def requests_counted(page: str) -> float:
    lines = [line for line in page.splitlines() if line.startswith("http_server_request_duration_seconds_count{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@pytest.mark.parametrize("framework", ["FastAPI", "Starlette", "Flask", "Django"])
def test_a_quick_start_gives_numbers(framework: str, tmp_path: Path) -> None:
    before, serves = quick_start(framework)
    folder, home = tmp_path / "app", tmp_path / "venv"
    folder.mkdir()
    venv.create(home, with_pip=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PERFKIT_", "PYTHON", "DJANGO"))}
    environment = {**kept, "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(home)}
    for block in before:
        if block.language == "python":
            target = folder / ("shop/settings.py" if framework == "Django" else "app.py")
            with target.open("a", encoding="utf-8") as file:
                file.write("\n" + block.code)
            continue
        for line in block.code.splitlines():
            where = ROOT if shlex.split(line)[:3] == ["pip", "install", "."] else folder
            done = subprocess.run(
                ["sh", "-c", line], cwd=where, env=environment, capture_output=True, text=True, timeout=600
            )
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    with served(serves.code, folder, environment) as port:
        base = f"http://127.0.0.1:{port}"
        until(lambda: answer(f"{base}/health")[0], lambda status: status == 200)
        assert json.loads(answer(f"{base}/health")[1])["status"] == "healthy"
        path = "/" if framework == "Django" else "/hello/you"
        for _ in range(7):
            assert answer(base + path)[0] == 200
        page = until(lambda: answer(f"{base}/metrics"), lambda page: requests_counted(page[1]) == 7)
        assert page[0] == 200
        status, dashboard = answer(f"{base}/perfkit/")
        assert status == 200
        assert "<html" in dashboard
    assert "Traceback" not in (folder / "server.log").read_text()

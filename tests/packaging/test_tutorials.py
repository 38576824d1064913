"""The tutorials, to the letter: an empty folder, an N+1, its line, the fix, the proof, a test that keeps it."""

from __future__ import annotations

import os
import re
import sys
import urllib.request
import venv
from pathlib import Path

import pytest
from pasted_page import PastedPage, shell_path
from ports import reserved_port

pytestmark = pytest.mark.server

PAGES = (
    "docs/tutorials/n-plus-one-fastapi.md",
    "docs/tutorials/n-plus-one-flask.md",
    "docs/tutorials/n-plus-one-django.md",
)
PROOF = re.compile(r"(\d+) → (\d+) queries, p95 [\d.,]+ m?s → [\d.,]+ m?s  since release 1\.1")


def follow(page: str, folder: Path, programs: Path, *, installs: bool) -> None:
    folder.mkdir()
    with reserved_port() as port:
        pasted = PastedPage(page, folder, port, shell_path(programs, os.environ), installs=installs)
        pasted.follow()
    told, fixed = pasted.outputs
    assert "200 queries in one request" in told, told
    found = PROOF.search(fixed)
    assert found is not None, fixed
    assert (found[1], found[2]) == ("201", "2")
    assert "Traceback" not in (folder / "server.log").read_text()


@pytest.mark.acceptance
@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", PAGES[1:2])
def test_a_tutorial_comes_to_its_end(page: str, tmp_path: Path) -> None:
    follow(page, tmp_path / "empty", Path(sys.executable).parent, installs=False)


@pytest.mark.acceptance
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_comes_to_its_end_in_a_fresh_environment(page: str, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    follow(page, tmp_path / "empty", home / "bin", installs=True)


STARTS = {
    "docs/tutorials/fastapi.md": {"200": 60.0, "404": 1.0},
    "docs/tutorials/flask.md": {"200": 60.0, "404": 1.0},
    "docs/tutorials/django.md": {"200": 60.0, "404": 1.0},
}
STATUS = re.compile(
    r'^http_server_request_duration_seconds_count\{.*http_response_status_code="(\d+)".*\} (\S+)$', re.M
)


@pytest.mark.acceptance
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", STARTS)
def test_a_start_page_gives_the_numbers_that_it_tells_of(page: str, tmp_path: Path) -> None:
    home, folder = tmp_path / "venv", tmp_path / "empty"
    venv.create(home, with_pip=True)
    folder.mkdir()

    def look(url: str) -> None:
        with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
            counted = {status: float(count) for status, count in STATUS.findall(answer.read().decode())}
        assert counted == STARTS[page]
        with urllib.request.urlopen(f"{url}/perfkit/", timeout=60) as answer:
            # Long names may be broken within.
            assert "/books/" in re.sub(r"<[^>]+>", "", answer.read().decode())

    with reserved_port() as port:
        path = shell_path(home / "bin", os.environ)
        end = "## 6. Ask from Python"
        PastedPage(page, folder, port, path, installs=True, end=end).follow(look)
    assert "Traceback" not in (folder / "server.log").read_text()

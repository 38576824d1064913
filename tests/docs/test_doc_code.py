"""What the pages show runs: each page's python blocks, from top to bottom, in an interpreter of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import INSIDE, PAGES, ROOT, Block, blocks, name, text

RUNNABLE = [
    page
    for page in PAGES
    # The pages of codes are run in the shop that they speak of: test_finding_reference.
    if name(page) not in INSIDE and not name(page).startswith("docs/reference/findings/") and "```python" in text(page)
]

RUNNER = """
import sys, types
page = sys.modules["page"] = types.ModuleType("page")
for path, line in zip(sys.argv[1::2], sys.argv[2::2]):
    with open(path, encoding="utf-8") as file:
        source = "\\n" * (int(line) - 1) + file.read()
    exec(compile(source, sys.argv[0] + " of the page", "exec"), page.__dict__)
"""


def python_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(text(page)) if block.language == "python"]


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    arguments = []
    for block in python_blocks(page):
        if block.is_run:
            path = tmp_path / f"line_{block.line}.py"
            path.write_text(block.code, encoding="utf-8")
            arguments += [str(path), str(block.line)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PERFKIT_")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "integrations", ROOT / "example_apps")))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, f"{name(page)}:\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr, f"{name(page)}:\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_python_that_is_not_run_is_python_at_least(page: Path) -> None:
    for block in python_blocks(page):
        compile(block.code, f"{name(page)}:{block.line}", "exec")


def test_every_block_says_its_language() -> None:
    nameless = [
        f"{name(page)}:{block.line}"
        for page in PAGES
        for block in blocks(text(page))
        if not block.language and name(page) not in {*INSIDE, "CONTRIBUTING.md"}
    ]
    assert not nameless


def shell_lines() -> list[str]:
    return [
        line
        for page in PAGES
        for block in blocks(text(page))
        if block.language == "sh"
        for line in block.code.splitlines()
    ]


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = {found for page in PAGES for found in re.findall(r"(?:`|^)make ([a-z]+)", text(page), re.MULTILINE)}
    assert {"demo", "test", "check", "bench"} <= named
    assert named <= targets


def test_every_benchmark_that_a_page_names_exists() -> None:
    named = {found for page in PAGES for found in re.findall(r"make bench NAME=(\w+)", text(page))}
    assert named
    for subject in named:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{subject}", "--help"], cwd=ROOT, capture_output=True, timeout=60
        )
        assert done.returncode == 0, subject


SERVERS = {"uvicorn", "gunicorn", "granian", "uwsgi"}


def test_the_server_commands_have_options_that_the_servers_know() -> None:
    helps = {}
    for line in shell_lines():
        words = [word for word in line.split() if "=" not in word]
        if not words or words[0] not in SERVERS:
            continue
        server = words[0]
        if server not in helps:
            program = Path(sys.executable).with_name(server)
            helps[server] = subprocess.run(
                [program, "--help"], capture_output=True, text=True, check=True, timeout=60
            ).stdout
        unknown = [word for word in words if word.startswith("--") and word not in helps[server]]
        assert not unknown, line
    assert set(helps) == SERVERS

"""The settings page says what the settings structs say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from perfkit.cli.main import main
from perfkit.config.fields import leaves, render
from perfkit.config.performance_config import PerformanceConfig
from perfkit.config.reference import settings_reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_committed_page_is_the_one_made_from_the_structs() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_reference(), (
        "the page is old; run: python -m perfkit.config.reference > docs/reference/settings.md"
    )


def test_every_setting_is_on_the_page() -> None:
    page = settings_reference()
    for path, field in leaves(PerformanceConfig):
        assert f"| `{render(path)}` | {field.description} |" in page


def test_the_page_tells_a_default_as_config_explain_does(capsys: pytest.CaptureFixture[str]) -> None:
    page = settings_reference()
    for key in ("store.retention", "performance.memory.growth", "cache.http.max_bytes"):
        assert main(["config", "explain", key]) == 0
        (said,) = re.findall(r"^ +default +(\d+) (\(\d+ \w+\))$", capsys.readouterr().out, re.MULTILINE)
        row = next(line for line in page.splitlines() if line.startswith(f"| `{key}` "))
        assert f"| `{said[0]}` {said[1]} |" in row


def test_the_command_prints_the_page() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "perfkit.config.reference"], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert result.stdout == settings_reference()

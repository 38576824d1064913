"""What users see of our types: their code is checked as strictly as ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USER_CODE = Path(__file__).with_name("user_code.py")

CACHE = ROOT / ".mypy_cache" / "user_code"
"""Of its own, so that it never meets a run of the checker over our code; kept, as all of a framework is in it."""


@pytest.mark.timeout(240)
def test_user_code_passes_the_strict_checker() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "--cache-dir", str(CACHE)]
    command += ["--config-file", str(ROOT / "pyproject.toml"), str(USER_CODE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

"""The wheel holds what users import and nothing else, and works where only it is installed."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"perfkit", "perfkit_asgi", "perfkit_wsgi", "perfkit_flask", "perfkit_django", "perfkit_demo"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=400)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_import_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES
    assert {name.partition("/")[0] for name in names if name.endswith("/py.typed")} == PACKAGES
    assert "perfkit/dashboard/static/style.css" in names
    assert not [name for name in names if "/test_" in name or name.endswith(".pyc")]


def test_what_is_installed_from_the_wheel_measures_and_needs_no_framework(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True, timeout=400)
    script = (
        "import perfkit_asgi, perfkit, sys\n"
        "with perfkit.PerformanceSystem(environment='testing') as system:\n"
        "    print(system.get_performance_dashboard().status, 'perfkit_build_info' in system.export_metrics())\n"
        "assert 'starlette' not in sys.modules\n"
    )
    done = subprocess.run(
        [python, "-W", "error", "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert (done.stdout.strip(), done.stderr) == ("unknown True", "")
    helped = subprocess.run([python, "-m", "perfkit.cli", "--help"], capture_output=True, text=True, timeout=120)
    assert "demo" in helped.stdout

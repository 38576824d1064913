"""Environments that one machine's virtual environment cannot show: other Pythons, lowest versions, bare, the wheel."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lowest", "bare", "wheel"]

UNIT = ["tests/unit", "tests/property", "tests/architecture"]


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Run the unit and adapter tests on each Python that is present."""
    newer_pip(session)
    session.install("-e", ".[all]", "--group", "test", "--group", "lint")
    session.run("pytest", *UNIT, "tests/integrations", "-m", "not acceptance", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the unit and ASGI tests with the lowest versions that pyproject.toml allows."""
    newer_pip(session)
    constraints = Path(session.create_tmp(), "lowest.txt")
    constraints.write_text("".join(f"{each}\n" for each in lowest_versions()))
    # Starlette's test client of that age wants an httpx of that age.
    session.install("-e", ".[all]", "--group", "test", "--group", "lint", "httpx<0.28", "-c", str(constraints))
    asgi = sorted(map(str, Path("tests/integrations").glob("test_asgi_*.py")))
    # What the old ones use of newer libraries is deprecated there; that is no affair of ours.
    patient = ["-m", "not acceptance", "-W", "ignore::DeprecationWarning"]
    session.run("pytest", *UNIT, *asgi, *patient, *session.posargs)


@nox.session
def bare(session: nox.Session) -> None:
    """Import the core and the adapter without any framework installed."""
    session.install("-e", ".")
    session.run("python", "-W", "error", "-c", "import perfkit, perfkit_asgi; perfkit.PerformanceSystem()")


@nox.session
def wheel(session: nox.Session) -> None:
    """Run the adapter tests against the built wheel, the checkout kept off sys.path."""
    newer_pip(session)
    folder = Path(session.create_tmp())
    for old in folder.glob("*.whl"):
        old.unlink()
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder))
    (built,) = folder.glob("*.whl")
    session.install("--force-reinstall", "--no-deps", str(built))
    session.install(f"{built}[all]", "--group", "test")
    support = "pythonpath=tests/support example_apps"
    session.run("pytest", "-o", support, "tests/integrations", "-m", "not acceptance and not server", *session.posargs)


def newer_pip(session: nox.Session) -> None:
    """Install a pip that knows dependency groups."""
    session.run("python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")


def lowest_versions() -> list[str]:
    """Return what users' dependencies are pinned to, as pip takes constraints: without extras."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    wanted = [*project["dependencies"], *(each for some in project["optional-dependencies"].values() for each in some)]
    bounds = (each.partition(";")[0].partition(">=") for each in wanted)
    return sorted({f"{name.partition('[')[0].strip()}=={version.strip()}" for name, least, version in bounds if least})

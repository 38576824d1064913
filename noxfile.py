"""Environments that one machine's virtual environment cannot show: other Pythons, lowest versions, bare, the wheel."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "bare", "wheel"]

UNIT = ["tests/unit", "tests/property", "tests/architecture"]


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Run the unit and adapter tests on each Python that is present."""
    session.run("python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    session.install("-e", ".[all]", "--group", "test", "--group", "lint")
    session.run("pytest", *UNIT, "tests/integrations", "-m", "not acceptance", *session.posargs)


@nox.session
def bare(session: nox.Session) -> None:
    """Import the core and the adapter without any framework installed."""
    session.install("-e", ".")
    session.run("python", "-W", "error", "-c", "import perfkit, perfkit_asgi; perfkit.PerformanceSystem()")


@nox.session
def wheel(session: nox.Session) -> None:
    """Run the adapter tests against the built wheel, the checkout kept off sys.path."""
    session.run("python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", session.create_tmp())
    session.install("--group", "test", "--find-links", session.create_tmp(), "--pre", "perfkit[all]")
    session.run("pytest", "-o", "pythonpath=", "tests/integrations", "-m", "not acceptance and not server")

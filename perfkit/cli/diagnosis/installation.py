"""What is installed, which settings are in force, where workers share their numbers, and what perfkit costs here."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from perfkit import __version__
from perfkit.advice.wording import count
from perfkit.cli.diagnosis.note import Note, fine, told, warned, wrong

if TYPE_CHECKING:
    from perfkit.config import PerformanceConfig

__all__ = ["cost", "packages", "settings", "shared"]

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's variable: where its workers share what it counts."""

ROUNDS, REQUESTS = 5, 2000
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+).*;\s*(?:.*and\s+)?extra\s*==\s*['\"]([\w-]+)['\"]")


def packages() -> Iterator[Note]:
    """Look which version and which extras are installed."""
    yield fine("package", f"perfkit {__version__}, Python {platform.python_version()}")
    try:
        required = metadata.requires("perfkit") or []
    except metadata.PackageNotFoundError:
        yield warned("package", "perfkit is not installed as a package", "Install it with: pip install perfkit")
        return
    extras: dict[str, list[str]] = {}
    for line in required:
        found = _REQUIREMENT.match(line)
        if found is not None and found[1] != "perfkit":
            extras.setdefault(found[2], []).append(found[1])
    extras.pop("all", None)
    have = sorted(extra for extra, names in extras.items() if all(map(_is_installed, names)))
    lack = sorted(set(extras) - set(have))
    yield told("extras", f"installed: {', '.join(have) or 'none'}; not installed: {', '.join(lack) or 'none'}")


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def settings(given: Mapping[str, Any], *, debug: bool) -> tuple[PerformanceConfig, list[Note]]:
    """Look at the settings: what cannot be used, what is risky, and who may see the dashboard."""
    from perfkit.config import PerformanceConfig, config_sources
    from perfkit.config.cautions import cautions
    from perfkit.config.loader import load

    config, issues = load(PerformanceConfig, settings=given, debug=debug)
    notes = [wrong("settings", issue.message, "perfkit config validate says it all") for issue in issues]
    if not issues:
        found = list(cautions(config, config_sources(config)))
        notes = [warned("settings", issue.message, f"perfkit config explain {issue.path}") for issue in found]
        notes = notes or [fine("settings", f"can be used; the environment is {config.environment}")]
    return config, [*notes, *_access(config)]


def _access(config: PerformanceConfig) -> Iterator[Note]:
    access = config.access
    if access.access == "off":
        yield told("access", "the dashboard is off", "Set access.access to see it")
    elif config.environment == "development":
        yield told(
            "access",
            "in development this machine sees the dashboard without a token",
            "Set PERFKIT_ENVIRONMENT to production where others can reach the service",
        )
    elif access.token is None:
        yield warned(
            "access",
            "there is no token of yours; one is made at each start, which only the server's files tell",
            "Set PERFKIT_TOKEN to 16 characters or more",
        )
    else:
        yield fine("access", "a token is set")


def shared(config: PerformanceConfig, environ: Mapping[str, str] = os.environ) -> Iterator[Note]:
    """Look at the directories in which workers share what they count."""
    directory = config.store.directory
    if not directory:
        yield fine("store", "workers of one server find a directory of their own; numbers end with it")
    else:
        yield _directory(Path(directory), "store", "store.directory")
    foreign = environ.get(MULTIPROCESS)
    if foreign:
        yield _directory(Path(foreign), "prometheus", MULTIPROCESS)


def _directory(path: Path, subject: str, name: str) -> Note:
    existing = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return wrong(subject, f"{name} is {path}, which cannot be written to", "Give it to the user of the server")
    room = os.statvfs(existing)
    free = room.f_bavail * room.f_frsize
    if free < 64 * 1024 * 1024:
        return warned(subject, f"{name} is {path}, where {free // 2**20} MiB are free", "Free 64 MiB or more")
    if subject == "prometheus" and not path.is_dir():
        return wrong(subject, f"{name} is {path}, which does not exist", "Make it before the server starts")
    return fine(subject, f"{name} is {path}, which can be written to")


def cost() -> Note:
    """Measure what perfkit adds to a request of the smallest WSGI app there is: the best of some rounds."""
    from perfkit.core.errors import PerfkitError
    from perfkit.system import PerformanceSystem
    from perfkit_wsgi import PerfkitMiddleware

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    try:
        # In memory and with nobody's settings: what is measured is the machine.
        system = PerformanceSystem({"metrics": {"prometheus_client": "off"}})
        with system:
            added = _added(app, PerfkitMiddleware(app, system=system))
    except PerfkitError as error:
        return warned("cost", f"could not be measured: {error}", "Look at the settings first")
    return fine("cost", f"perfkit adds {added * 1e6:.1f} µs to a request on this machine ({count(REQUESTS)} requests)")


def _start_response(status: str, headers: object, exc_info: object = None) -> None:
    """Take the head of a response, as a server does."""


def _added(bare: Any, observed: Any) -> float:
    """Return the seconds by which a call of *observed* takes longer, the best of some interleaved rounds."""
    best = {bare: float("inf"), observed: float("inf")}
    for _ in range(ROUNDS):
        for app in best:
            start = perf_counter()
            for _ in range(REQUESTS):
                environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/doctor", "wsgi.url_scheme": "http"}
                app(environ, _start_response)
            best[app] = min(best[app], (perf_counter() - start) / REQUESTS)
    return max(0.0, best[observed] - best[bare])

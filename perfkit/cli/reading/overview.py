"""What a service says, typed: the overview as JSON, from the service itself or from a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from perfkit.advice import Outlook, Score, Targets, Verdict
from perfkit.advice.ledger import Fixed, Release, Snoozed
from perfkit.cli.console import clean
from perfkit.cli.reading.carried import carried, is_page
from perfkit.cli.reading.service import MOST_BYTES, ServiceError
from perfkit.core.errors import PerfkitError
from perfkit.core.findings import Finding
from perfkit.health.snapshot import HealthSnapshot
from perfkit.performance.snapshot import PerformanceSnapshot, Trend
from perfkit.snapshot import SCHEMA_VERSION

__all__ = ["Overview", "decoded", "of_file", "plain"]

WITH_LINES = frozenset({"fix", "text"})
"""Fields that hold code: what mends a finding, statements."""

LATEST = 1e11
"""Unix seconds that a calendar still has; thousands of years from now."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The overview, as far as the commands read it; all its texts are clean (`perfkit.cli.console.clean`).

    Attributes:
        trend: Of the range that was asked for, the last minutes if none was.
        cache, database, load_balancer, alerts: Plain dicts; None where switched off or asleep.
    """

    version: int
    at: float
    service: str
    environment: str
    verdict: Verdict
    release: str | None = None
    perfkit: str = ""
    is_shared: bool = True
    degraded: str = ""
    targets: Targets = Targets()
    trend: Trend | None = None
    score: Score | None = None
    outlook: Outlook | None = None
    recommendations: tuple[Finding, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    snoozed: tuple[Snoozed, ...] = ()
    releases: tuple[Release, ...] = ()
    performance: PerformanceSnapshot | None = None
    health: HealthSnapshot | None = None
    cache: dict[str, Any] | None = None
    database: dict[str, Any] | None = None
    load_balancer: dict[str, Any] | None = None
    alerts: dict[str, Any] | None = None
    off: tuple[str, ...] = ()
    asleep: tuple[str, ...] = ()


def decoded(body: bytes, place: str) -> Overview:
    """Return the overview in *body*, which came from *place*.

    Raises:
        ServiceError: It is none, or one of a later perfkit.
    """
    try:
        document = plain(body)
        version = msgspec.convert(document, _Versioned).version
        if version != SCHEMA_VERSION:
            raise ServiceError(
                f"{place} speaks version {version} of the overview. This command knows version {SCHEMA_VERSION}. "
                "Use the perfkit command of the service's own perfkit."
            )
        told = msgspec.convert(document, Overview)
        if not 0.0 <= told.at <= LATEST:
            raise msgspec.ValidationError(f"`$.at` is {told.at!r}, which is no time")
        return told
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError(
            f"{place} is no overview of perfkit ({error}). It must be the JSON that perfkit export prints. "
            "Look at the address or the file."
        ) from None


def plain(body: bytes) -> Any:
    """Return what the JSON in *body* holds, all its texts clean.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: It is no JSON.
    """
    return _cleaned(msgspec.json.decode(body))


def of_file(name: str) -> Overview:
    """Return the overview that `perfkit export` or `perfkit report` wrote into the file *name*; ``-`` is stdin.

    Raises:
        PerfkitError: It cannot be read, or is no overview.
    """
    try:
        if name == "-":
            body = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PerfkitError(
            f"{name} cannot be read ({error.strerror}). It must be a file that perfkit export wrote. Look at its path."
        ) from None
    try:
        return decoded(carried(body) if is_page(body) else body, name)
    except ServiceError as error:
        raise PerfkitError(str(error)) from None
    except ValueError as error:
        raise PerfkitError(
            f"{name} is no report of perfkit ({error}). It must be what perfkit report or perfkit export wrote. "
            "Give that file."
        ) from None


class _Versioned(msgspec.Struct):
    version: int


def _cleaned(value: Any, *, lines: bool = False) -> Any:
    """Return *value* with all its texts clean: here, once, and not at each of the places that print one.

    Line ends stay in what is code. Elsewhere they would begin lines of their own, and CI obeys some.
    """
    if isinstance(value, str):
        return clean(value, lines=lines)
    if isinstance(value, list):
        return [_cleaned(each, lines=lines) for each in value]
    if isinstance(value, dict):
        return {clean(name): _cleaned(each, lines=lines or name in WITH_LINES) for name, each in value.items()}
    return value

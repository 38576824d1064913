"""What a component is given when it is built: the only way in which components meet anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfkit.core.checks import HealthCheck
from perfkit.core.clock import Clock, SystemClock
from perfkit.core.errors import ErrorLog
from perfkit.core.events import Events
from perfkit.core.families import Family
from perfkit.core.findings import Finding
from perfkit.core.loops import Loops
from perfkit.core.scheduler import Scheduler

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["Context"]


def _nothing() -> Iterable[Any]:
    return ()


@dataclass(slots=True, kw_only=True)
class Context:
    """The surroundings of a component.

    Attributes:
        release: Version of the user's app, or None.
        database: What `initialize(database)` was given, or None.
        thresholds: Where good ends, by name: the fields of `performance.thresholds`.
        targets: Seconds of a response by method and route, where one has a threshold of its own.
        loops: The event loops that serve the app in this process.
        checks, families, findings: What all components report now; the system fills them in.
    """

    store: Store
    service: str = "app"
    environment: str = "production"
    release: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    errors: ErrorLog = field(default_factory=ErrorLog)
    events: Events = field(default_factory=Events)
    scheduler: Scheduler = field(default_factory=Scheduler)
    loops: Loops = field(default_factory=Loops)
    database: object | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    checks: Callable[[], Iterable[HealthCheck]] = _nothing
    families: Callable[[], Iterable[Family]] = _nothing
    findings: Callable[[], Iterable[Finding]] = _nothing

"""What the routes ask of a system, `perfkit.http.front.Front` or a test's own; and which paths have an answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Protocol

import msgspec

from perfkit.config.performance_config import PerformanceConfig
from perfkit.config.sections import HttpSettings
from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog
from perfkit.health.snapshot import HealthSnapshot
from perfkit.http.recording.answers import KeptAnswers
from perfkit.metrics.exposition import Escaping, Format

if TYPE_CHECKING:
    from perfkit.dashboard import Done, Entry, Given, OverviewData

__all__ = ["Answers", "served"]


class Answers(KeptAnswers, Protocol):
    """What the routes ask of a system. All answers come at once, without I/O."""

    @property
    def config(self) -> PerformanceConfig:
        """The settings in force."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def errors(self) -> ErrorLog:
        """Where internal errors end."""
        ...

    @property
    def token(self) -> str:
        """The token that opens; read at each request, as it may come with the start. Empty for none."""
        ...

    def health_snapshot(self, tags: Collection[str] = ()) -> HealthSnapshot:
        """Return what health knows; only the checks that have one of *tags*, where some are given."""
        ...

    def drain(self) -> None:
        """Have all workers say that they are not ready."""
        ...

    def resume(self) -> None:
        """Have all workers take traffic again."""
        ...

    def expose(
        self, format: Format, *, names: Iterable[str] | None = None, escaping: Escaping = Escaping.UNDERSCORES
    ) -> bytes:
        """Return the metrics of those *names*, or all."""
        ...

    def load_report(self) -> bytes:
        """Return the service's own load as an ORCA report in JSON."""
        ...

    def overview_data(self) -> OverviewData:
        """Return what all pages show."""
        ...

    def act(self, what: str, given: Given, who: str) -> Done:
        """Do what a button asks for, and keep who did."""
        ...

    def find_done(self, name: str) -> Done | None:
        """Return the action of that id, by whichever worker; None if it is not known."""
        ...

    def found(self, entry: Entry, shown: OverviewData, given: Given) -> object:
        """Return what one view of the page *entry* shows beyond *shown*."""
        ...


def served(config: PerformanceConfig) -> HttpSettings:
    """Return the paths that have an answer: of a component that is switched off the app keeps them."""
    http = config.http
    return msgspec.structs.replace(
        http,
        health_path=http.health_path if config.health.enabled else None,
        metrics_path=http.metrics_path if config.metrics.enabled else None,
        load_path=http.load_path if config.load_balancer.enabled else None,
    )

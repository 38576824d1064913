"""The settings of the health checker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from perfkit.core.settings import Settings

__all__ = ["HealthSettings"]


class HealthSettings(Settings, frozen=True):
    """When the built-in checks warn and fail, and what registered checks do where they do not say."""

    enabled: Annotated[bool, Meta(description="Run health checks.")] = True
    memory_warning: Annotated[
        float, Meta(gt=0, le=1, description="Warn from this ratio of the memory limit on, 0-1.")
    ] = 0.85
    memory_critical: Annotated[
        float, Meta(gt=0, le=1, description="Fail from this ratio of the memory limit on, 0-1.")
    ] = 0.95
    open_files_warning: Annotated[
        float, Meta(gt=0, le=1, description="Warn from this ratio of the limit of open files on, 0-1.")
    ] = 0.8
    open_files_critical: Annotated[
        float, Meta(gt=0, le=1, description="Fail from this ratio of the limit of open files on, 0-1.")
    ] = 0.95
    disk_warning: Annotated[
        float, Meta(gt=0, le=1, description="Warn from this ratio of a file system in use on, 0-1.")
    ] = 0.9
    disk_critical: Annotated[
        float, Meta(gt=0, le=1, description="Fail from this ratio of a file system in use on, 0-1.")
    ] = 0.97
    disk_plenty: Annotated[
        int,
        Meta(ge=0, description="Bytes free with which a disk is well whatever the ratio; 0: the ratio alone."),
    ] = 20 * 2**30
    cpu_warning: Annotated[
        float,
        Meta(gt=0, le=1, description="Warn from this ratio of the CPU busy over a minute on, 0-1; 1 never warns."),
    ] = 1.0
    event_loop_warning: Annotated[
        float, Meta(gt=0, le=3600, description="Warn when the event loop comes so many seconds late.")
    ] = 1.0
    event_loop_critical: Annotated[
        float, Meta(gt=0, le=3600, description="Fail when the event loop comes so many seconds late.")
    ] = 5.0
    event_loop_stall: Annotated[
        float, Meta(ge=3, le=3600, description="Fail liveness when the event loop is stuck for so many seconds.")
    ] = 30.0
    check_interval: Annotated[
        float, Meta(ge=1, le=86_400, description="Seconds between two runs of a registered check.")
    ] = 10.0
    check_timeout: Annotated[
        float, Meta(ge=0.01, le=60, description="Seconds that a run of a registered check may take.")
    ] = 2.0
    scheduler_stall: Annotated[
        float,
        Meta(ge=3, le=3600, description="Fail, liveness too, when no check ran for this many seconds."),
    ] = 10.0
    drain_on_sigterm: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Seconds for which SIGTERM is delayed while readiness answers 503; 0 leaves it alone.",
        ),
    ] = 0.0

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield each pair in which the warning does not come before the failure."""
        for resource in ("memory", "open_files", "disk", "event_loop"):
            warning, critical = f"{resource}_warning", f"{resource}_critical"
            if getattr(self, warning) >= getattr(self, critical):
                yield (
                    (warning, critical),
                    f"{{0}} is {getattr(self, warning)}, but {{1}} is {getattr(self, critical)}. "
                    "A warning must come first, so {0} must be the lower one. Lower {0}, or raise {1}.",
                )
        if self.check_timeout > self.check_interval:
            yield (
                ("check_timeout", "check_interval"),
                f"{{0}} is {self.check_timeout:g}, but {{1}} is {self.check_interval:g}. A run must be over before the "
                "next one is due. Lower {0}, or raise {1}.",
            )

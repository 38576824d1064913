"""The settings of the health checker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from perfkit.core.settings import Settings

__all__ = ["HealthSettings"]


class HealthSettings(Settings, frozen=True):
    """When the built-in checks of this process warn and fail."""

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
    scheduler_stall: Annotated[
        float,
        Meta(ge=3, le=3600, description="Fail, liveness too, when no check ran for this many seconds."),
    ] = 10.0

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield each pair in which the warning does not come before the failure."""
        for resource in ("memory", "open_files"):
            warning, critical = f"{resource}_warning", f"{resource}_critical"
            if getattr(self, warning) >= getattr(self, critical):
                yield (
                    (warning, critical),
                    f"{{0}} is {getattr(self, warning)}, but {{1}} is {getattr(self, critical)}. "
                    "A warning must come first, so {0} must be the lower one. Lower {0}, or raise {1}.",
                )

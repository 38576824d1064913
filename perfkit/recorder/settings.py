"""The settings of the flight recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from perfkit.core.settings import Settings

if TYPE_CHECKING:
    from perfkit.core.context import Context

__all__ = ["RecorderSettings"]


class RecorderSettings(Settings, frozen=True):
    """Which exchanges are kept whole."""

    enabled: Annotated[bool, Meta(description="Keep exchanges with what happened in them.")] = True
    slowest: Annotated[
        int, Meta(ge=1, le=50, description="Slow exchanges kept of each route and worker in a window, the slowest.")
    ] = 3
    errors: Annotated[
        int, Meta(ge=1, le=100, description="Failed exchanges kept of each route, error and worker in a window.")
    ] = 5
    sample: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="Of so many exchanges of a route one is kept as it comes; 0 for none."),
    ] = 100
    window: Annotated[float, Meta(ge=1, le=3600, description="Seconds after which each route may keep anew.")] = 60.0
    on_request: Annotated[
        bool | None,
        Meta(
            description="Keep the exchanges of visitors who may see the dashboard and ask for it with the header "
            "X-Perfkit-Record: 1, and tell them in the response where; in development those of this machine need not "
            "ask. Each request is then looked at, which costs some microseconds. None: everywhere but in production.",
            extra={"expected": "True, False or None"},
        ),
    ] = None

    def has_work(self, context: Context) -> bool:
        """Return False: an adapter wakes the recorder at its first exchange, and who asks for what is kept."""
        return False

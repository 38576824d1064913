"""Settings of the store."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from perfkit.core.settings import Settings

__all__ = ["StoreSettings"]


class StoreSettings(Settings, frozen=True, kw_only=True):
    """Where the numbers live and how many there may be."""

    mode: Annotated[
        Literal["auto", "memory"],
        Meta(
            description="auto: files shared by all workers of one server, memory where there is one process only. "
            "memory: always memory, shared with nobody."
        ),
    ] = "auto"
    directory: Annotated[
        str,
        Meta(
            description="Directory of the shared files; numbers in it go on over restarts. "
            "Empty: one of its own for each run of the server, in shared memory."
        ),
    ] = ""
    max_slots: Annotated[
        int,
        Meta(
            ge=4096,
            le=4_194_304,
            description="Numbers of 8 bytes a worker may hold; series beyond them go to the series _other. "
            "A counter takes 1, a gauge 2, a histogram its buckets and 1.",
        ),
    ] = 262_144
    max_series_per_family: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Series of one metric; those beyond go to its series _other."),
    ] = 2_000
    summary_window: Annotated[
        float,
        Meta(
            ge=10.0,
            le=86_400.0,
            description="Seconds that the quantiles of summaries look back.",
        ),
    ] = 600.0
    retention: Annotated[
        float,
        Meta(
            ge=300.0,
            le=2_592_000.0,
            description="Seconds for which the history is kept; in memory at most a day.",
        ),
    ] = 2_592_000.0

"""The settings of the database optimizer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from perfkit.core.settings import Settings

if TYPE_CHECKING:
    from perfkit.core.context import Context

__all__ = ["DatabaseSettings"]

LIBRARIES = ("sqlalchemy.engine", "asyncpg.connection")
"""Modules into which the optimizer hooks by itself; adapters and an app's own calls ask for it."""


class DatabaseSettings(Settings, frozen=True):
    """What is captured of an app's statements, and what perfkit may ask the database itself."""

    enabled: Annotated[bool, Meta(description="Capture statements and look for what is wrong with them.")] = True
    capture: Annotated[
        bool,
        Meta(description="Hook into SQLAlchemy, Django and asyncpg by itself; false leaves it to your own calls."),
    ] = True
    slow_query_threshold: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds from which a statement is slow: counted, logged, with its line."),
    ] = 0.5
    call_sites: Annotated[
        bool, Meta(description="Find the line of your code that sent a statement: the first, slow and repeated ones.")
    ] = True
    max_shapes: Annotated[
        int, Meta(ge=10, le=2000, description="Shapes of statements with numbers of their own; more count as _other.")
    ] = 300
    wide_row: Annotated[
        int, Meta(ge=256, description="Bytes a row, in the mean, from which a SELECT of many columns is told.")
    ] = 8192
    index_advice: Annotated[
        bool,
        Meta(description="Look for missing indexes off the request, by a connection that only reads; never makes one."),
    ] = True
    index_advice_interval: Annotated[
        float, Meta(ge=10, le=86_400, description="Seconds between two looks while the statements stay the same.")
    ] = 300.0
    watch_sessions: Annotated[
        bool,
        Meta(description="Ask PostgreSQL and MariaDB every 15 s who waits for a lock or idles in a transaction."),
    ] = True
    explain: Annotated[
        bool, Meta(description="Allow EXPLAIN of stored shapes on demand; it reads only and never runs the statement.")
    ] = True
    explain_timeout: Annotated[float, Meta(gt=0, le=60, description="Seconds that an EXPLAIN may take.")] = 0.5
    explain_per_minute: Annotated[int, Meta(ge=1, le=600, description="EXPLAINs a minute and worker at most.")] = 30
    retry_attempts: Annotated[
        int, Meta(ge=1, le=10, description="Runs of a transaction at most, the first one included.")
    ] = 3
    retry_timeout: Annotated[
        float, Meta(gt=0, le=600, description="Seconds for all runs of a transaction together.")
    ] = 10.0
    retry_budget: Annotated[
        float, Meta(ge=0, le=1, description="Retries as a ratio of the calls, 0-1; beyond it failures are final.")
    ] = 0.1

    def has_work(self, context: Context) -> bool:
        """Return whether there is a database, or the app has imported a library to hook into."""
        return context.database is not None or (self.capture and any(name in sys.modules for name in LIBRARIES))

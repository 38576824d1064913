"""Sees every statement of this process while something is measured, beside whatever perfkit an app has of its own.

Tests call an app in the same thread, in a task, or in a thread of a test client; so what is sent while a block runs
belongs to it, wherever it is sent from. It is counted in no store: imports of what keeps numbers over workers and hours
would be most of the cost of a small suite.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from perfkit.core.code import sites
from perfkit.core.context import Context
from perfkit.core.spans import get_exchange
from perfkit.database import callsites
from perfkit.database.capture.metrics import ROWS, SLOW
from perfkit.database.capture.recorder import TEST, Finish, Recorder, hashes_of
from perfkit.database.capture.sqlalchemy import SQLAlchemyCapture
from perfkit.database.capture.work import Entry, ShapeRecord
from perfkit.database.patterns.facts import Facts
from perfkit.database.settings import DatabaseSettings
from perfkit.store.layout import SINK
from perfkit.store.series.rows import Row
from perfkit.testing.measuring.sent import ACTIVE

if TYPE_CHECKING:
    from perfkit.database.pool.pools import Pools
    from perfkit.store import Store

__all__ = ["Capture", "capture"]

MOST_SHAPES = 20_000
"""Shapes known of one process; then all are forgotten and learned anew."""


def _owner() -> object:
    """Return what a statement belongs to: the request if the app has perfkit, else the task if there is one."""
    exchange = get_exchange()
    if exchange is not None and not exchange[0]:
        return exchange
    asyncio: Any = sys.modules.get("asyncio")
    # Asked like this it raises nothing where no loop runs: an exception a statement would cost as much as all else.
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    task: object = asyncio.current_task()
    return task


class _EveryStatement(Recorder):
    """Keeps each statement for whatever is being measured."""

    def _hot_path(self) -> Finish:
        active, errors, note = ACTIVE, self.errors, self._note

        def finish(entry: Entry, start: float, parameters: Any, rows: int) -> bool:
            seconds = perf_counter() - start
            if active and entry.record.sample != TEST:
                try:
                    site = note(entry.record, sys._getframe(2))
                    text, hashes, owner = "" if site is None else site.text, hashes_of(parameters), _owner()
                    for sent in tuple(active):
                        sent.add(owner, entry, hashes, rows, start, seconds, text)
                except Exception as error:  # noqa: BLE001 - the statement has done its work whatever happens to us
                    errors.report("testing", error, doing="a statement could not be measured")
            return False

        return finish

    def _make_record(self, key: tuple[str, str], facts: Facts, text: str) -> ShapeRecord:
        """Return a record whose numbers go where nobody reads."""
        if len(self.records) >= MOST_SHAPES:
            self.records.clear()
        rows = [Row(each, ("",) * len(each.labels), SINK) for each in (self._statements, ROWS, SLOW)]
        record = self.records[key] = ShapeRecord(facts, key[0], rows[0], rows[1], rows[2], text)
        return record

    def fail(self, entry: Entry | None, start: float, parameters: Any, error: BaseException) -> None:
        """Note a statement that failed: it was sent, too."""
        if entry is not None:
            self.finish(entry, start, parameters, -1)


class _NoPools:
    """Looks at no pool: how long connections are waited for is nothing that tests ask."""

    def watch(self, pool: Any) -> None:
        """Take no notice."""

    def taken(self, pool: Any, record: Any) -> None:
        """Take no notice."""


class _Engines(SQLAlchemyCapture):
    """Meets each engine once."""

    def on_checkout(self, record: Any, fairy: Any) -> None:
        """Meet the engine of a connection that was taken out."""
        if getattr(getattr(fairy, "_pool", None), "_dialect", None) not in self._dialects:
            super().on_checkout(record, fairy)

    def on_checkin(self, record: Any) -> None:
        """Take no notice."""


class Capture:
    """The hooks of measurements: put in once a process, idle while nothing is measured. One thread at a time."""

    def __init__(self) -> None:
        """Hook into nothing yet."""
        context = Context(store=cast("Store", None))  # nothing is counted, see above
        self.recorder = _EveryStatement(context, DatabaseSettings())
        self._sqlalchemy = _Engines(self.recorder, cast("Pools", _NoPools()))
        self._asyncpg: Any = None
        self._django: Any = None

    def hook(self) -> None:
        """Hook into what has been imported since."""
        if not self._sqlalchemy.is_active and self._sqlalchemy.start():
            for engine in _living_engines():
                self._sqlalchemy.watch(engine)
        if self._asyncpg is None and "asyncpg.connection" in sys.modules:
            from perfkit.database.capture.asyncpg import AsyncpgCapture

            asyncpg = AsyncpgCapture(self.recorder)
            if asyncpg.start():
                self._asyncpg = asyncpg
        if self._django is None and "django.db" in sys.modules and _is_django_ready():
            self._django = importlib.import_module("perfkit_django.sql.connections")
        if self._django is not None:
            self._django.watch(self)

    def recognise_with(self, recognise: Callable[[FrameType], tuple[str, str, str, bool] | None]) -> None:
        """Ask *recognise* about library frames. For adapters."""
        callsites.recognise_with(recognise)

    def find_with(self, find: Callable[[FrameType], FrameType | None]) -> None:
        """Ask *find* where work comes from whose outermost frame is a library's. For adapters."""
        sites.find_with(find)


def _living_engines() -> list[Any]:
    """Return the engines there are: a fixture may have taken a connection before, and never gives it back."""
    kind = sys.modules["sqlalchemy.engine"].Engine
    return [each for each in gc.get_objects() if issubclass(type(each), kind)]


def _is_django_ready() -> bool:
    apps: Any = sys.modules.get("django.apps")
    return apps is not None and bool(apps.apps.models_ready)


_capture: Capture | None = None


def capture() -> Capture:
    """Return the one capture of this process, made at the first call; `window.begin` has the lock."""
    global _capture
    if _capture is None:
        _capture = Capture()
    return _capture

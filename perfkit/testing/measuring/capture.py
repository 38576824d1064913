"""Sees every statement of this process while something is measured, beside whatever perfkit an app has of its own.

Tests call an app in the same thread, in a task, or in a thread of a test client; so what is sent while a block runs
belongs to it, wherever it is sent from. It is counted in no store: imports of what keeps numbers over workers and hours
would be most of the cost of a small suite.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.code import sites
from perfkit.core.errors import ErrorLog
from perfkit.core.spans import get_exchange
from perfkit.database import callsites
from perfkit.database.capture.checkouts import CHECKOUTS
from perfkit.database.capture.metrics import ROWS, SLOW
from perfkit.database.capture.recorder import TEST, Finish, Recorder, hashes_of
from perfkit.database.capture.sqlalchemy import METHODS, SQLAlchemyCapture
from perfkit.database.capture.work import Entry, ShapeRecord
from perfkit.database.patterns.facts import Facts
from perfkit.database.settings import DatabaseSettings
from perfkit.store.layout import SINK
from perfkit.store.series.rows import Row
from perfkit.testing.measuring.sent import ACTIVE

if TYPE_CHECKING:
    from perfkit.core.context import Context
    from perfkit.database.pool.pools import Pools

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


class _Surroundings(NamedTuple):
    """Of a component's context what a recorder asks for: to import all of it takes longer than to make this."""

    errors: ErrorLog
    clock: Clock
    store: None = None  # nothing is counted, see above


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

    def meet_living(self) -> None:
        """Meet the engines there are: a fixture may have taken a connection before, and never gives it back.

        Those that an app's own perfkit has met are known to it. Each of the others is met when its dialect is asked for
        one of the methods: to look for them among all objects of the process takes 10 ms.
        """
        for other in CHECKOUTS:
            if isinstance(other, SQLAlchemyCapture):
                for dialect in other.dialects():
                    self.meet(dialect)
        for kind in set(_kinds_of(sys.modules["sqlalchemy.engine"].Dialect)):
            for name in METHODS:
                method: Any = vars(kind).get(name)
                if hasattr(method, "__get__"):
                    setattr(kind, name, _Meeting(self, name, method))

    def has_met(self, dialect: Any) -> bool:
        """Return whether the statements of *dialect* are captured."""
        return dialect in self._dialects

    def meet(self, dialect: Any) -> None:
        """Capture the statements of *dialect*, unless that is done."""
        with self._recorder.errors.guarded("testing", "an engine could not be looked at"):
            self._wrap(dialect)


def _kinds_of(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds_of(each)


class _Meeting:
    """Stands for a method in a class of dialects: who is asked for it is met, and has one of its own from then on."""

    def __init__(self, engines: _Engines, name: str, method: Any) -> None:
        """Stand for *method*."""
        self._engines, self._name, self._method = engines, name, method

    def __get__(self, dialect: Any, kind: type | None = None) -> Any:
        if dialect is None:
            return self._method
        own = self._method.__get__(dialect, kind)
        if self._engines.has_met(dialect):
            return own
        self._engines.meet(dialect)
        # Where a class that came later calls this one by super(), its own method is captured, from the next time on.
        is_first = inspect.getattr_static(type(dialect), self._name) is self
        return vars(dialect).get(self._name, own) if is_first else own


class Capture:
    """The hooks of measurements: put in once a process, idle while nothing is measured. One thread at a time."""

    def __init__(self) -> None:
        """Hook into nothing yet."""
        surroundings = _Surroundings(ErrorLog(), SystemClock())
        self.recorder = _EveryStatement(cast("Context", surroundings), DatabaseSettings())
        self._sqlalchemy = _Engines(self.recorder, cast("Pools", _NoPools()))
        self._asyncpg: Any = None
        self._django: Any = None

    def hook(self) -> None:
        """Hook into what has been imported since."""
        if not self._sqlalchemy.is_active and self._sqlalchemy.start():
            self._sqlalchemy.meet_living()
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

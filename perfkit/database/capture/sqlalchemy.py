"""SQLAlchemy, sync and async: every engine of the process, whenever it was made.

A pool tells of each connection that is taken out, by SQLAlchemy's own event; so an engine is met at its first use. Its
dialect's `do_execute` is then wrapped, on this one object: it surrounds exactly the driver's call, in sync code as
under the greenlets of asyncio. SQLAlchemy's events before and after a statement would tell the same, but once anybody
listens to them each statement takes a slower way through SQLAlchemy (5 us with CPython 3.11, where this takes 1 to 2).

perfkit does not depend on SQLAlchemy: what is imported here has been imported by the app.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from perfkit.core.lazy import imported
from perfkit.core.spans import expect_spans, get_exchange
from perfkit.database.callsites import recognise_with
from perfkit.database.capture.autocommit import commits_itself
from perfkit.database.capture.checkouts import CHECKOUTS, OURS
from perfkit.database.capture.recorder import Recorder
from perfkit.database.patterns.observed import Relation

if TYPE_CHECKING:
    from perfkit.database.pool.pools import Pools

__all__ = ["SQLAlchemyCapture"]

METHODS = ("do_execute", "do_executemany", "do_execute_no_params", "do_commit")
MARK = "_perfkit_captured"


class SQLAlchemyCapture:
    """Hooks of one recorder. `start` and `stop` may be called again and again.

    Attributes:
        is_active: Whether SQLAlchemy is there and listened to.
    """

    def __init__(self, recorder: Recorder, pools: Pools, on_pool: Callable[[Any], object] = id) -> None:
        """Report statements to *recorder* and connections to *pools*; call *on_pool* with each pool that is met."""
        self._recorder, self._pools, self._on_pool = recorder, pools, on_pool
        # Weak: an app may make engines without end, one a tenant or one a task, and each has a dialect of its own.
        self._dialects: WeakSet[Any] = WeakSet()

    @property
    def is_active(self) -> bool:
        """Whether SQLAlchemy is imported and listened to."""
        return self in CHECKOUTS

    def start(self) -> bool:
        """Listen, if the app has imported SQLAlchemy; return whether it has."""
        if self in CHECKOUTS:
            return True
        if imported("sqlalchemy.engine") is None:
            return False
        expect_spans("database")
        CHECKOUTS.add(self)
        recognise_with(recognise_lazy_load)
        return True

    def stop(self) -> None:
        """Listen no more, and give every dialect its own methods back."""
        CHECKOUTS.remove(self)
        for dialect in list(self._dialects):
            for method in METHODS:
                wrapped = dialect.__dict__.get(method)
                if wrapped is not None and getattr(wrapped, MARK, None) is self._recorder:
                    within = getattr(wrapped, "__wrapped__", None)
                    # Another recorder may have wrapped it before: that one goes on.
                    setattr(dialect, method, within) if hasattr(within, MARK) else delattr(dialect, method)
        self._dialects.clear()

    def self_test(self, statement: str) -> None:
        """Send *statement* to an empty database in memory."""
        engine = importlib.import_module("sqlalchemy").create_engine("sqlite://")
        setattr(engine.pool, OURS, True)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()

    def watch(self, engine: Any) -> None:
        """Capture the statements of *engine*, sync or async, from now on."""
        engine = getattr(engine, "sync_engine", engine)
        self._wrap(engine.dialect)
        self._pools.watch(engine.pool)
        self._on_pool(engine.pool)

    def dialects(self) -> list[Any]:
        """Return the dialects that were met and still are."""
        return list(self._dialects)

    def on_checkout(self, record: Any, fairy: Any) -> None:
        """Meet the engine of a connection that was taken out, and time it."""
        with self._recorder.errors.guarded("database", "a connection could not be looked at"):
            pool = getattr(fairy, "_pool", None)
            if pool is not None:
                dialect = getattr(pool, "_dialect", None)
                if dialect is not None and dialect not in self._dialects:
                    self._wrap(dialect)
                    self._on_pool(pool)
                if not hasattr(pool, OURS):
                    self._pools.taken(pool, record)

    def on_checkin(self, record: Any) -> None:
        """Take the time of a connection that is back."""
        with self._recorder.errors.guarded("database", "a connection could not be looked at"):
            self._pools.given_back(record)

    def _wrap(self, dialect: Any) -> None:
        if dialect in self._dialects:
            return
        self._dialects.add(dialect)
        if not hasattr(dialect, "do_execute"):
            return
        system = str(getattr(dialect, "name", "other_sql"))
        made = {
            "do_execute": execute_of(self._recorder, dialect.do_execute, system),
            "do_executemany": execute_of(self._recorder, dialect.do_executemany, system, is_many=True),
            "do_execute_no_params": without_parameters_of(self._recorder, dialect.do_execute_no_params, system),
            "do_commit": commit_of(self._recorder, dialect.do_commit, system),
        }
        for method, wrapped in made.items():
            vars(wrapped).update({MARK: self._recorder, "__wrapped__": getattr(dialect, method)})
            setattr(dialect, method, wrapped)


def execute_of(recorder: Recorder, execute: Any, system: str, *, is_many: bool = False) -> Callable[..., Any]:
    """Return *execute*, of a dialect for *system*, whose statements *recorder* sees."""
    entry_of, learn, finish, fail = recorder.known(system).get, recorder.learn, recorder.finish, recorder.fail

    @functools.wraps(execute)
    def captured(cursor: Any, statement: Any, parameters: Any, context: Any = None) -> Any:
        entry = entry_of(statement) or learn(statement, system)
        start = perf_counter()
        try:
            result = execute(cursor, statement, parameters, context)
        except BaseException as error:
            fail(entry, start, parameters, error)
            raise
        if entry is not None and finish(entry, start, None if is_many else parameters, cursor.rowcount):
            recorder.weigh(entry, context)
        if entry is not None and entry.is_write and commits_itself(getattr(cursor, "connection", None)):
            recorder.note_commit()
        return result

    return captured


def without_parameters_of(recorder: Recorder, execute: Any, system: str) -> Callable[..., Any]:
    """Return `execute_of` for a method that takes no parameters."""
    captured = execute_of(recorder, lambda cursor, statement, _, context: execute(cursor, statement, context), system)

    def captured_without(cursor: Any, statement: Any, context: Any = None) -> Any:
        return captured(cursor, statement, (), context)

    return captured_without


def commit_of(recorder: Recorder, commit: Any, system: str) -> Callable[..., Any]:
    """Return *commit*, which is told only within an exchange: elsewhere it is no statement of interest."""
    entry = recorder.learn("COMMIT", system)

    def captured(connection: Any) -> None:
        start = perf_counter()
        commit(connection)
        if entry is not None and get_exchange() is not None:
            recorder.finish(entry, start, None, -1)

    return captured


def recognise_lazy_load(frame: FrameType) -> Relation | None:
    """Return the relation that SQLAlchemy's ORM loads lazily in *frame*, if that is what it does there."""
    if frame.f_code.co_name not in ("_emit_lazyload", "_load_for_state"):
        return None
    loader = frame.f_locals.get("self")
    prop = getattr(loader, "parent_property", None)
    parent = getattr(getattr(prop, "parent", None), "class_", None)
    if parent is None or prop is None or not hasattr(prop, "uselist"):
        return None
    return Relation("sqlalchemy", parent.__name__, str(prop.key), bool(prop.uselist))

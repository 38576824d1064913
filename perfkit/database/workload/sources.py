"""The databases that the app speaks to, and how a connection of our own to one of them is had.

Whoever looks at the tables and plans of an app must not borrow the app's own connection: it may be within a
transaction, and belongs to another thread or event loop. So each source makes one more by the app's own means, which is
closed again after the question: of a pool of SQLAlchemy by the pool's recipe, with its listeners; of an async one in a
short-lived loop of this thread; of SQLite by opening the file for reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import weakref
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from perfkit.core.errors import DatabaseError
from perfkit.core.locks import OwnLock
from perfkit.core.privacy.redaction import redacted
from perfkit.database.capture.checkouts import OURS
from perfkit.database.capture.dbapi import system_of
from perfkit.database.query.target import Target, beside, target_of

__all__ = ["Source", "Sources", "told"]

T = TypeVar("T")

MOST_SOURCES = 4
"""Databases that are looked at; of an app with one a tenant the newest."""

LOCKED = 1.0
"""Seconds to wait where a file of SQLite is being written."""


def told(error: BaseException) -> str:
    """Return what *error* says in short, without what may be a password: drivers and apps tell what they please."""
    lines = str(error).strip().splitlines()
    return redacted(f"{type(error).__name__}: {lines[0] if lines else ''}", most=300)


class Source:
    """A database.

    Attributes:
        name: Tells it from others.
        system: ``postgresql``, ``sqlite``, ``mysql``, ``mariadb``…
        model_of: Returns ``app.Model`` of a table where an ORM's migrations name models; else nothing.
    """

    def __init__(
        self,
        name: str,
        system: str,
        opened: Callable[[Callable[[Any], Any]], Any],
        *,
        is_reading: bool = False,
        model_of: Callable[[str], str] | None = None,
    ) -> None:
        """Have *opened* call a function with a DB-API connection of its own, and return what that returns.

        Of SQLite only the file that such a connection leads to is wanted, unless it *is_reading* only itself.
        """
        self.name, self.system, self._opened, self._is_reading = name, system, opened, is_reading
        self.model_of: Callable[[str], str] = model_of or _no_model

    def ask(self, question: Callable[[Target], T]) -> T:
        """Return what *question* returns of a connection of our own; blocks as long as it takes.

        Raises:
            DatabaseError: There is no connection of our own to be had.
        """

        def asked(connection: Any) -> Any:
            if self.system == "sqlite" and not self._is_reading:
                with contextlib.closing(_read_only(_path_of(connection))) as own:
                    return question(Target("sqlite", lambda: own, is_owner=False))
            return question(Target(self.system, lambda: connection, is_owner=False))

        answer: T = self._opened(asked)
        return answer


class Sources:
    """The databases known in this process. Thread-safe."""

    def __init__(self) -> None:
        """Know none."""
        self._lock = OwnLock()
        self._sources: dict[object, tuple[Callable[[], object], Source]] = {}

    def add_pool(self, pool: Any) -> None:
        """Take note of *pool*, one of SQLAlchemy's; it is not held."""
        dialect = getattr(pool, "_dialect", None)
        if dialect is None or hasattr(pool, OURS) or not hasattr(pool, "recreate") or _shares_one(pool):
            return
        reference = weakref.ref(pool)
        system = str(getattr(dialect, "name", ""))
        self._add(id(pool), reference, Source(f"sqlalchemy {system}", system, _pool_opener(reference)))

    def add_connection(self, connection: Any) -> None:
        """Take note of where *connection*, one of a driver's or a pool of psycopg's, leads to; it is not held.

        Called by its own thread: SQLite's are asked for their file.
        """
        system = system_of(connection)
        if system == "sqlite":
            path = _path_of(connection)
            if path:
                self._add(path, None, Source(f"sqlite {Path(path).name}", system, _file_opener(path), is_reading=True))
        elif hasattr(connection, "conninfo"):
            reference = weakref.ref(connection)
            name = f"psycopg {getattr(connection, 'name', 'pool')}"
            self._add(id(connection), reference, Source(name, "postgresql", _psycopg_opener(reference)))
        elif hasattr(connection, "info"):
            reference = weakref.ref(connection)
            self._add(id(connection), reference, Source(f"wrapped {system}", system, _driver_opener(reference)))

    def add_factory(
        self,
        name: str,
        system: str,
        connect: Callable[[], contextlib.AbstractContextManager[Any]],
        model_of: Callable[[str], str] | None = None,
    ) -> None:
        """Take note of a database *name* whose DB-API connections *connect* gives and takes back. For adapters."""

        def opened(question: Callable[[Any], Any]) -> Any:
            with connect() as connection:
                return question(connection)

        self._add(name, None, Source(name, system, opened, model_of=model_of))

    def of(self, given: object | None) -> list[Source]:
        """Return the databases that are still there, first *given*, what `initialize` was given."""
        with self._lock:
            gone = [key for key, (reference, _) in self._sources.items() if reference() is None]
            for key in gone:
                del self._sources[key]
            known = [source for _, source in self._sources.values()]
        if given is None:
            return known
        pool = getattr(getattr(given, "sync_engine", given), "pool", None)
        if pool is not None and hasattr(pool, "recreate"):
            self.add_pool(pool)
            return self.of(None)
        return [_given(given), *known]

    def has(self, systems: Collection[str]) -> bool:
        """Return whether one of *systems* is among the databases that were met. Quick."""
        return any(source.system in systems for _, source in list(self._sources.values()))

    def _add(self, key: object, reference: Callable[[], object] | None, source: Source) -> None:
        with self._lock:
            if key in self._sources and self._sources[key][0]() is not None:
                return
            self._sources.pop(key, None)
            while len(self._sources) >= MOST_SOURCES:
                del self._sources[next(iter(self._sources))]
            self._sources[key] = (reference or (lambda: source), source)


def _shares_one(pool: Any) -> bool:
    """Whether *pool* hands the same connection to all: one made by its recipe may be that very one."""
    return any(each.__name__ == "StaticPool" for each in type(pool).__mro__)


def _no_model(table: str) -> str:
    return ""


def _given(database: object) -> Source:
    """Return the source that *database* is; one connection is the app's own and is only asked where it leads to."""
    target = target_of(database)
    if not target.is_owner and target.system != "sqlite":
        return Source("the database given", target.system, _driver_opener(lambda: database))

    def opened(question: Callable[[Any], Any]) -> Any:
        with target.connection() as connection:
            return question(getattr(connection, "dbapi_connection", None) or connection)

    return Source("the database given", target.system, opened)


def _pool_opener(reference: Callable[[], Any]) -> Callable[[Callable[[Any], Any]], Any]:
    def opened(question: Callable[[Any], Any]) -> Any:
        pool = reference()
        if pool is None:
            raise DatabaseError(
                "The pool of connections is gone. It must live as long as its database is asked. Keep the engine."
            )
        if not getattr(pool._dialect, "is_async", False):
            return _within(pool, question)
        greenlet_spawn = importlib.import_module("sqlalchemy.util").greenlet_spawn
        with asyncio.Runner() as runner:
            return runner.run(_awaited(greenlet_spawn(_within, pool, question)))

    return opened


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _within(pool: Any, question: Callable[[Any], Any]) -> Any:
    """Ask over a connection of a pool like *pool*, which ends with it."""
    own = pool.recreate()
    setattr(own, OURS, True)
    try:
        fairy = own.connect()
        try:
            return question(fairy.dbapi_connection)
        finally:
            fairy.close()
    finally:
        own.dispose()


def _file_opener(path: str) -> Callable[[Callable[[Any], Any]], Any]:
    def opened(question: Callable[[Any], Any]) -> Any:
        with contextlib.closing(_read_only(path)) as connection:
            return question(connection)

    return opened


def _driver_opener(reference: Callable[[], Any]) -> Callable[[Callable[[Any], Any]], Any]:
    def opened(question: Callable[[Any], Any]) -> Any:
        connection = reference()
        own = None if connection is None else beside(connection)
        if own is None:
            raise DatabaseError(
                "There is no second connection to where the wrapped one leads. One is needed, as the first belongs to "
                "the app. Call system.initialize(database) with an engine, a URL or a function that returns one."
            )
        with contextlib.closing(own):
            return question(own)

    return opened


def _psycopg_opener(reference: Callable[[], Any]) -> Callable[[Callable[[Any], Any]], Any]:
    """Return what asks over a connection made as the pool makes its own, but for its hooks."""

    def opened(question: Callable[[Any], Any]) -> Any:
        pool = reference()
        if pool is None:
            raise DatabaseError(
                "The pool of connections is gone. It must live as long as its database is asked. Keep it."
            )
        where = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
        options = {**(pool.kwargs or {}), "autocommit": True, "prepare_threshold": None}
        with contextlib.closing(importlib.import_module("psycopg").connect(where, **options)) as connection:
            return question(connection)

    return opened


def _read_only(path: str) -> Any:
    """Return a connection that can only read the file *path*.

    Raises:
        DatabaseError: There is no such file: the database lies in memory.
    """
    if not path:
        raise DatabaseError(
            "The database lies in memory. Only the connection that made it sees it. Use a file to have indexes advised."
        )
    sqlite3 = importlib.import_module("sqlite3")
    return sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=LOCKED,
        isolation_level=None,
        check_same_thread=False,
    )


def _path_of(connection: Any) -> str:
    """Return the file of *connection*, one of SQLite's, empty for one in memory."""
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA database_list")
        rows: Iterator[Any] = cursor.fetchall()
        return next((str(row[2] or "") for row in rows if row[1] == "main"), "")
    finally:
        cursor.close()

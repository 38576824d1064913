"""DB-API connections, wrapped on request: sqlite3, psycopg, PyMySQL, mysqlclient and their like."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from perfkit.database.capture.autocommit import commits_itself
from perfkit.database.capture.recorder import Recorder
from perfkit.database.capture.scale import Scale

__all__ = ["CapturedConnection", "CapturedCursor", "bare", "system_of"]

_SYSTEMS = {
    "sqlite3": "sqlite",
    "psycopg": "postgresql",
    "psycopg2": "postgresql",
    "pg8000": "postgresql",
    "asyncpg": "postgresql",
    "pymysql": "mysql",
    "MySQLdb": "mysql",
    "mariadb": "mariadb",
}


def system_of(connection: Any) -> str:
    """Return OpenTelemetry's name of the database that *connection* speaks to, by its driver."""
    package = type(bare(connection)).__module__.partition(".")[0]
    return _SYSTEMS.get(package, "other_sql")


def bare(connection: Any) -> Any:
    """Return the driver's own connection where *connection* is one that captures."""
    return connection.__dict__["_connection"] if isinstance(connection, CapturedConnection) else connection


class CapturedConnection:
    """A connection whose statements are captured; everything else is its own."""

    def __init__(self, connection: Any, recorder: Recorder) -> None:
        """Stand before *connection*."""
        self.__dict__.update(_connection=connection, _recorder=recorder, _system=system_of(connection))

    def cursor(self, *arguments: Any, **named: Any) -> Any:
        """Return a cursor whose statements are captured."""
        return CapturedCursor(self._connection.cursor(*arguments, **named), self._recorder, self._system)

    def execute(self, statement: Any, parameters: Any = (), **named: Any) -> Any:
        """Send *statement*, where the driver's connections can do that, and return its cursor."""
        return self._sent(self._connection.execute, statement, parameters, named)

    def executemany(self, statement: Any, parameters: Any) -> Any:
        """Send *statement* for each of *parameters*, where the driver's connections can do that."""
        return self._sent(self._connection.executemany, statement, parameters, {}, is_many=True)

    def commit(self) -> None:
        """Commit; that is told with the statements of the exchange."""
        self._connection.commit()
        self._recorder.note_commit()

    def _sent(self, send: Any, statement: Any, parameters: Any, named: dict[str, Any], *, is_many: bool = False) -> Any:
        recorder = self._recorder
        entry = recorder.find(statement, self._system)
        start = perf_counter()
        try:
            cursor = send(statement, parameters, **named) if parameters or is_many else send(statement, **named)
        except BaseException as error:
            recorder.fail(entry, start, parameters, error)
            raise
        finished = _finished(recorder, entry, start, None if is_many else parameters, cursor)
        if entry is not None and entry.is_write and commits_itself(self._connection):
            recorder.note_commit()
        return finished

    def __enter__(self) -> Any:
        self._connection.__enter__()
        return self

    def __exit__(self, *exception: object) -> Any:
        is_open = not commits_itself(self._connection)
        answer = self._connection.__exit__(*exception)
        if is_open and exception[:1] == (None,):
            self._recorder.note_commit()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._connection, name, value)


class CapturedCursor:
    """A cursor whose statements are captured; everything else is its own."""

    def __init__(self, cursor: Any, recorder: Recorder, system: str) -> None:
        """Stand before *cursor*, of a connection to *system*."""
        self.__dict__.update(cursor=cursor, _recorder=recorder, _system=system, _bare=cursor)

    def execute(self, statement: Any, *parameters: Any, **named: Any) -> Any:
        """Send *statement*."""
        return self._sent(self._bare.execute, statement, parameters, named)

    def executemany(self, statement: Any, *parameters: Any, **named: Any) -> Any:
        """Send *statement* for each of the parameters."""
        return self._sent(self._bare.executemany, statement, parameters, named, is_many=True)

    def _sent(
        self, send: Any, statement: Any, parameters: tuple[Any, ...], named: dict[str, Any], *, is_many: bool = False
    ) -> Any:
        recorder = self._recorder
        self.__dict__["cursor"] = self._bare
        entry = recorder.find(statement, self._system)
        given = parameters[0] if parameters else named.get("params", named.get("args"))
        start = perf_counter()
        try:
            result = send(statement, *parameters, **named)
        except BaseException as error:
            recorder.fail(entry, start, given, error)
            raise
        if entry is not None and recorder.finish(entry, start, None if is_many else given, self._bare.rowcount):
            self.__dict__["cursor"] = Scale(self._bare, entry.record) if entry.facts.verb == "SELECT" else self._bare
        if entry is not None and entry.is_write and commits_itself(getattr(self._bare, "connection", None)):
            recorder.note_commit()
        return self if result is self._bare else result

    def __iter__(self) -> Iterator[Any]:
        return iter(self.cursor)

    def __next__(self) -> Any:
        return next(self.cursor)

    def __enter__(self) -> Any:
        self._bare.__enter__()
        return self

    def __exit__(self, *exception: object) -> Any:
        return self._bare.__exit__(*exception)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._bare, name, value)


def _finished(recorder: Recorder, entry: Any, start: float, parameters: Any, cursor: Any) -> Any:
    if entry is not None and recorder.finish(entry, start, parameters, getattr(cursor, "rowcount", -1)):
        return Scale(cursor, entry.record) if entry.facts.verb == "SELECT" else cursor
    return cursor

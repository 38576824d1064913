"""psycopg's async connections and the pools of psycopg_pool, wrapped on request like other DB-API connections."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter
from typing import Any

from perfkit.database.capture.autocommit import commits_itself
from perfkit.database.capture.dbapi import CapturedConnection, system_of
from perfkit.database.capture.recorder import Recorder

__all__ = ["CapturedAsyncConnection", "CapturedAsyncPool", "CapturedPool", "captured"]


def captured(database: Any, recorder: Recorder) -> Any:
    """Return *database*, a connection or a pool of connections, so that its statements are captured."""
    if hasattr(database, "getconn") and hasattr(database, "connection"):
        is_async = inspect.iscoroutinefunction(getattr(type(database), "getconn", None))
        return CapturedAsyncPool(database, recorder) if is_async else CapturedPool(database, recorder)
    if inspect.iscoroutinefunction(getattr(type(database), "execute", None)):
        return CapturedAsyncConnection(database, recorder)
    return CapturedConnection(database, recorder)


class _Around:
    """Stands before something, under `_inner`; what it does not know is that one's."""

    def __init__(self, inner: Any, recorder: Recorder) -> None:
        """Stand before *inner*."""
        self.__dict__.update(_inner=inner, _recorder=recorder)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)


class _Sending(_Around):
    """What sends statements and awaits their ends."""

    async def _sent(
        self, send: Any, statement: Any, parameters: tuple[Any, ...], named: dict[str, Any], *, is_many: bool = False
    ) -> Any:
        recorder: Recorder = self._recorder
        connection = getattr(self._inner, "connection", self._inner)
        entry = recorder.find(statement, system_of(connection))
        given = parameters[0] if parameters else named.get("params")
        start = perf_counter()
        try:
            result = await send(statement, *parameters, **named)
        except BaseException as error:
            recorder.fail(entry, start, given, error)
            raise
        if entry is not None:
            recorder.finish(entry, start, None if is_many else given, getattr(result, "rowcount", -1))
            if entry.is_write and commits_itself(connection):
                recorder.note_commit()
        return result


class CapturedAsyncConnection(_Sending):
    """An async connection whose statements are captured; everything else is its own."""

    def cursor(self, *arguments: Any, **named: Any) -> Any:
        """Return a cursor whose statements are captured."""
        return CapturedAsyncCursor(self._inner.cursor(*arguments, **named), self._recorder)

    async def execute(self, statement: Any, *parameters: Any, **named: Any) -> Any:
        """Send *statement* and return its cursor."""
        return await self._sent(self._inner.execute, statement, parameters, named)

    async def commit(self) -> None:
        """Commit; that is told with the statements of the exchange."""
        await self._inner.commit()
        self._recorder.note_commit()

    async def __aenter__(self) -> Any:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> Any:
        return await self._inner.__aexit__(*exception)


class CapturedAsyncCursor(_Sending):
    """An async cursor whose statements are captured; everything else is its own."""

    async def execute(self, statement: Any, *parameters: Any, **named: Any) -> Any:
        """Send *statement*."""
        await self._sent(self._inner.execute, statement, parameters, named)
        return self

    async def executemany(self, statement: Any, *parameters: Any, **named: Any) -> None:
        """Send *statement* for each of the parameters."""
        await self._sent(self._inner.executemany, statement, parameters, named, is_many=True)

    def __aiter__(self) -> Any:
        return self._inner.__aiter__()

    async def __aenter__(self) -> Any:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> Any:
        return await self._inner.__aexit__(*exception)


class CapturedPool(_Around):
    """A pool whose connections are captured; everything else is its own."""

    @contextmanager
    def connection(self, *arguments: Any, **named: Any) -> Iterator[Any]:
        """Give a connection whose statements are captured, as long as the block lasts."""
        with self._inner.connection(*arguments, **named) as connection:
            yield captured(connection, self._recorder)

    def getconn(self, *arguments: Any, **named: Any) -> Any:
        """Return a connection whose statements are captured; give it back by `putconn`."""
        return captured(self._inner.getconn(*arguments, **named), self._recorder)

    def putconn(self, connection: Any) -> None:
        """Take *connection* back."""
        self._inner.putconn(connection.__dict__.get("_connection", connection))

    def __enter__(self) -> Any:
        self._inner.__enter__()
        return self

    def __exit__(self, *exception: Any) -> Any:
        return self._inner.__exit__(*exception)


class CapturedAsyncPool(_Around):
    """An async pool whose connections are captured; everything else is its own."""

    @asynccontextmanager
    async def connection(self, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        """Give a connection whose statements are captured, as long as the block lasts."""
        async with self._inner.connection(*arguments, **named) as connection:
            yield captured(connection, self._recorder)

    async def getconn(self, *arguments: Any, **named: Any) -> Any:
        """Return a connection whose statements are captured; give it back by `putconn`."""
        return captured(await self._inner.getconn(*arguments, **named), self._recorder)

    async def putconn(self, connection: Any) -> None:
        """Take *connection* back."""
        await self._inner.putconn(connection.__dict__.get("_inner", connection))

    async def __aenter__(self) -> Any:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> Any:
        return await self._inner.__aexit__(*exception)

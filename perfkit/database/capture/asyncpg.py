"""asyncpg used directly: the methods of its connections, which its pools call too.

SQLAlchemy speaks to asyncpg by prepared statements of its own, which do not come through here: nothing counts twice.
asyncpg's query loggers are told in a later turn of the loop, when the request may have ended and the stack is gone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from time import perf_counter
from typing import Any

from perfkit.core.lazy import imported
from perfkit.core.spans import expect_spans
from perfkit.database.capture.recorder import Recorder

__all__ = ["AsyncpgCapture"]

METHODS = ("fetch", "fetchrow", "fetchval", "fetchmany", "execute", "executemany")
SYSTEM = "postgresql"


class AsyncpgCapture:
    """Hooks of one recorder. `start` and `stop` may be called again and again."""

    def __init__(self, recorder: Recorder) -> None:
        """Report statements to *recorder*."""
        self._recorder = recorder
        self._originals: dict[str, Any] = {}
        self._class: Any = None

    @property
    def is_active(self) -> bool:
        """Whether asyncpg is imported and hooked into."""
        return self._class is not None

    def start(self) -> bool:
        """Hook in, if the app has imported asyncpg; return whether it has."""
        module: Any = imported("asyncpg.connection")
        if module is None or not hasattr(module, "Connection"):
            return False
        expect_spans("database")
        self._class = module.Connection
        for name in METHODS:
            original = self._class.__dict__.get(name)
            if original is not None:
                self._originals[name] = original
                setattr(self._class, name, captured(self._recorder, original, name))
        return True

    def stop(self) -> None:
        """Give the class its own methods back, where nobody has replaced ours."""
        for name, original in self._originals.items():
            if getattr(self._class.__dict__.get(name), "__wrapped__", None) is original:
                setattr(self._class, name, original)
        self._originals.clear()
        self._class = None

    def self_test(self, statement: str) -> None:
        """Have *statement* sent by a method of the class, to nobody."""
        coroutine = self._class.fetch(_Nobody(), statement)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        finally:
            coroutine.close()


class _Nobody:
    """What asyncpg's methods need of a connection, without a server."""

    def _check_open(self) -> None:
        return

    async def _execute(self, *arguments: Any, **named: Any) -> list[Any]:
        return []


def captured(recorder: Recorder, original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return *original*, the method *name*, whose statements *recorder* sees."""
    entry_of, learn, finish, fail = recorder.known(SYSTEM).get, recorder.learn, recorder.finish, recorder.fail
    returns_rows, is_many = name in ("fetch", "fetchmany"), name.endswith("many")

    @functools.wraps(original)
    async def method(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        entry = entry_of(query) or learn(query, SYSTEM)
        start = perf_counter()
        try:
            result = await original(self, query, *arguments, **named)
        except BaseException as error:
            fail(entry, start, arguments, error)
            raise
        if entry is not None:
            rows = len(result) if returns_rows and isinstance(result, list) else -1
            finish(entry, start, None if is_many else arguments, rows)
            if entry.is_write and not self.is_in_transaction():
                recorder.note_commit()
        return result

    return method

"""Sees every statement of this process while something is measured, beside whatever perfkit an app has of its own.

Tests call an app in the same thread, in a task, or in a thread of a test client; so what is sent while a block runs
belongs to it, wherever it is sent from.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from time import perf_counter
from types import FrameType
from typing import Any

from perfkit.core.code import sites
from perfkit.core.context import Context
from perfkit.core.spans import get_exchange
from perfkit.database import callsites
from perfkit.database.capture.asyncpg import AsyncpgCapture
from perfkit.database.capture.recorder import TEST, Finish, Recorder, hashes_of
from perfkit.database.capture.sqlalchemy import SQLAlchemyCapture
from perfkit.database.capture.work import Entry
from perfkit.database.patterns.observed import Seen
from perfkit.database.pool.pools import Pools
from perfkit.database.report.digest import seen_of
from perfkit.database.settings import DatabaseSettings
from perfkit.store import Store

__all__ = ["CONTROL", "Capture", "Sent", "capture"]

CONTROL = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "START", "END"})
"""Verbs of statements that only control a transaction: they are looked at, and not counted as queries."""

MOST = 100_000
"""Statements kept of one measurement; more are counted."""


class Sent:
    """The statements of one measurement.

    Attributes:
        count: Statements, transaction control not counted.
        kept: What is known of each: a key of the request it belongs to, its text's entry, and how it went.
    """

    __slots__ = ("count", "kept", "owners")

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self.kept: list[tuple[int, Entry, Any, int, float, float, str]] = []
        self.owners: dict[int, object] = {}

    def add(self, entry: Entry, hashes: Any, rows: int, start: float, seconds: float, site: str) -> None:
        """Note one statement."""
        if entry.facts.verb not in CONTROL:
            self.count += 1
        if len(self.kept) < MOST:
            owner = _owner()
            # Held, so that another one cannot get its identity.
            self.owners[id(owner)] = owner
            self.kept.append((id(owner), entry, hashes, rows, start, seconds, site))

    def groups(self) -> Iterable[list[Seen]]:
        """Yield the statements as the patterns see them, those of each request by themselves."""
        groups: dict[int, list[Seen]] = {}
        for owner, entry, hashes, rows, start, seconds, site in self.kept:
            groups.setdefault(owner, []).append(seen_of(entry, hashes, rows, start, seconds, site))
        return groups.values()


def _owner() -> object:
    """Return what a statement belongs to: the request if the app has perfkit, else the task if there is one."""
    exchange = get_exchange()
    if exchange is not None and not exchange[0]:
        return exchange
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            return asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            return None
    return None


class _EveryStatement(Recorder):
    """Keeps each statement for whatever is being measured."""

    active: list[Sent]
    """What is being measured now."""

    def _hot_path(self) -> Finish:
        active: list[Sent] = []
        self.active = active
        errors, note = self.errors, self._note

        def finish(entry: Entry, start: float, parameters: Any, rows: int) -> bool:
            seconds = perf_counter() - start
            if active and entry.record.sample != TEST:
                try:
                    site = note(entry.record, sys._getframe(2))
                    text, hashes = "" if site is None else site.text, hashes_of(parameters)
                    for sent in tuple(active):
                        sent.add(entry, hashes, rows, start, seconds, text)
                except Exception as error:  # noqa: BLE001 - the statement has done its work whatever happens to us
                    errors.report("testing", error, doing="a statement could not be measured")
            return False

        return finish

    def fail(self, entry: Entry | None, start: float, parameters: Any, error: BaseException) -> None:
        """Note a statement that failed: it was sent, too."""
        if entry is not None:
            self.finish(entry, start, parameters, -1)


class Capture:
    """The hooks of measurements: put in once a process, idle while nothing is measured. Thread-safe."""

    def __init__(self) -> None:
        """Hook into nothing yet."""
        context = Context(store=Store())
        self.recorder = _EveryStatement(context, DatabaseSettings())
        self._sqlalchemy = SQLAlchemyCapture(self.recorder, Pools(context))
        self._asyncpg = AsyncpgCapture(self.recorder)
        self._django: Any = None
        self._lock = threading.Lock()

    def begin(self) -> Sent:
        """Have what is sent from now on be noted; give the answer to `end`."""
        with self._lock:
            self._hook()
            sent = Sent()
            self.recorder.active.append(sent)
            return sent

    def end(self, sent: Sent) -> None:
        """Note no more in *sent*."""
        with self._lock:
            self.recorder.active.remove(sent)

    def _hook(self) -> None:
        """Hook into what has been imported since."""
        if not self._sqlalchemy.is_active and self._sqlalchemy.start():
            for engine in _living_engines():
                self._sqlalchemy.watch(engine)
        if not self._asyncpg.is_active:
            self._asyncpg.start()
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
_making = threading.Lock()


def capture() -> Capture:
    """Return the one capture of this process, made at the first call."""
    global _capture
    with _making:
        if _capture is None:
            _capture = Capture()
        return _capture

"""The database optimizer: captures statements, says what is wrong with them and what to write instead."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, Self, TypeVar

from perfkit.core import shells
from perfkit.core.clock import Clock, SystemClock
from perfkit.core.code import sites
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.findings import Finding
from perfkit.core.spans import begin_exchange, expect_spans, get_exchange, seal_exchange, set_exchange
from perfkit.database import callsites
from perfkit.database.capture.asyncpg import AsyncpgCapture
from perfkit.database.capture.psycopg import captured
from perfkit.database.capture.recorder import Recorder
from perfkit.database.capture.sqlalchemy import SQLAlchemyCapture
from perfkit.database.patterns.found import found
from perfkit.database.pool.churn import Churn
from perfkit.database.pool.pools import Pools
from perfkit.database.query.explain import Explainer
from perfkit.database.query.result import Plan, QueryResult
from perfkit.database.query.retry import Retry
from perfkit.database.query.runner import Runner
from perfkit.database.query.target import Target, target_of
from perfkit.database.report.digest import Digest
from perfkit.database.report.languages import spoken
from perfkit.database.report.notes import Notes
from perfkit.database.report.routes import with_routes
from perfkit.database.report.statistics import SlowQuery, Statistics
from perfkit.database.settings import DatabaseSettings
from perfkit.database.snapshot import CaptureState, DatabaseSnapshot
from perfkit.database.workload.looks import Looks

__all__ = ["DatabaseOptimizer"]

T = TypeVar("T")

MOST_SHOWN = 50
"""Shapes in a snapshot."""

LOOKED_EVERY = 15.0
"""Seconds between two looks at what needs all shapes."""


class DatabaseOptimizer(Component):
    """What an app asks of its databases, and how it could ask better. Thread-safe."""

    name = "database"
    settings_type = DatabaseSettings

    def __init__(
        self,
        database: Any = None,
        *,
        settings: DatabaseSettings | None = None,
        context: Context | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Capture into the store of *context*; alone, into a memory store of its own.

        Args:
            database: A DB-API connection, a SQLAlchemy engine or a URL: what `optimize_query` runs on. Statements of
                an engine are captured, those of a connection only where they go through `wrap`.
            settings: What is captured.
            context: The system around it.
            clock: Time, for tests.
        """
        self._stands_alone = context is None
        if context is None:
            from perfkit.store import Store

            context = Context(store=Store(clock=clock), clock=clock or SystemClock())
        if database is not None:
            context.database = database
        self.settings = settings or DatabaseSettings()
        self._context, self._store = context, context.store
        self.recorder = Recorder(context, self.settings)
        self._churn = Churn(context)
        self._pools = Pools(context, self._churn.note)
        self._asyncpg = AsyncpgCapture(self.recorder)
        self._retry = Retry(context, self.settings)
        self._runner = Runner(self.recorder, self._retry, self.settings.slow_query_threshold)
        self._explainer = Explainer(context, self.settings)
        self._target: tuple[object, Target] | None = None
        self._digest = Digest(self.recorder, context, self.settings)
        self._notes = Notes(self._store)
        self._statistics = Statistics(self.recorder, context, self.settings.slow_query_threshold)
        self._looks = Looks(context, self.settings, self.recorder, self._notes, self._statistics)
        self._sqlalchemy = SQLAlchemyCapture(self.recorder, self._pools, self._meet_pool)
        self._captures: dict[str, CaptureState] = {}
        self._is_running = False
        self._stops = 0
        self._watched: object = None
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._is_digesting = False
        self._looked_at = float("-inf")

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the optimizer of a system."""
        return cls(settings=settings, context=context)

    def start(self) -> None:
        """Hook into what the app has imported; called again it does nothing."""
        self._notice_fork()
        self._is_running = True
        self._hook()

    def stop(self) -> None:
        """Take the hooks out again; the numbers stay in the store."""
        self._is_running = False
        self._stops += 1
        self._sqlalchemy.stop()
        self._asyncpg.stop()
        self._watched = None

    def tick(self, now: float) -> None:
        """Have what was captured looked at by the worker for slow work; hook into what was imported since."""
        self._notice_fork()
        if not self._is_running:
            return
        self._hook()
        with self._context.errors.guarded(self.name, "a pool could not be looked at"):
            self._pools.tick()
        if self._is_digesting:
            return
        looks = self._looks.due(now)
        if self.recorder.pending or self.recorder.slow or now - self._looked_at >= LOOKED_EVERY or looks:
            self._is_digesting = True
            shells.defer(self._digest_later, looks)

    def _digest_later(self, looks: Iterable[Callable[[], None]]) -> None:
        try:
            with self._context.errors.guarded(self.name, "statements could not be looked at"):
                self.digest()
            for look in looks:
                with self._context.errors.guarded(self.name, "the databases could not be looked at"):
                    look()
        finally:
            self._is_digesting = False

    def look_at_indexes(self) -> None:
        """Have the databases asked which indexes the statements of all workers want; `findings` tells what came of it.

        The leader does so by itself, every `database.index_advice_interval` seconds. Blocks while the databases answer;
        only reads, over a connection of its own.
        """
        self._notice_fork()
        self._looks.at_indexes()

    def look_at_sessions(self) -> None:
        """Have PostgreSQL and MariaDB asked who waits for a lock, idles in a transaction or holds one for long.

        The leader does so by itself, every 15 seconds; `findings` tells what came of it. Blocks; only reads.
        """
        self._notice_fork()
        self._looks.at_sessions()

    def digest(self) -> None:
        """Look at all that was captured and has ended: for who reads right after a request."""
        self._notice_fork()
        now = self._context.clock.monotonic()
        with self._lock:
            self._notes.add(self._digest.ended(now), now)
            self._notes.put(self._digest.new_shapes(), now)
            self._notes.put(self._digest.wide_rows(), now)
            self._notes.put(self._digest.lock_failures(), now)
            self._notes.put(self._pools.findings(now), now)
            self._notes.put(self._pools.sizes(), now, source="pool sizes")
            self._notes.put(self._churn.findings(), now)
            self._looked_at = now
            self._notes.tick(now)
            self._statistics.tick(now)

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong with the statements of all workers, the most urgent first."""
        with self._context.errors.guarded(self.name, "statements could not be looked at"):
            self.digest()
        told = with_routes(self._notes.all(), self._statistics.texts(), self._statistics.seconds_by_route())
        used = {"django": "django" in self._captures, "sqlalchemy": self._pools.are_used}
        return list(spoken(told, [orm for orm, is_used in used.items() if is_used]))

    def get_optimization_suggestions(self) -> list[Finding]:
        """Return what should be changed, the most urgent first: each with its line, evidence and fix."""
        return list(self.findings())

    def get_slow_queries(self) -> list[SlowQuery]:
        """Return the shapes of statements that were slow, of all workers, those that took most time first."""
        return self._statistics.slow()

    def get_queries(self) -> list[SlowQuery]:
        """Return the numbers of all shapes, slow or not, those that took most time first."""
        return self._statistics.shapes()

    def optimize_query(self, sql: str, params: Any = None) -> QueryResult:
        """Run *sql* on the database given to `initialize`: measured, retried where that is safe, looked at.

        Args:
            sql: One statement, with the placeholders of the database's driver.
            params: What the driver takes beside it.

        Raises:
            DatabaseError: No database was given, or it is an async engine.
        """
        return self._runner.run(self._target_now(), sql, params)

    async def aoptimize_query(self, sql: str, params: Any = None) -> QueryResult:
        """Do what `optimize_query` does; with an async engine in the running loop, otherwise in a thread."""
        return await self._runner.arun(self._target_now(), sql, params)

    def explain(self, shape: str) -> Plan:
        """Return how the database would run the stored *shape*, an id of `get_queries`; it is planned, never run.

        Raises:
            DatabaseError: No database was given.
        """
        text = self._text_of(shape)
        if not text:
            return Plan(shape=shape, reason="there is no such shape, or its text is gone")
        return self._explainer.explain(self._target_now(), shape, text)

    async def aexplain(self, shape: str) -> Plan:
        """Do what `explain` does: with an async engine in the running loop, otherwise in a thread."""
        text, target = self._text_of(shape), self._target_now()
        if text and target.engine is not None:
            return await self._explainer.aexplain(target, shape, text)
        plan: Plan = await shells.offload(self.explain, shape)
        return plan

    def _text_of(self, shape: str) -> str:
        """Return the whole text of *shape*; this worker may know more of it than was told."""
        for (_, known), record in list(self.recorder.records.items()):
            if known == shape:
                return record.facts.shape.text
        text = self._statistics.texts().get(shape)
        return "" if text is None else text.text

    def run_transaction(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call *function*, which does one whole transaction, and again where its failure is safe to be met so.

        That is a serialization failure, a deadlock, a lock that was not free in time, or a connection that could not
        be made. Called within another one it calls *function* once, as the outer transaction is not its own.
        """
        return self._retry.run(function, *arguments, **named)

    async def arun_transaction(self, function: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        """Do what `run_transaction` does for a coroutine *function*."""
        return await self._retry.arun(function, *arguments, **named)

    def _target_now(self) -> Target:
        database = self._context.database
        known = self._target
        if known is None or known[0] is not database:
            known = self._target = (database, target_of(database))
        return known[1]

    @contextmanager
    def watch(self, name: str) -> Iterator[None]:
        """Look at the statements of the block together, as at those of a request: for tasks and scripts.

        Args:
            name: Of the task; from a small set of your own.
        """
        before = get_exchange()
        expect_spans(self.name)
        spans = begin_exchange()
        try:
            yield
        finally:
            seal_exchange(spans, name)
            set_exchange(before)

    def instrument(self, engine: Any) -> None:
        """Capture the statements of a SQLAlchemy *engine*, sync or async, from now on, without waiting for its use."""
        expect_spans(self.name)
        self._sqlalchemy.watch(engine)

    def wrap(self, connection: Any) -> Any:
        """Return *connection*, a DB-API one (sqlite3, psycopg, PyMySQL…), so that its statements are captured.

        What is returned does all that the connection does; hand it on in its place. psycopg's async connections and the
        pools of psycopg_pool are wrapped likewise; a pool's numbers are then shown too.
        """
        expect_spans(self.name)
        with self._context.errors.guarded(self.name, "a connection could not be looked at"):
            self._looks.sources.add_connection(connection)
            if hasattr(connection, "get_stats"):
                self._pools.watch_other(connection, str(getattr(connection, "name", "psycopg")))
        return captured(connection, self.recorder)

    def advise_on(
        self,
        name: str,
        system: str,
        connect: Callable[[], AbstractContextManager[Any]],
        model_of: Callable[[str], str] | None = None,
    ) -> None:
        """Look at the indexes of the database *name*, whose DB-API connections *connect* gives. For adapters.

        Args:
            name: Tells it from others.
            system: ``postgresql``, ``sqlite``, ``mysql``, ``mariadb``…
            connect: Called in the thread for slow work; what it gives is used there alone and taken back at the end.
            model_of: Returns ``app.Model`` of a table, or nothing, where an ORM's migrations name models.
        """
        self._looks.sources.add_factory(name, system, connect, model_of)

    def watch_pool(self, pool: Any, name: str) -> None:
        """Show the numbers of *pool*, one of psycopg_pool's, under *name*; SQLAlchemy's are found by themselves."""
        self._pools.watch_other(pool, name)

    def note_connection(self, name: str, system: str) -> None:
        """Count a new connection to the database *name*, of a library that keeps no pool. For adapters; cheap."""
        self._churn.note(name, system)

    def _meet_pool(self, pool: Any) -> None:
        self._looks.sources.add_pool(pool)

    def recognise_with(self, recognise: Callable[[FrameType], tuple[str, str, str, bool] | None]) -> None:
        """Ask *recognise* about library frames: (ORM, model, relation, whether to many), or None. For adapters."""
        callsites.recognise_with(recognise)

    def find_with(self, find: Callable[[FrameType], FrameType | None]) -> None:
        """Ask *find* where work comes from whose outermost frame is a library's. For adapters."""
        sites.find_with(find)

    def test_capture(self, name: str, send: Callable[[str], object]) -> None:
        """Find out whether a statement that *send* sends is captured, and say so loudly if not. For adapters.

        Inside an event loop, which must not wait, the worker for slow work does it.

        Args:
            name: What is tested, such as ``sqlalchemy``.
            send: Sends the statement that it is given, to a database of its own.
        """
        if shells.is_loop_running():
            shells.defer(self._test_capture, name, send, self._stops)
        else:
            self._test_capture(name, send, self._stops)

    def _test_capture(self, name: str, send: Callable[[str], object], stops: int) -> None:
        reason = self.recorder.test(send)
        if stops != self._stops:  # the hooks were taken out before the worker came to it
            return
        # Another dict, as readers look through it meanwhile.
        self._captures = {**self._captures, name: CaptureState(name=name, is_active=not reason, reason=reason)}
        if reason:
            message = f"The statements of {name} are not captured: {reason}."
            action = "Look whether its version is supported, and whether something else replaces its hooks."
            told = found("inactive_capture", message, action, object=name, evidence={"reason": reason})
            self._notes.put([told], self._context.clock.monotonic())
            self._context.errors.warn(self.name, f"inactive_{name}", f"{message} {action}")

    def snapshot(self) -> DatabaseSnapshot:
        """Return the numbers of all workers."""
        shapes = self._statistics.shapes()
        return DatabaseSnapshot(
            statements=sum(each.calls for each in shapes),
            seconds=sum(each.total for each in shapes),
            errors=sum(each.errors for each in shapes),
            slow=sum(each.slow for each in shapes),
            top=tuple(shapes[:MOST_SHOWN]),
            captures=tuple(self._captures.values()),
            indexes=self._looks.state,
        )

    def _hook(self) -> None:
        with self._context.errors.guarded(self.name, "could not hook into the database libraries"):
            if self.settings.capture and not self._sqlalchemy.is_active and self._sqlalchemy.start():
                self.test_capture("sqlalchemy", self._sqlalchemy.self_test)
            if self.settings.capture and not self._asyncpg.is_active and self._asyncpg.start():
                self.test_capture("asyncpg", self._asyncpg.self_test)
            database = self._context.database
            if database is not None and database is not self._watched:
                self._watched = database
                if hasattr(getattr(database, "sync_engine", database), "dialect"):
                    self.instrument(database)

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()
            self.recorder.after_fork()
            self._pools.forget()
            self._digest.forget()
            self._notes.forget()
            self._statistics.forget()
            self._looks.forget()

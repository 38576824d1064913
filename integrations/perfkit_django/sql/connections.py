"""Django's statements: an execute wrapper on every connection, by Django's own means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.signals import connection_created

from perfkit.core.spans import expect_spans
from perfkit_django.sql.orm import awaiting, model_of, recognise

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["capture", "forget", "watch"]

UID = "perfkit_django.sql"
OURS = "perfkit"
"""Alias of connections of our own."""

SYSTEMS = {"sqlite3": "sqlite", "postgis": "postgresql", "spatialite": "sqlite"}
"""Names of Django's backends where they are not those of the systems."""
MARK = "_perfkit_recorder"
MEASURING = "_perfkit_measuring"


def capture(system: PerformanceSystem) -> None:
    """Have the component `database` of *system* see the statements of all connections; done again it does nothing."""
    if not system.config.database.enabled or not system.config.database.capture or not connections.settings:
        return
    database = system.database
    expect_spans("database")

    def on_created(*, connection: Any, **named: Any) -> None:
        _wrap(connection, database)
        if connection.alias != OURS and getattr(connection, "pool", None) is None:
            database.note_connection(f"django {connection.alias}", SYSTEMS.get(connection.vendor, connection.vendor))

    forget()
    connection_created.connect(on_created, weak=False, dispatch_uid=UID)
    for connection in connections.all(initialized_only=True):
        _wrap(connection, database)
    database.recognise_with(recognise)
    database.find_with(awaiting)
    for alias, settings in connections.settings.items():
        vendor = str(settings.get("ENGINE", "")).rpartition(".")[2]
        database.advise_on(f"django {alias}", SYSTEMS.get(vendor, vendor), partial(_beside, alias), model_of)
    database.test_capture("django", _self_test)


def forget() -> None:
    """Take the wrappers off the connections of this thread, and put none on new ones."""
    connection_created.disconnect(dispatch_uid=UID)
    for connection in connections.all(initialized_only=True):
        connection.execute_wrappers[:] = [each for each in connection.execute_wrappers if not hasattr(each, MARK)]
        connection.__dict__.pop("_commit", None)


def watch(database: Any) -> None:
    """Have *database* see the statements of all connections beside what captures them, from now on: for measuring."""

    def add(*, connection: Any, **named: Any) -> None:
        if not any(hasattr(each, MEASURING) for each in connection.execute_wrappers):
            connection.execute_wrappers.insert(0, wrapper_of(database, connection.vendor, MEASURING))

    if not connections.settings:
        return
    connection_created.connect(add, weak=False, dispatch_uid=f"{UID}.measuring")
    for connection in connections.all(initialized_only=True):
        add(connection=connection)
    database.recognise_with(recognise)
    database.find_with(awaiting)


def _wrap(connection: Any, database: Any) -> None:
    """Put a wrapper on *connection*, innermost, so that it measures the database and not other wrappers."""
    wrappers = connection.execute_wrappers
    if not any(getattr(each, MARK, None) is database.recorder for each in wrappers):
        wrappers[:] = [each for each in wrappers if not hasattr(each, MARK)]
        wrappers.insert(0, wrapper_of(database, connection.vendor))
        _note_commits(connection, database)


def _note_commits(connection: Any, database: Any) -> None:
    """Have *connection* tell *database* of its commits: no execute wrapper sees them, as the driver does them."""
    commit, note_commit = type(connection)._commit, database.recorder.note_commit

    def noted() -> None:
        commit(connection)
        note_commit()

    connection._commit = noted


@contextmanager
def _beside(alias: str) -> Iterator[Any]:
    """Give a connection of the driver's to the database *alias* that is nobody else's."""
    own = connections.create_connection(alias)
    own.alias, options = OURS, own.settings_dict.get("OPTIONS", {})
    own.settings_dict = {**own.settings_dict, "OPTIONS": {key: options[key] for key in options if key != "pool"}}
    own.execute_wrappers.clear()
    own.inc_thread_sharing()
    try:
        own.connect()
        yield own.connection
    finally:
        own.close()


def wrapper_of(database: Any, vendor: str, mark: str = MARK) -> Any:
    """Return an execute wrapper that reports to *database*: a hot path, so what it needs are local names."""
    recorder = database.recorder
    entry_of, learn, finish, fail = recorder.known(vendor).get, recorder.learn, recorder.finish, recorder.fail
    weigh, note_commit = recorder.weigh, recorder.note_commit

    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        # What psycopg composes is no text, and cannot be looked up.
        entry = (entry_of(sql) if sql.__class__ is str else None) or learn(sql, vendor)
        start = perf_counter()
        try:
            result = execute(sql, params, many, context)
        except BaseException as error:
            fail(entry, start, params, error)
            raise
        if entry is not None:
            cursor = context["cursor"]
            if finish(entry, start, None if many else params, cursor.cursor.rowcount):
                weigh(entry, cursor)
            if entry.is_write and not context["connection"].in_atomic_block and context["connection"].autocommit:
                note_commit()
        return result

    setattr(wrapper, mark, recorder)
    return wrapper


def _self_test(statement: str) -> None:
    """Send *statement* through a connection of our own to an empty database in memory."""
    from django.db.backends.sqlite3.base import DatabaseWrapper

    settings = connections["default"].settings_dict
    own = DatabaseWrapper({**settings, "NAME": ":memory:", "OPTIONS": {}}, alias="perfkit self-test")
    try:
        with own.cursor() as cursor:
            cursor.execute(statement)
    finally:
        own.close()

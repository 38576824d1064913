"""Django's statements: an execute wrapper on every connection, by Django's own means, and what its ORM was loading."""

from __future__ import annotations

import asyncio
import os
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any

from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.signals import connection_created

from perfkit.core.code.places import is_users
from perfkit.core.spans import expect_spans

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["capture", "forget", "recognise"]

UID = "perfkit_django.sql"
MARK = "_perfkit_recorder"
QUERY_FILE = os.path.join("db", "models", "query.py")
SYNC_FILE = os.path.join("asgiref", "sync.py")

MOST_TASKS = 200
MOST_FRAMES = 60


def capture(system: PerformanceSystem) -> None:
    """Have the component `database` of *system* see the statements of all connections; done again it does nothing."""
    if not system.config.database.enabled or not system.config.database.capture or not connections.settings:
        return
    database = system.database
    expect_spans("database")

    def on_created(*, connection: Any, **named: Any) -> None:
        _wrap(connection, database)

    forget()
    connection_created.connect(on_created, weak=False, dispatch_uid=UID)
    for connection in connections.all(initialized_only=True):
        _wrap(connection, database)
    database.recognise_with(recognise)
    database.find_with(awaiting)
    database.test_capture("django", _self_test)


def forget() -> None:
    """Take the wrappers off the connections of this thread, and put none on new ones."""
    connection_created.disconnect(dispatch_uid=UID)
    for connection in connections.all(initialized_only=True):
        connection.execute_wrappers[:] = [each for each in connection.execute_wrappers if not hasattr(each, MARK)]


def _wrap(connection: Any, database: Any) -> None:
    """Put a wrapper on *connection*, innermost, so that it measures the database and not other wrappers."""
    wrappers = connection.execute_wrappers
    if not any(getattr(each, MARK, None) is database.recorder for each in wrappers):
        wrappers[:] = [each for each in wrappers if not hasattr(each, MARK)]
        wrappers.insert(0, wrapper_of(database, connection.vendor))


def wrapper_of(database: Any, vendor: str) -> Any:
    """Return an execute wrapper that reports to *database*: a hot path, so what it needs are local names."""
    recorder = database.recorder
    entry_of, learn, finish, fail = recorder.known(vendor).get, recorder.learn, recorder.finish, recorder.fail
    weigh = recorder.weigh

    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        entry = entry_of(sql) or learn(sql, vendor)
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
        return result

    setattr(wrapper, MARK, recorder)
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


def recognise(frame: FrameType) -> tuple[str, str, str, bool] | None:
    """Return (ORM, model, relation, whether to many) if Django loads a relation in *frame*."""
    code = frame.f_code
    if code.co_filename.endswith("related_descriptors.py") and code.co_name != "__get__":
        manager = frame.f_locals.get("self")
        return _many(getattr(manager, "instance", None), getattr(manager, "model", None))
    if code.co_filename.endswith("related_descriptors.py"):
        descriptor = frame.f_locals.get("self")
        field, related = getattr(descriptor, "field", None), getattr(descriptor, "related", None)
        if related is not None:
            return "django", related.model.__name__, related.get_accessor_name(), False
        return None if field is None else ("django", field.model.__name__, field.name, False)
    if code.co_filename.endswith(QUERY_FILE):
        return _of_queryset(frame.f_locals.get("self"))
    return None


def _of_queryset(queryset: Any) -> tuple[str, str, str, bool] | None:
    """Return the relation whose manager made *queryset*, if one did."""
    for field in getattr(queryset, "_known_related_objects", None) or ():
        name = field.remote_field.get_accessor_name()
        return ("django", field.remote_field.model.__name__, name, True) if name else None
    return _many((getattr(queryset, "_hints", None) or {}).get("instance"), getattr(queryset, "model", None))


def _many(instance: Any, model: Any) -> tuple[str, str, str, bool] | None:
    """Return the many-to-many relation from *instance* to *model*, if there is one."""
    for field in instance._meta.get_fields() if hasattr(instance, "_meta") else ():
        if field.many_to_many and field.related_model is model:
            name = field.get_accessor_name() if field.auto_created else field.name
            return ("django", type(instance).__name__, name, True) if name else None
    return None


def awaiting(frame: FrameType) -> FrameType | None:
    """Return the user's frame that awaits what runs in this thread: the ORM's async calls run in another than it."""
    local = SyncToAsync.threadlocal
    tasks, loop = getattr(local, "task_context", None), getattr(local, "main_event_loop", None)
    if tasks is None or loop is None:
        return None
    for task in list(asyncio.all_tasks(loop))[:MOST_TASKS]:
        frames: list[FrameType] = []
        coroutine: Any = task.get_coro()
        while getattr(coroutine, "cr_frame", None) is not None and len(frames) < MOST_FRAMES:
            frames.append(coroutine.cr_frame)
            coroutine = coroutine.cr_await
        innermost = frames[-1] if frames else None
        if innermost is None or not innermost.f_code.co_filename.endswith(SYNC_FILE):
            continue
        if innermost.f_locals.get("task_context") is tasks:
            return next((each for each in reversed(frames) if is_users(each.f_code.co_filename)), None)
    return None

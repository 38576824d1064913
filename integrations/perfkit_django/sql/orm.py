"""What Django's ORM was loading when it sent a statement, and who awaits it."""

from __future__ import annotations

import asyncio
import os
from types import FrameType
from typing import Any

from asgiref.sync import SyncToAsync
from django.apps import apps

from perfkit.core.code.places import is_users

__all__ = ["awaiting", "model_of", "recognise"]

QUERY_FILE = os.path.join("db", "models", "query.py")
SYNC_FILE = os.path.join("asgiref", "sync.py")

MOST_TASKS = 200
MOST_FRAMES = 60


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


def model_of(table: str) -> str:
    """Return ``app.Model`` of *table*, or nothing: migrations name models, not tables."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:
            return str(model._meta.label)
    return ""


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

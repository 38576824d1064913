"""What a setting is, read from its annotation: the one place that looks into the types of the structs.

Everything else (validation, environment variables, the reference page) is made from these `Field`s, so that a
component that joins writes its struct and nothing more.
"""

from __future__ import annotations

import collections.abc
import functools
import operator
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from perfkit.core.settings import Settings

__all__ = [
    "Field",
    "Path",
    "choices",
    "fields_of",
    "is_callable",
    "leaves",
    "metas",
    "options",
    "render",
    "without_callables",
]

Path: TypeAlias = tuple[str, ...]
"""Where a setting stands, as keys from the outside in; `render` makes ``store.retention`` of it."""


class Field(Struct, frozen=True, kw_only=True):
    """One setting, or one section of them.

    Attributes:
        type: The annotation as written.
        section: The struct of a section, or None for a setting.
        description: One line of meaning with its unit; empty for sections.
        expected: The end of the sentence "It must be …", where the types alone would say it badly.
        is_secret: True for what must never be printed.
    """

    name: str
    type: Any
    default: object
    section: type[Settings] | None = None
    description: str = ""
    expected: str = ""
    is_secret: bool = False


@functools.cache
def fields_of(section: type[Settings]) -> tuple[Field, ...]:
    """Return the fields of *section* in the order in which they are written."""
    return tuple(_field(info) for info in msgspec.structs.fields(section))


def leaves(section: type[Settings], path: Path = ()) -> Iterator[tuple[Path, Field]]:
    """Yield path and field of each setting in *section* and below it."""
    for field in fields_of(section):
        here = (*path, field.name)
        if field.section is None:
            yield here, field
        else:
            yield from leaves(field.section, here)


def options(annotation: Any) -> list[Any]:
    """Return the alternatives of *annotation*, without Annotated and unions; a Literal stays one alternative."""
    if get_origin(annotation) is Annotated:
        return options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [option for part in get_args(annotation) for option in options(part)]
    return [annotation]


def metas(annotation: Any) -> list[Meta]:
    """Return every Meta in *annotation* and its alternatives, the outermost last."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return [*metas(inner), *(extra for extra in extras if isinstance(extra, Meta))]
    if get_origin(annotation) in (Union, types.UnionType):
        return [meta for part in get_args(annotation) for meta in metas(part)]
    return []


def without_callables(annotation: Any) -> Any:
    """Return *annotation* without its callables, which msgspec cannot convert; None if nothing else is in it."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        rest = without_callables(inner)
        return None if rest is None else Annotated[(rest, *extras)]
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [without_callables(part) for part in get_args(annotation)]
        return functools.reduce(operator.or_, (part for part in parts if part is not None))
    return None if is_callable(annotation) else annotation


def is_callable(option: Any) -> bool:
    """Return True if the alternative *option* stands for functions."""
    return get_origin(option) is collections.abc.Callable


def choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values of the Literal among the alternatives of *annotation*, if there is one."""
    return tuple(
        choice for option in options(annotation) if get_origin(option) is Literal for choice in get_args(option)
    )


def render(path: Path) -> str:
    """Write *path* as people do: ``store.retention``, ``performance.targets["GET /"]``."""
    text = ""
    for key in path:
        if not key.isidentifier():
            text += f'["{key}"]'
        else:
            text += f".{key}" if text else key
    return text


def _field(info: msgspec.structs.FieldInfo) -> Field:
    found = metas(info.type)
    extra: dict[str, Any] = {}
    for meta in found:
        extra.update(meta.extra or {})
    kind = options(info.type)[0]
    is_section = isinstance(kind, type) and issubclass(kind, Settings)
    default = info.default if info.default_factory is msgspec.NODEFAULT else info.default_factory()
    return Field(
        name=info.name,
        type=info.type,
        default=default,
        section=kind if is_section else None,
        description=next((meta.description for meta in reversed(found) if meta.description), ""),
        expected=extra.get("expected", ""),
        is_secret=bool(extra.get("secret", False)),
    )

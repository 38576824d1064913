"""From nested values to structs, field by field, so that every error is found and not only the first.

msgspec converts a whole struct but stops at its first error, names no remedy and takes no functions. So it is asked
for one value at a time here. A field that fails keeps its default, so that the rest can still be checked.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar, get_args, get_origin, runtime_checkable

import msgspec

from perfkit.config.fields import (
    Field,
    Path,
    fields_of,
    is_callable,
    leaves,
    options,
    render,
    without_callables,
)
from perfkit.config.layers import VARIABLE, plain
from perfkit.config.validation import Issue
from perfkit.config.wording import closest, expectation, remedy, shown
from perfkit.core.settings import Settings

__all__ = ["Conversion", "HasConflicts"]

AnySettings = TypeVar("AnySettings", bound=Settings)


@runtime_checkable
class HasConflicts(Protocol):
    """Settings with rules about several of their fields at once."""

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield each broken rule: the fields it is about, the one to blame first, and three sentences.

        The sentences are a format string: ``{0}`` is the path of the first field, ``{1}`` of the second.
        """
        ...


class Conversion:
    """One run over merged values.

    Attributes:
        issues: What was found, in the order of the fields.
    """

    def __init__(self, root: type[Settings], sources: Mapping[Path, str]) -> None:
        """Convert to *root*; *sources* names the environment variables in the messages."""
        self.issues: list[Issue] = []
        self._root = root
        self._sources = sources
        self._failed: set[Path] = set()

    def section(self, kind: type[AnySettings], given: object, path: Path = ()) -> AnySettings:
        """Return *given* as *kind*, with defaults where it is wrong; the errors are in `issues`."""
        values = plain(given)
        if not isinstance(values, Mapping):
            self._wrong_section(given, path)
            return kind()
        known = fields_of(kind)
        hides = any(field.is_secret for field in known)
        names = {field.name for field in known}
        for key in values:
            if key not in names:
                self._unknown(key, kind, path)
        converted: dict[str, Any] = {}
        for field in known:
            if field.name not in values:
                continue
            value, here = values[field.name], (*path, field.name)
            if field.section is not None:
                converted[field.name] = self.section(field.section, value, here)
            elif self._fits(field, value, here, hides):
                converted[field.name] = self._convert(field, value)
        built = kind(**converted)
        self._check_conflicts(built, path)
        return built

    def _fits(self, field: Field, value: object, path: Path, hides: bool) -> bool:
        entry_types = _entry_types(field)
        if entry_types is not None and isinstance(value, Mapping):
            fitting = [self._fits_entry(field, entry_types, key, item, path, hides) for key, item in value.items()]
            return all(fitting)
        if _is_valid(field.type, value):
            return True
        self._wrong(field, value, path, hides)
        return False

    def _fits_entry(
        self, field: Field, types: tuple[Any, Any], key: object, value: object, path: Path, hides: bool
    ) -> bool:
        key_type, value_type = types
        if not _is_valid(key_type, key):
            self._fail(
                path,
                f"{render(path)} has the key {shown(key, secret=hides)}. It must be {expectation(field)}. "
                "Correct the key, or remove it.",
            )
            return False
        if _is_valid(value_type, value):
            return True
        entry = Field(name=str(key), type=value_type, default=None, description=field.description)
        self._wrong(entry, value, (*path, str(key)), hides)
        return False

    def _convert(self, field: Field, value: object) -> object:
        return value if callable(value) else msgspec.convert(_as_text(value), without_callables(field.type))

    def _wrong(self, field: Field, value: object, path: Path, hides: bool) -> None:
        source = self._sources.get(path, "")
        name = source.removeprefix(VARIABLE)
        variable = f" in the environment variable {name}" if name != source else ""
        is_said = f"{render(path)} is {shown(value, secret=hides)}{variable}."
        self._fail(path, f"{is_said} It must be {expectation(field)}. {remedy(field, None if hides else value)}")

    def _wrong_section(self, given: object, path: Path) -> None:
        name = render(path) or "The settings"
        said = f"{name} {'is' if path else 'are'} of type {type(given).__name__}."
        self._fail(path, f"{said} There must be a dict of settings. Write the settings by name, or leave it out.")

    def _unknown(self, key: object, kind: type[Settings], path: Path) -> None:
        here = (*path, str(key)[:60])
        names = [field.name for field in fields_of(kind)]
        where = f"The settings of {render(path)}" if path else "The settings"
        said = f"{render(here)} is not a setting. {where} are {', '.join(names)}."
        meant = self._meant(str(key), names, path)
        self._fail(here, f"{said} {f'Write {meant} instead.' if meant else 'Remove it, or use one of these.'}")

    def _meant(self, key: str, names: list[str], path: Path) -> str | None:
        parts = tuple(key.split("."))
        if len(parts) > 1 and any(leaf == (*path, *parts) for leaf, _ in leaves(self._root)):
            return _nested(parts)
        elsewhere = [render(leaf) for leaf, _ in leaves(self._root) if leaf[-1] == key]
        if len(elsewhere) == 1:
            return elsewhere[0]
        near = closest(key, names)
        return render((*path, near)) if near else None

    def _check_conflicts(self, built: Settings, path: Path) -> None:
        if not isinstance(built, HasConflicts):
            return
        for names, sentences in built.conflicts():
            involved = [(*path, name) for name in names]
            if not self._failed.intersection(involved):
                self._fail(involved[0], sentences.format(*map(render, involved)))

    def _fail(self, path: Path, message: str) -> None:
        self._failed.add(path)
        self.issues.append(Issue(render(path), message))


def _nested(path: Path) -> str:
    """Write a setting at *path* as the dict that it is given in: ``{"store": {"retention": …}}``."""
    return "".join(f'{{"{key}": ' for key in path) + "…" + "}" * len(path)


def _entry_types(field: Field) -> tuple[Any, Any] | None:
    """Return the types of key and value if *field* is a dict."""
    for option in options(field.type):
        if get_origin(option) is dict:
            key_type, value_type = get_args(option)
            return key_type, value_type
    return None


def _is_valid(annotation: Any, value: object) -> bool:
    if callable(value):
        return any(is_callable(option) for option in options(annotation))
    if isinstance(value, float) and not math.isfinite(value):
        return False
    rest = without_callables(annotation)
    if rest is None:
        return False
    try:
        msgspec.convert(_as_text(value), rest)
    except msgspec.ValidationError:
        return False
    return True


def _as_text(value: object) -> object:
    """Return a path as text, so that ``BASE_DIR / "perfkit"`` is a directory; anything else as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value

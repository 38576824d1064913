"""What the calls of a cache take. A wrong argument is told at once: what it is, what may be, what to do.

Everywhere `CacheError`, which is a ValueError too; nothing has happened then.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from perfkit.core.errors import CacheError

__all__ = [
    "FOR_EVER",
    "check_increment",
    "checked_key",
    "factor",
    "function",
    "keys_of",
    "mapping",
    "pattern_text",
    "seconds",
    "shown",
    "tag_names",
    "text",
    "unhashable",
]

FOR_EVER = "Give None for a value that never expires."
LONGEST = 120
"""Characters of a wrong argument that are shown."""

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = LONGEST


def shown(value: Any) -> str:
    """Return *value* as a message shows it: not endlessly, however large it is and whatever its `__repr__` does."""
    try:
        found = _brief.repr(value)
    except Exception:  # noqa: BLE001 - a class of the user's own; its trouble is not what this is about
        found = f"<{type(value).__name__}>"
    return found if len(found) <= LONGEST else f"{found[:LONGEST]}…"


def unhashable(key: Any, error: TypeError) -> Exception:
    """Return what to raise for *error*, which a look-up of *key* raised."""
    try:
        hash(key)
    except TypeError:
        return CacheError(
            f"The key {shown(key)} cannot be used: {error}. A key must be hashable, such as a text, a number or a "
            "tuple of those. Make one of them of it."
        )
    # Its own comparison raised; that is not ours to explain.
    return error


def checked_key(key: Any) -> Any:
    """Return *key*.

    Raises:
        CacheError: It is not hashable.
    """
    try:
        hash(key)
    except TypeError as error:
        raise unhashable(key, error) from error
    return key


def keys_of(keys: Any) -> list[Any]:
    """Return *keys* as a list.

    Raises:
        CacheError: They are one text, which would be taken letter by letter, no iterable, or one is not hashable.
    """
    try:
        found = None if isinstance(keys, (str, bytes)) else list(keys)
    except TypeError:
        found = None
    if found is None:
        raise CacheError(f"keys is {shown(keys)}. It must be a list or another iterable of keys. Write [key] for one.")
    return [checked_key(key) for key in found]


def mapping(name: str, values: Any) -> Mapping[Any, Any]:
    """Return *values* of the argument *name*.

    Raises:
        CacheError: They are no mapping.
    """
    if not isinstance(values, Mapping):
        raise CacheError(f"{name} is {shown(values)}. It must be a dict or another mapping. Write {{key: value}}.")
    return values


def seconds(name: str, value: Any, advice: str = "Give a number, such as 60.") -> float:
    """Return *value* of the argument *name* as a number of seconds.

    Raises:
        CacheError: It is not 0 or more; infinite it may be.
    """
    found = _number(value)
    if not found >= 0.0:
        if callable(value):
            advice = "Write the decorator with parentheses, as in @memoized(ttl=60)."
        raise CacheError(f"{name} is {shown(value)}. It must be 0 or more seconds. {advice}")
    return found


def factor(name: str, value: Any) -> float:
    """Return *value* of the argument *name*.

    Raises:
        CacheError: It is no number of 0 or more.
    """
    found = _number(value)
    if not found >= 0.0:
        raise CacheError(f"{name} is {shown(value)}. It must be a number of 0 or more. Give 1 as a rule, 0 for never.")
    return found


def check_increment(key: Any, amount: Any, initial: Any) -> None:
    """Look at what is to be counted.

    Raises:
        CacheError: *key* is not hashable, *amount* no int and no float, or *initial* neither such a one nor None.
    """
    checked_key(key)
    for name, value in (("amount", amount), ("initial", 0 if initial is None else initial)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise CacheError(f"{name} is {shown(value)}. It must be a number. Give one, such as 1.")


def _number(value: Any) -> float:
    """Return *value* as a float, not a number if it is none."""
    if value.__class__ is float:
        return float(value)
    if isinstance(value, (bool, str, bytes, bytearray)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def tag_names(tags: Any) -> tuple[str, ...]:
    """Return *tags* as a tuple.

    Raises:
        CacheError: One is no text, or all are one text, which would be taken letter by letter.
    """
    try:
        names = None if isinstance(tags, str) else tuple(tags)
    except TypeError:
        names = None
    for name in (None,) if names is None else names:
        if not isinstance(name, str):
            raise CacheError(
                f"tags is {shown(tags)}. It must be a list or tuple of texts. Write tags=['user'] for one tag."
            )
    return names or ()


def pattern_text(pattern: Any) -> str:
    """Return *pattern*.

    Raises:
        CacheError: It is no text.
    """
    if not isinstance(pattern, str):
        raise CacheError(f"pattern is {shown(pattern)}. It must be a text with *, ? or […]. Write 'user:*', say.")
    return pattern


def text(name: str, value: Any) -> str:
    """Return *value* of the argument *name*.

    Raises:
        CacheError: It is no text, or empty.
    """
    if not isinstance(value, str) or not value:
        raise CacheError(f"{name} is {shown(value)}. It must be a text with a character at least. Give it a name.")
    return value


def function(name: str, value: Any, example: str) -> Callable[..., Any]:
    """Return *value* of the argument *name*.

    Raises:
        CacheError: It cannot be called.
    """
    if not callable(value):
        raise CacheError(f"{name} is {shown(value)}. It must be a function. Write {example}, say.")
    found: Callable[..., Any] = value
    return found

"""The sentences about a setting: what it is, what it must be and what to do. Made from its annotation."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from perfkit.config.fields import Field, choices, is_callable, metas, options

__all__ = ["closest", "duration", "expectation", "is_seconds", "number", "readable", "remedy", "shown"]

LONGEST = 60
"""Characters of a wrong value that a message shows."""


def shown(value: object, *, secret: bool = False) -> str:
    """Say what *value* is, after the word "is". Shows no secrets and nothing of values that may hold some."""
    if isinstance(value, str) and secret:
        return f"text of {len(value)} characters"
    if value is None or isinstance(value, bool | str | int | float):
        if isinstance(value, int) and value.bit_length() > 256:
            return "a number of more than 77 digits"
        text = repr(value)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return f"of type {type(value).__name__}"


def expectation(field: Field) -> str:
    """Say what the value of *field* must be, after the words "It must be"."""
    if field.expected:
        return field.expected
    words = [_option(option, field) for option in options(field.type)]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def remedy(field: Field, value: object) -> str:
    """Say what to do about *value*: the sentence that starts with "Set it to" or "Remove"."""
    default = _default(field)
    rest = f", or leave it out for {default}." if default else ", or leave it out."
    allowed = [str(choice) for choice in choices(field.type)]
    if isinstance(value, str) and allowed:
        near = closest(value, allowed)
        return f'Set it to "{near}"{rest}' if near else f"Set it to one of them{rest}"
    return f"Set it to {_noun(field)}{rest}"


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """Return which of *allowed* was probably meant by *word*, or None. Knows camelCase and beginnings ("prod")."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", word).replace("-", "_").lower()
    words = list(allowed)
    begun = [name for name in words if snake and name.startswith(snake)]
    near = begun if len(begun) == 1 else difflib.get_close_matches(snake, words, n=1, cutoff=0.6)
    return near[0] if near else None


def number(value: float) -> str:
    """Write *value* without a needless fraction or exponent."""
    return str(int(value)) if value == int(value) else repr(value)


def is_seconds(field: Field) -> bool:
    """Return True if the description of *field* says that it counts seconds."""
    return re.search(r"\bseconds\b", field.description, re.IGNORECASE) is not None


def readable(field: Field, value: object) -> str:
    """Say *value* of *field* in a larger unit, such as ``30 days`` or ``64 MiB``; empty where there is none for it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if is_seconds(field):
        return duration(value) if value >= 60 and value % 60 == 0 else ""
    if re.match(r"(the most )?bytes\b", field.description, re.IGNORECASE) is None:
        return ""
    power = max((power for power in _SIZES if abs(value) >= 1024**power), default=0)
    return f"{value / 1024**power:.4g} {_SIZES[power]}" if power else ""


_SIZES = {1: "KiB", 2: "MiB", 3: "GiB", 4: "TiB"}


def _option(option: Any, field: Field) -> str:
    if get_origin(option) is Literal:
        quoted = (f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in get_args(option))
        return f"one of {', '.join(quoted)}"
    if is_callable(option):
        return "a function"
    if option is int or option is float:
        return f"{_number_noun(option, field)}{_range(field)}"
    if option is str:
        return f"text{_length(field)}"
    return _KINDS.get(get_origin(option) or option, "a value of another type")


_KINDS: dict[Any, str] = {
    bool: "True or False",
    type(None): "None",
    dict: "a dict",
    list: "a list",
    tuple: "a list",
    set: "a list",
    frozenset: "a list",
}


def _number_noun(option: Any, field: Field) -> str:
    kind = "a whole number" if option is int else "a number"
    return f"{kind} of seconds" if is_seconds(field) else kind


def _noun(field: Field) -> str:
    kinds = options(field.type)
    if choices(field.type):
        return "one of them"
    for kind in kinds:
        if kind is int or kind is float:
            return _number_noun(kind, field)
    if str in kinds:
        return "such a text"
    return "True or False" if bool in kinds else "such a value"


def _range(field: Field) -> str:
    limits = {
        name: value
        for meta in metas(field.type)
        for name in ("ge", "gt", "le", "lt")
        if (value := getattr(meta, name)) is not None
    }
    if limits.keys() == {"ge", "le"}:
        return f" from {number(limits['ge'])} to {number(limits['le'])}"
    words = [f"{_LIMITS[name]} {number(value)}" for name, value in limits.items()]
    return f", {' and '.join(words)}" if words else ""


_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def _length(field: Field) -> str:
    low = max((meta.min_length or 0 for meta in metas(field.type)), default=0)
    high = max((meta.max_length or 0 for meta in metas(field.type)), default=0)
    if low and high:
        return f" of {low} to {high} characters"
    if high:
        return f" of at most {high} characters"
    return f" of at least {low} characters" if low else ""


def _default(field: Field) -> str:
    default = field.default
    if isinstance(default, str):
        return f'"{default}"' if default else ""
    if isinstance(default, bool):
        return str(default)
    if isinstance(default, int | float):
        return duration(default) if is_seconds(field) else number(default)
    return ""


def duration(seconds: float) -> str:
    """Write *seconds* in the largest unit that leaves no fraction."""
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{number(seconds)} second{'' if seconds == 1 else 's'}"

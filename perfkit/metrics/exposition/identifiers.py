"""Names and values in the text formats: what is escaped, and how.

Sources: Prometheus, "Exposition formats" and "UTF-8 metric and label name escaping schemes"; OpenMetrics 1.0.0,
"Escaping". Our own names need none of the schemes (they are checked when a metric is defined); foreign ones may.
Deviation: a character that is no UTF-8 (a lone surrogate) becomes ``?``: one bad value must not lose a scrape.
"""

from __future__ import annotations

import re

from perfkit.metrics.exposition.formats import Escaping

__all__ = ["escaped_name", "escaped_value", "is_legacy_label", "is_legacy_metric", "utf8"]

is_legacy_metric = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*").fullmatch
is_legacy_label = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*").fullmatch

_QUOTED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def utf8(text: str) -> str:
    """Return *text* with everything that cannot be encoded as UTF-8 replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def escaped_value(value: str) -> str:
    """Return the label value *value* as it stands between quotes."""
    return utf8(value).translate(_QUOTED)


def escaped_name(name: str, scheme: Escaping, *, is_label: bool = False) -> str:
    """Return *name* by *scheme*; with ``allow-utf-8`` it stays as it is, to be quoted by who prints it."""
    name = utf8(name)
    if scheme is Escaping.ALLOW_UTF8:
        return name
    is_legacy = is_legacy_label if is_label else is_legacy_metric
    if scheme is Escaping.DOTS:
        return "".join(_dotted(character, i, is_label) for i, character in enumerate(name))
    if is_legacy(name):
        return name
    if scheme is Escaping.UNDERSCORES:
        return "".join(c if _is_legal(c, i, is_label) else "_" for i, c in enumerate(name))
    return "U__" + "".join(_valued(character, i, is_label) for i, character in enumerate(name))


def _is_legal(character: str, position: int, is_label: bool) -> bool:
    if character == ":":
        return not is_label
    return character.isascii() and (character.isalpha() or character == "_" or (position > 0 and character.isdigit()))


def _dotted(character: str, position: int, is_label: bool) -> str:
    if character == "_":
        return "__"
    if character == ".":
        return "_dot_"
    return character if _is_legal(character, position, is_label) else "_"


def _valued(character: str, position: int, is_label: bool) -> str:
    if character == "_":
        return "__"
    return character if _is_legal(character, position, is_label) else f"_{ord(character):X}_"

"""What a page may be asked for: every parameter of a query has bounds, and what is outside of them counts as unsaid.

A page that is asked with nonsense shows its defaults. So no query costs more than a good one, and the views that are
kept for a second are as few as the bounds allow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import parse_qs, urlencode

import msgspec

__all__ = ["Choice", "Decimal", "Given", "Number", "Parameter", "Text", "read"]

LONGEST_QUERY = 4096
"""Characters of a query that are looked at."""

MOST_FIELDS = 20
"""Fields of a query; one with more of them says nothing."""

_is_decimal = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?").fullmatch


class Choice(msgspec.Struct, frozen=True):
    """One of a few words; the first is meant where none is said."""

    words: tuple[str, ...]

    @property
    def default(self) -> str:
        """What is meant where nothing is said."""
        return self.words[0]

    def read(self, text: str) -> str:
        """Return *text* if it is one of the words, else the default."""
        return text if text in self.words else self.default


class Number(msgspec.Struct, frozen=True):
    """A whole number from *least* to *most*; one outside is the nearer end."""

    least: int
    most: int
    default: int

    def read(self, text: str) -> int:
        """Return the number that *text* says, within the bounds; the default where it says none."""
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            return self.default
        return min(self.most, max(self.least, int(text)))


class Decimal(msgspec.Struct, frozen=True):
    """A number from *least* to *most*, to the thousandth; one outside is the nearer end."""

    least: float
    most: float
    default: float

    def read(self, text: str) -> float:
        """Return the number that *text* says, within the bounds; the default where it says none."""
        if not _is_decimal(text):
            return self.default
        return round(min(self.most, max(self.least, float(text))), 3)


class Text(msgspec.Struct, frozen=True):
    """Some text of at most *longest* characters; what is longer is cut."""

    longest: int
    default: str = ""

    def read(self, text: str) -> str:
        """Return *text* without what does not fit; halves of surrogate pairs, which are no text, become ``?``."""
        return text[: self.longest].encode("utf-8", "replace").decode()


Parameter: TypeAlias = "Choice | Decimal | Number | Text"
Value: TypeAlias = "str | int | float"


class Given:
    """The parameters of one view of a page, each within its bounds.

    Attributes:
        page: The name of the page in its URL; empty for the overview.
        key: Name and value of all that is not the default: what tells one view of the page from another.
    """

    __slots__ = ("_parameters", "_values", "key", "page")

    def __init__(self, page: str, parameters: Mapping[str, Parameter], values: Mapping[str, Value]) -> None:
        """Keep *values*, read by *parameters*."""
        self.page, self._parameters, self._values = page, parameters, values
        self.key = tuple((name, value) for name, value in values.items() if value != parameters[name].default)

    def with_values(self, values: Mapping[str, Value]) -> Given:
        """Return the same page with *values*, which were read by the same parameters."""
        return Given(self.page, self._parameters, values)

    def text(self, name: str) -> str:
        """Return the text or choice *name*."""
        return str(self._values[name])

    def number(self, name: str) -> int:
        """Return the number *name*."""
        return int(self._values[name])

    def decimal(self, name: str) -> float:
        """Return the number *name* with its fraction."""
        return float(self._values[name])

    def has(self, name: str) -> bool:
        """Return whether the page has the parameter *name*."""
        return name in self._parameters

    def link(self, **changes: Value | None) -> str:
        """Return the relative URL of this view, with *changes*; what is the default, or None, is left out."""
        told = {**self._values, **changes}
        said = {
            name: f"{value:.12g}" if isinstance(value, float) else value
            for name, value in told.items()
            if value is not None and (name not in self._parameters or value != self._parameters[name].default)
        }
        query = urlencode(said, errors="replace")
        return f"./{self.page}{'?' if query else ''}{query}"


def read(page: str, parameters: Mapping[str, Parameter], query: str = "") -> Given:
    """Return what *query* says about the *parameters* of *page*."""
    try:
        fields = parse_qs(query[:LONGEST_QUERY], max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        fields = {}
    values = {
        name: parameter.read(fields[name][-1]) if name in fields else parameter.default
        for name, parameter in parameters.items()
    }
    return Given(page, parameters, values)

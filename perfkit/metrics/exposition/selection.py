"""Which families a reader asked for by name (``?name[]=``)."""

from __future__ import annotations

from collections.abc import Iterable

from perfkit.core.families import Definition
from perfkit.metrics.exposition.series import base_name, series_names

__all__ = ["Selection"]

_SUFFIXES = ("", "_total", "_info", "_bucket", "_count", "_sum", "_created")


class Selection:
    """The families that have a series of one of the given names.

    A name may be the family's, with or without ``_total``, or that of any of its series, as a scraper sees them.

    Attributes:
        candidates: Names of definitions that may be meant; more than are.
    """

    __slots__ = ("_names", "candidates")

    def __init__(self, names: Iterable[str]) -> None:
        """Select by *names*."""
        self._names = frozenset(names)
        stems = {name.removesuffix(suffix) for name in self._names for suffix in _SUFFIXES}
        self.candidates = frozenset(stem + suffix for stem in stems for suffix in ("", "_total", "_info"))

    def __contains__(self, definition: Definition) -> bool:
        return definition.name in self.candidates and not self._names.isdisjoint(
            series_names(base_name(definition), definition.type)
        )

"""The whole page: every family that can be shown, in one format, and nothing that breaks the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, Family, Point
from perfkit.metrics.exposition import openmetrics, structured, table
from perfkit.metrics.exposition.formats import Escaping, Format
from perfkit.metrics.exposition.lines import family_lines, known_line
from perfkit.metrics.exposition.preparation import Preparation
from perfkit.metrics.exposition.series import base_name, check_labels, series_names

__all__ = ["Exposition", "OnError", "render"]

T = TypeVar("T")

OnError = Callable[[str, Exception], object]
"""Told the name of a family that was left out, or lost a point, and why."""


class Exposition:
    """Renders families and keeps the fixed part of their text for the next time. Threads may share it.

    Attributes:
        limit: Families and series of which the text is kept, about 200 bytes each. Beyond it rendering goes on, slower.
    """

    def __init__(self, *, limit: int = 20_000) -> None:
        """Keep the text of at most *limit* families and series."""
        self.limit = limit
        self._prepared: dict[Escaping, dict[str, Preparation]] = {}
        self._kept = 0

    def render(
        self,
        families: Iterable[Family],
        format: Format | str = Format.PROMETHEUS,
        *,
        escaping: Escaping | str = Escaping.UNDERSCORES,
        at: float = 0.0,
        created_at: float | None = None,
        on_error: OnError | None = None,
    ) -> bytes:
        """Return *families* as a page. A family that cannot be shown is left out and reported.

        Args:
            families: What to show.
            format: One of the four.
            escaping: What becomes of foreign names in the two text formats.
            at: Unix seconds of the reading, for CSV.
            created_at: Unix seconds at which all counts were 0, to show ``_created`` in OpenMetrics.
            on_error: Called with the name of a family and the error.

        Raises:
            ValueError: *format* or *escaping* is unknown.
        """
        wanted, escaping = Format(format), Escaping(escaping)
        report = on_error or _ignore
        if wanted is Format.JSON:
            return structured.document(list(_pieces(families, _plain(structured.family_json, report), report)))
        if wanted is Format.CSV:
            rows = _pieces(families, _plain(partial(table.family_rows, at=at), report), report)
            return (table.HEADER + "".join(rows)).encode("utf-8", "replace")
        if self._kept >= self.limit:
            self._prepared, self._kept = {}, 0
        prepared_by_name = self._prepared.setdefault(escaping, {})
        is_openmetrics = wanted is Format.OPENMETRICS

        def show(family: Family) -> tuple[frozenset[str], str]:
            prepared = self._preparation(prepared_by_name, family.definition, escaping)
            header = prepared.openmetrics_header if is_openmetrics else prepared.prometheus_header
            line = known_line(prepared, family.points) if created_at is None else ""
            if line:
                return prepared.names, f"{header}\n{line}"
            points, heads = self._points(prepared, family.points, report)
            lines = family_lines(prepared, points, heads, openmetrics=is_openmetrics, created_at=created_at)
            return prepared.names, "\n".join([header, *lines])

        pieces = list(_pieces(families, show, report))
        if is_openmetrics:
            pieces.append(openmetrics.END)
        pieces.append("")
        return "\n".join(pieces).encode("utf-8", "replace")

    def _preparation(self, kept: dict[str, Preparation], definition: Definition, escaping: Escaping) -> Preparation:
        known = kept.get(definition.name)
        if known is not None and (known.definition is definition or known.definition == definition):
            return known
        prepared = Preparation(definition, escaping)
        if self._kept < self.limit:
            kept[definition.name] = prepared
            self._kept += 1 - (0 if known is None else 1 + len(known.heads))
        return prepared

    def _points(
        self, prepared: Preparation, points: Sequence[Point], report: OnError
    ) -> tuple[Sequence[Point], list[str]]:
        """Return points that are different series, and their heads."""
        before = len(prepared.heads)
        heads = prepared.heads_of(points, keep=self._kept < self.limit)
        self._kept += len(prepared.heads) - before
        if len(set(heads)) == len(heads):
            return points, heads
        first: dict[str, Point] = {}
        for head, point in zip(heads, points, strict=True):
            first.setdefault(head, point)
        report(prepared.definition.name, _doubled(prepared.definition))
        return list(first.values()), list(first)


def render(
    families: Iterable[Family],
    format: Format | str = Format.PROMETHEUS,
    *,
    escaping: Escaping | str = Escaping.UNDERSCORES,
    at: float = 0.0,
    created_at: float | None = None,
    on_error: OnError | None = None,
) -> bytes:
    """Return *families* as a page, once: `Exposition.render` without keeping anything."""
    return Exposition(limit=0).render(
        families, format, escaping=escaping, at=at, created_at=created_at, on_error=on_error
    )


def _ignore(name: str, error: Exception) -> None:
    """Report to nobody: the caller gave no `on_error`."""


def _name(family: Family) -> str:
    return str(getattr(getattr(family, "definition", None), "name", "unnamed"))


def _pieces(
    families: Iterable[Family], show: Callable[[Family], tuple[frozenset[str], T]], report: OnError
) -> Iterator[T]:
    """Yield what *show* makes of each family, without those that it fails for or whose names are taken."""
    taken: set[str] = set()
    for family in families:
        try:
            names, piece = show(family)
            if not taken.isdisjoint(names):
                raise MetricError(
                    f"{family.definition.name!r} and another family both take the names {sorted(taken & names)}. "
                    "Names must differ. Rename one of the two."
                )
        except Exception as error:  # noqa: BLE001 - the boundary: the other families are served
            report(_name(family), error)
        else:
            taken |= names
            yield piece


def _plain(
    show: Callable[[Definition, Sequence[Point]], T], report: OnError
) -> Callable[[Family], tuple[frozenset[str], T]]:
    """Give *show* the points that the text formats show, and add the names they take."""

    def shown(family: Family) -> tuple[frozenset[str], T]:
        definition, points = family.definition, family.points
        check_labels(definition)
        first: dict[tuple[str, ...], Point] = {}
        for point in points:
            first.setdefault(point.labels, point)
        if len(first) < len(points):
            report(definition.name, _doubled(definition))
            points = list(first.values())
        return series_names(base_name(definition), definition.type), show(definition, points)

    return shown


def _doubled(definition: Definition) -> MetricError:
    return MetricError(
        f"{definition.name!r} gives two points for the same labels. A series has one value. Give one point for each."
    )

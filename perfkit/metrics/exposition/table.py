"""CSV for spreadsheets: one row a series, with the labels as JSON; the same series as the text formats.

Sources: RFC 4180; OWASP, "CSV Injection": what a spreadsheet would take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import msgspec

from perfkit.core.families import Definition, Point
from perfkit.metrics.exposition.identifiers import utf8
from perfkit.metrics.exposition.numbers import number
from perfkit.metrics.exposition.series import samples

__all__ = ["HEADER", "family_rows"]

HEADER = "name,type,labels,value,timestamp\r\n"

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def family_rows(definition: Definition, points: Sequence[Point], at: float) -> str:
    """Return the rows of one family, read *at* Unix seconds."""
    rows = io.StringIO()
    writer = csv.writer(rows)
    stamp = f"{at:.3f}"
    for point in points:
        for name, labels, value in samples(definition, point):
            texts = {utf8(label): utf8(text) for label, text in labels.items()}
            cells = (name, definition.type, msgspec.json.encode(texts).decode())
            writer.writerow([*map(_guarded, cells), number(value), stamp])
    return rows.getvalue()


def _guarded(text: str) -> str:
    """Return *text* so that no spreadsheet runs it. Numbers need no guard: they are ours."""
    return f"'{text}" if text.startswith(_FORMULA) else text

"""JSON: a list of families, each with its samples; the same series as the text formats.

JSON knows no NaN and no infinity, so these three values are the texts ``"NaN"``, ``"+Inf"`` and ``"-Inf"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Literal

import msgspec

from perfkit.core.families import Definition, MetricType, Point
from perfkit.metrics.exposition.identifiers import utf8
from perfkit.metrics.exposition.numbers import number
from perfkit.metrics.exposition.series import samples

__all__ = ["FamilyDocument", "SampleDocument", "document", "family_json"]


class SampleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One sample; *value* is a text where JSON has no number for it."""

    name: str
    labels: dict[str, str]
    value: float | Literal["NaN", "+Inf", "-Inf"]


class FamilyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One metric with its samples; a histogram's are its buckets, sum and count."""

    name: str
    type: MetricType
    help: str
    unit: str
    samples: list[SampleDocument]


def family_json(definition: Definition, points: Sequence[Point]) -> bytes:
    """Return one family as JSON."""
    return msgspec.json.encode(
        FamilyDocument(
            name=utf8(definition.name),
            type=definition.type,
            help=utf8(definition.description),
            unit=utf8(definition.unit),
            samples=[
                _sample(name, labels, value) for point in points for name, labels, value in samples(definition, point)
            ],
        )
    )


def _sample(name: str, labels: dict[str, str], value: float) -> SampleDocument:
    return SampleDocument(
        name=utf8(name),
        labels={utf8(label): utf8(text) for label, text in labels.items()},
        value=value if isfinite(value) else number(value),  # type: ignore[arg-type]  # one of the three texts
    )


def document(families: Sequence[bytes]) -> bytes:
    """Return the list of *families*, one a line."""
    return b"[" + b",\n".join(families) + b"]\n"

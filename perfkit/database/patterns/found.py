"""Findings of this component: one call makes one, the same problem always with the same fingerprint."""

from __future__ import annotations

from typing import Any

from perfkit.core.findings import Effect, Finding, Priority
from perfkit.database.kinds import CODES, PRIORITIES
from perfkit.database.shapes.shape import QueryShape

__all__ = ["found"]

SHOWN = 500
"""Characters of a shape in the evidence."""


def found(
    kind: str,
    message: str,
    action: str,
    *,
    site: str | None = None,
    object: str | None = None,
    shape: QueryShape | None = None,
    evidence: dict[str, Any] | None = None,
    fix: dict[str, str] | None = None,
    confidence: str = "sure",
    estimate: dict[str, float] | None = None,
    priority: Priority | None = None,
    effect: Effect | None = None,
) -> Finding:
    """Return a finding of *kind* about *shape*; the fingerprint is made of the kind, the shape and the file."""
    told = dict(evidence or {})
    if shape is not None:
        told = {"query": shape.text[:SHOWN], "shape": shape.id, **told}
    about = shape.id if shape is not None else object or ""
    path = (site or "").rpartition(":")[0]
    return Finding(
        code=CODES[kind],
        kind=kind,
        component="database",
        priority=priority or PRIORITIES.get(kind, Priority.LOW),
        message=message,
        action=action,
        site=site or None,
        object=object,
        evidence=told,
        fix=fix or {},
        confidence=confidence,
        estimate=estimate or {},
        effect=effect,
        fingerprint=f"{kind}:{about}:{path}",
    )

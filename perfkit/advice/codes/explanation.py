"""The explanation of one code: a head of facts in TOML between ``+++``, then Markdown.

Where the text has a figure that the code decides, it names it (``{{ENOUGH}}``), and the head says where it lies
(``ENOUGH = "perfkit.database.patterns.loops.ENOUGH"``), so that no page can tell an old one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from perfkit.core.errors import UnknownCodeError

__all__ = ["CODES", "Meaning", "explanation", "explanations"]

_FOLDER = Path(__file__).with_name("explained")

CODES = tuple(sorted(path.stem for path in _FOLDER.glob("PK*.md")))
"""All codes, in order."""

_MEBIBYTE = 1024 * 1024
_FIGURE = re.compile(r"\{\{(\w+)(?::([%\w]+))?\}\}")


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: str
    kind: str
    component: str
    priority: str
    told: str
    evidence: dict[str, str]
    figures: dict[str, str] = {}


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What a code means.

    Attributes:
        code: Such as PK101.
        title: A few words.
        kind: The machine word of its findings.
        component: Who finds it.
        priority: Of its findings, and what it depends on.
        told: When it is told, with the figures that decide.
        evidence: Name of each figure that its findings may carry, and what it means.
        body: Markdown: what it costs, how to confirm and to fix it, when to ignore it.
    """

    code: str
    title: str
    kind: str
    component: str
    priority: str
    told: str
    evidence: dict[str, str]
    body: str


def explanations() -> tuple[Meaning, ...]:
    """Return what all codes mean; imports the modules whose figures they name."""
    return tuple(explanation(code) for code in CODES)


@lru_cache(maxsize=len(CODES))
def explanation(code: str) -> Meaning:
    """Return what *code* means; imports the modules whose figures it names.

    Raises:
        UnknownCodeError: There is no such code.
    """
    import tomllib

    if code not in CODES:
        raise UnknownCodeError(
            f"There is no code {code[:40]!r}. It must be one of a finding, {CODES[0]} to {CODES[-1]}. "
            "perfkit explain lists them all."
        )
    _, facts, body = (_FOLDER / f"{code}.md").read_text(encoding="utf-8").split("+++\n", 2)
    head = msgspec.convert(tomllib.loads(facts), _Head)

    def filled(text: str) -> str:
        return _FIGURE.sub(lambda found: _said(_value(head.figures[found[1]]), found[2] or ""), text)

    return Meaning(
        code=code,
        title=head.title,
        kind=head.kind,
        component=head.component,
        priority=filled(head.priority),
        told=filled(head.told),
        evidence={name: filled(meaning) for name, meaning in head.evidence.items()},
        body=filled(body.strip()) + "\n",
    )


def _value(place: str) -> Any:
    """Return what lies at *place*: a constant of a module, or the default of a setting, by its struct and name."""
    owner, _, name = place.rpartition(".")
    parent, _, last = owner.rpartition(".")
    if last[:1].isupper():
        settings = getattr(import_module(parent), last)
        return next(field.default for field in msgspec.structs.fields(settings) if field.name == name)
    return getattr(import_module(owner), name)


def _said(value: float, form: str) -> str:
    match form:
        case "points":
            return f"{100.0 * value:g} points"
        case "%":
            return f"{100.0 * value:g} %"
        case "MiB":
            return f"{value / _MEBIBYTE:g} MiB"
    return f"{value:,g}"

"""The settings in force, each with its source; secrets are never shown, nor what might hold one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from perfkit.advice.wording import count
from perfkit.core.privacy.redaction import redacted
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Choice, Given, Parameter, Text
from perfkit.dashboard.parts import cell, section, table
from perfkit.dashboard.sections.checklist import checklist

if TYPE_CHECKING:
    from perfkit.config import PerformanceConfig
    from perfkit.dashboard.documents.contract import SettingsDocument
    from perfkit.system import PerformanceSystem

__all__ = ["SETTINGS", "SettingRow", "SettingsFound"]

LONGEST = 200
"""Characters of a value."""


class SettingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One setting.

    Attributes:
        value: As text; ``hidden`` for a secret, the number of its entries for what may hold one inside.
        source: ``default``, ``preset production``, ``settings``, the name of an environment variable, or ``code``.
    """

    name: str
    value: str
    source: str
    meaning: str


class SettingsFound(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, and where the numbers lie.

    Attributes:
        directory: Of the store; empty where it is in memory.
    """

    settings: tuple[SettingRow, ...]
    directory: str = ""


class SettingsPage(Page[SettingsFound]):
    """The list, and what perfkit is."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"show": Choice(("changed", "all")), "q": Text(100)}

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> SettingsFound:
        """Return the settings of the worker that answers; all workers of a service have the same."""
        # Paths tell how a machine is laid out; in production they are not for the page.
        directory = system.store.directory if system.config.environment != "production" else None
        return SettingsFound(settings=tuple(_rows(system.config)), directory=str(directory or ""))

    def content(self, shown: OverviewData, found: SettingsFound | None, given: Given) -> Child:
        """Return what perfkit is, then the settings."""
        found = found or SettingsFound(settings=())
        rows = _chosen(found, given)
        columns: list[tuple[Child, str]] = [("Setting", ""), ("Value", "text"), ("From", ""), ("Means", "text")]
        if rows:
            body: Child = table("Settings", columns, [_row(row) for row in rows], "settings")
        else:
            body = h(
                "p", {"class": "empty"}, "No setting is like that: all have their defaults, or none has that name."
            )
        note = f"{count(len(rows), 'setting')} of {len(found.settings):,}"
        return [
            h("h1", {"class": "hidden"}, "Settings"),
            _about(shown, found),
            checklist(shown),
            section("settings", "Settings in force", _filter(given), body, note=note),
        ]

    def document(self, shown: OverviewData, found: SettingsFound | None, given: Given) -> SettingsDocument:
        """Return the same list."""
        return {"settings": _chosen(found, given) if found else ()}


def _rows(config: PerformanceConfig) -> list[SettingRow]:
    from perfkit.config import config_sources
    from perfkit.config.fields import leaves, render

    sources = config_sources(config)
    rows = []
    for path, field in leaves(type(config)):
        value: Any = config
        for name in path:
            value = getattr(value, name)
        is_hidden = value is not None and field.is_secret
        rows.append(
            SettingRow(
                name=render(path),
                value="hidden" if is_hidden else _told(value),
                source=sources[render(path)],
                meaning=field.description,
            )
        )
    return rows


def _told(value: object) -> str:
    """Return *value* as text; of what may hold secrets inside only how much there is."""
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(value, str):
        return redacted(value, most=LONGEST) or "(empty)"
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        if not isinstance(value, dict) and all(isinstance(each, (str, int, float)) for each in value):
            return ", ".join(_told(each) for each in list(value)[:10]) or "none"
        return count(len(value), "entry").replace("entrys", "entries")
    return "a function" if callable(value) else type(value).__name__


def _chosen(found: SettingsFound, given: Given) -> tuple[SettingRow, ...]:
    wanted, only_changed = given.text("q").lower(), given.text("show") == "changed"
    return tuple(
        row
        for row in found.settings
        if wanted in row.name.lower() and (not only_changed or row.source != "default" or bool(wanted))
    )


def _row(row: SettingRow) -> list[Child]:
    return [
        h("code", None, row.name),
        cell(h("code", None, row.value), "text"),
        cell(row.source, ""),
        cell(row.meaning, "text"),
    ]


def _filter(given: Given) -> Markup:
    box = h(
        "input",
        {
            "type": "search",
            "name": "q",
            "value": given.text("q"),
            "maxlength": 100,
            "placeholder": "Part of a setting's name",
            "aria-label": "Part of a setting's name",
        },
    )
    other = "all" if given.text("show") == "changed" else "changed"
    said = "Show all" if other == "all" else "Show only what is not the default"
    link = h("a", {"class": "back", "href": given.link(show=other)}, said)
    return h(
        "form", {"class": "filter", "role": "search", "action": "./settings"}, box, h("button", None, "Filter"), link
    )


def _about(shown: OverviewData, found: SettingsFound) -> Markup:
    live = len(shown.performance.workers)
    facts: list[tuple[str, Child]] = [
        ("perfkit", shown.version),
        ("Environment", shown.environment),
        ("Release", shown.release or "not known"),
        ("Numbers", f"shared by {count(live, 'worker')}" if shown.is_shared else "of this worker alone"),
        (
            "Store",
            h("code", None, found.directory) if found.directory else "in memory" if not shown.is_shared else "in files",
        ),
        ("Off", ", ".join(shown.off) or "nothing"),
        ("Asleep", ", ".join(shown.asleep) or "nothing"),
    ]
    items = [h("div", None, h("dt", None, name), h("dd", None, value)) for name, value in facts]
    return section("about", "This service", h("dl", {"class": "evidence"}, items))


SETTINGS = SettingsPage()

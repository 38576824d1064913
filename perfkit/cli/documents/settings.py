"""What `perfkit config` prints for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from perfkit.cli.documents.document import Document

__all__ = ["ConfigExplain", "ConfigShow", "ConfigValidate", "Setting", "SettingIssue"]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting in force.

    Attributes:
        value: As JSON has it; what only Python has as its repr, a secret as ``<hidden>``.
        source: Where it is from.
    """

    value: Any
    source: str


class ConfigShow(Document, frozen=True, kw_only=True, tag="config show"):
    """The settings in force, by their dotted keys."""

    settings: dict[str, Setting]


class SettingIssue(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a setting, or risky."""

    path: str
    message: str


class ConfigValidate(Document, frozen=True, kw_only=True, tag="config validate"):
    """Whether the settings can be used."""

    is_valid: bool
    errors: tuple[SettingIssue, ...]
    warnings: tuple[SettingIssue, ...]


class ConfigExplain(Document, frozen=True, kw_only=True, tag="config explain"):
    """One setting.

    Attributes:
        must_be: What it may be, in words.
        source: Where its value is from.
        variable: The environment variable that sets it.
    """

    key: str
    meaning: str
    must_be: str
    default: Any
    value: Any
    source: str
    variable: str

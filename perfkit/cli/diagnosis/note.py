"""What the doctor noticed: one line, how good it is, and what to do."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from perfkit.cli.documents.document import Document

__all__ = ["Doctor", "Level", "Note", "fine", "told", "warned", "wrong"]


class Level(StrEnum):
    """How good something is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warn"
    ERROR = "FAIL"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        subject: ``package``, ``settings``, ``app``, ``access``…
        todo: What to do; empty where there is nothing.
    """

    level: Level
    subject: str
    message: str
    todo: str = ""


class Doctor(Document, frozen=True, kw_only=True, tag="doctor"):
    """What was looked at, in that order.

    Attributes:
        is_well: True where nothing does not work.
    """

    is_well: bool
    notes: tuple[Note, ...]


def fine(subject: str, message: str) -> Note:
    """Return a note that something is as it should be."""
    return Note(level=Level.OK, subject=subject, message=message)


def told(subject: str, message: str, todo: str = "") -> Note:
    """Return a note of something that is neither good nor bad."""
    return Note(level=Level.NOTE, subject=subject, message=message, todo=todo)


def warned(subject: str, message: str, todo: str) -> Note:
    """Return a note of something that is probably not meant."""
    return Note(level=Level.WARNING, subject=subject, message=message, todo=todo)


def wrong(subject: str, message: str, todo: str) -> Note:
    """Return a note of something that does not work."""
    return Note(level=Level.ERROR, subject=subject, message=message, todo=todo)

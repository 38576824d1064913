"""What `perfkit health` and `perfkit drain` print for programs."""

from __future__ import annotations

import msgspec

from perfkit.cli.documents.document import Document

__all__ = ["CheckLine", "Health"]


class CheckLine(msgspec.Struct, frozen=True, kw_only=True):
    """A check that is not well."""

    name: str
    status: str
    message: str


class Health(Document, frozen=True, kw_only=True, tag="health"):
    """How a service says that it is.

    Attributes:
        is_well: True for a status code of 2xx.
        status: ``healthy``, ``warning``, ``critical``, ``unknown``, or what else the service said; empty where it did
            not answer.
        code: The status code; None where it did not answer.
        error: Why it did not answer; empty where it did.
        checks: Those that are not well, of those that the token may see.
    """

    is_well: bool
    status: str
    code: int | None
    error: str
    checks: tuple[CheckLine, ...]

"""What `perfkit explain --json` prints."""

from __future__ import annotations

from perfkit.advice.codes import Meaning
from perfkit.cli.documents.document import Document

__all__ = ["Explain"]


class Explain(Document, frozen=True, kw_only=True, tag="explain"):
    """What codes of findings mean: the one that was asked for, or all in order.

    Attributes:
        codes: Each with its facts; the body is Markdown.
    """

    codes: tuple[Meaning, ...]

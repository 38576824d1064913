"""In which order the texts of a fix are told: first in the words of the ORM that the app uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from perfkit.core.findings import Finding

__all__ = ["OF_ORM", "spoken"]

OF_ORM = {"django": ("django",), "sqlalchemy": ("sqlalchemy", "alembic")}
"""The languages of a fix that are those of an ORM."""


def spoken(findings: Iterable[Finding], orms: Collection[str]) -> Iterator[Finding]:
    """Yield *findings*, of each fix first what is in the language of one of *orms*, then the others as they stand."""
    own = {language for orm in orms for language in OF_ORM[orm]}
    for finding in findings:
        ordered = sorted(finding.fix, key=lambda language: language not in own)
        is_so = ordered == list(finding.fix)
        yield finding if is_so else msgspec.structs.replace(finding, fix={name: finding.fix[name] for name in ordered})

"""The base of all settings structs: frozen, keywords only, unknown keys refused.

Every field is ``Annotated[type, msgspec.Meta(ge=…, le=…, description="One line of meaning, with its unit.")]``.
Validation, the reference page and the JSON schema are made from these annotations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from perfkit.core.context import Context

__all__ = ["HIDDEN", "Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base class of one section of the settings."""

    def has_work(self, context: Context) -> bool:
        """Return whether the component of this section has something to do before anybody asks for it.

        Until then it is not imported. Asked once a second, so it must be quick.
        """
        return True


class _Hidden:
    """Stands for a secret wherever one is shown."""

    def __repr__(self) -> str:
        return "<hidden>"


HIDDEN = _Hidden()

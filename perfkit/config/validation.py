"""What is wrong with settings: all of it at once, each with its path and what to do."""

from __future__ import annotations

from msgspec import Struct

from perfkit.core.errors import ConfigurationError

__all__ = ["Issue", "Validation"]


class Issue(Struct, frozen=True):
    """One thing that is wrong, or risky.

    Attributes:
        path: The setting, such as ``store.retention``; empty for the settings as a whole.
        message: Three sentences: what is, what must be, what to do. Never a secret.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return self.message


class Validation(Struct, frozen=True):
    """The result of `validate_performance_config`. Warnings do not make settings invalid."""

    errors: tuple[Issue, ...] = ()
    warnings: tuple[Issue, ...] = ()

    @property
    def is_valid(self) -> bool:
        """True if the settings can be used."""
        return not self.errors

    def raise_if_invalid(self) -> None:
        """Raise one ConfigurationError that lists every error, one per line."""
        if len(self.errors) == 1:
            raise ConfigurationError(self.errors[0].message)
        if self.errors:
            lines = "\n".join(f"- {issue.message}" for issue in self.errors)
            raise ConfigurationError(f"{len(self.errors)} settings cannot be used:\n{lines}")

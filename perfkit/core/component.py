"""The base of all components: a few verbs, each of which does nothing by default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from perfkit.core.checks import HealthCheck
from perfkit.core.context import Context
from perfkit.core.families import Family
from perfkit.core.findings import Finding
from perfkit.core.settings import Settings

__all__ = ["Component"]


class Component:
    """One part of the system. It is built without I/O and stands alone: `__init__` takes keywords.

    Attributes:
        name: The component's one word: folder, settings section and attribute of the system.
        settings_type: The struct of its settings.
    """

    name: ClassVar[str]
    settings_type: ClassVar[type[Settings]]

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the component for a system."""
        raise TypeError(f"{cls.__name__} cannot be built from settings. It must define from_settings(). Define it.")

    def start(self) -> None:
        """Begin to work; called again it does nothing. Quick."""

    def stop(self) -> None:
        """Release everything within 5 s; called again it does nothing."""

    def tick(self, now: float) -> None:
        """Do what is due once a second, at *now* monotonic seconds. Quick: all components share one thread."""

    def families(self) -> Iterable[Family]:
        """Return metrics that do not live in the store."""
        return ()

    def checks(self) -> Iterable[HealthCheck]:
        """Return what health should watch of this component."""
        return ()

    def snapshot(self) -> Any:
        """Return the state as of now as a typed struct. Never waits, never raises."""
        return None

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong, with evidence."""
        return ()

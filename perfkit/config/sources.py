"""Where each value of a config came from, kept beside its fields."""

from __future__ import annotations

from collections.abc import Mapping

from perfkit.config.fields import Path, leaves, render
from perfkit.core.settings import Settings

__all__ = ["config_sources", "note_sources"]

_PLACE = "_sources"


def note_sources(config: Settings, sources: Mapping[Path, str]) -> None:
    """Remember *sources* with *config*, whose struct must have ``dict=True``."""
    noted: dict[str, str] = {}
    for path, _ in leaves(type(config)):
        entries = {render(at): source for at, source in sources.items() if at[: len(path)] == path}
        noted[render(path)] = ", ".join(dict.fromkeys(entries.values())) or "default"
        noted |= entries
    config.__dict__[_PLACE] = noted


def config_sources(config: Settings) -> dict[str, str]:
    """Return the source of each value of *config* by its path.

    A source is ``default``, ``preset production``, ``settings``, ``environment PERFKIT_STORE__DIRECTORY``,
    ``override``, ``argument`` (the environment that was asked for), or ``code`` for what differs from the default in
    a config that was built by hand.
    """
    noted: dict[str, str] | None = config.__dict__.get(_PLACE)
    if noted is not None:
        return dict(noted)
    return {
        render(path): "default" if _value(config, path) == field.default else "code"
        for path, field in leaves(type(config))
    }


def _value(config: Settings, path: Path) -> object:
    value: object = config
    for name in path:
        value = getattr(value, name, None)
    return value

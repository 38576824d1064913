"""Layers of settings: the later one wins, dicts are merged deeply, and each value remembers where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from perfkit.config.fields import Path
from perfkit.core.settings import Settings

__all__ = ["VARIABLE", "Layer", "Merged", "merge", "plain"]

VARIABLE = "environment "
"""What stands before the name in the source of a value that an environment variable gave."""


class Layer(Struct, frozen=True, kw_only=True):
    """One source of settings.

    Attributes:
        source: What people read: ``preset production``, ``settings``, ``override``.
        values: Nested dict; may hold anything, as it is checked after merging.
        variables: For environment variables, the name of the one behind each path.
    """

    source: str
    values: Mapping[Any, Any]
    variables: Mapping[Path, str] = field(default_factory=dict)

    def source_of(self, path: Path) -> str:
        """Return the source of the value at *path* of this layer."""
        variable = self.variables.get(path)
        return f"{VARIABLE}{variable}" if variable else self.source


class Merged(Struct, frozen=True):
    """What the layers say together: nested values and the source of each that is not a dict."""

    values: dict[Any, Any]
    sources: dict[Path, str]


def merge(layers: Sequence[Layer]) -> Merged:
    """Merge *layers*, the strongest last. Leaves the layers as they are."""
    merged = Merged({}, {})
    for layer in layers:
        _merge(merged.values, merged.sources, layer, layer.values, ())
    return merged


def plain(value: object) -> Any:
    """Return *value*, a settings struct as the dict of its fields."""
    if isinstance(value, Settings):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    return value


def _merge(into: dict[Any, Any], sources: dict[Path, str], layer: Layer, values: Mapping[Any, Any], path: Path) -> None:
    for key, given in values.items():
        here, value = (*path, str(key)), plain(given)
        if isinstance(value, Mapping):
            if not isinstance(into.get(key), dict):
                into[key] = {}
                sources.pop(here, None)
            _merge(into[key], sources, layer, value, here)
            continue
        if isinstance(into.get(key), dict):
            for below in [known for known in sources if known[: len(here)] == here]:
                del sources[below]
        into[key] = value
        sources[here] = layer.source_of(here)

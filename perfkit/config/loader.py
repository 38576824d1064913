"""The ways to a config: from the layers, and from what somebody built by hand."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from perfkit.config.cautions import cautions
from perfkit.config.conversion import Conversion
from perfkit.config.environment import ENVIRONMENT, environment_layer, service_layer
from perfkit.config.layers import Layer, merge, plain
from perfkit.config.performance_config import PerformanceConfig
from perfkit.config.presets import PRESETS
from perfkit.config.sources import config_sources, note_sources
from perfkit.config.validation import Issue, Validation

__all__ = ["get_performance_config", "load", "validate_performance_config"]

Config = TypeVar("Config", bound=PerformanceConfig)


def get_performance_config(
    environment: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    debug: bool = False,
) -> PerformanceConfig:
    """Apply all layers and return the config. Later wins: preset, *settings*, environment variables, *overrides*.

    Args:
        environment: ``development``, ``production`` or ``testing``. None: the one that *overrides* or *settings* name,
            else ``PERFKIT_ENVIRONMENT``, else development if *debug*, else production.
        overrides: Nested dict that is merged deeply over everything else.
        settings: Nested dict from the framework.
        environ: Environment variables; None: those of the process.
        debug: True where the framework is in its debug mode.

    Raises:
        ConfigurationError: Something cannot be used; the message lists everything, one error per line.
    """
    config, issues = load(PerformanceConfig, environment, overrides, settings, environ, debug=debug)
    Validation(tuple(issues)).raise_if_invalid()
    return config


def validate_performance_config(config: PerformanceConfig | Mapping[str, Any]) -> Validation:
    """Check a config, or a nested dict of settings, without environment variables. Never raises for what it finds."""
    if isinstance(config, PerformanceConfig):
        conversion = Conversion(type(config), {})
        conversion.section(type(config), config)
        issues, checked, sources = conversion.issues, config, config_sources(config)
    else:
        checked, issues = load(PerformanceConfig, None, None, config, {})
        sources = config_sources(checked)
    return Validation(tuple(issues), () if issues else tuple(cautions(checked, sources)))


def load(
    kind: type[Config],
    environment: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    debug: bool = False,
) -> tuple[Config, list[Issue]]:
    """Return a config of *kind* with its sources noted, and what is wrong with it."""
    environ = os.environ if environ is None else environ
    issues: list[Issue] = []
    given = [
        Layer(source=source, values=values)
        for source, layer in (("settings", settings), ("override", overrides))
        if (values := _mapping(layer, source, issues)) is not None
    ]
    chosen = _environment(environment, given, environ, debug=debug)
    from_environ, slips = environment_layer(kind, environ)
    name = chosen.values.get("environment")
    preset = Layer(source=f"preset {name}", values=PRESETS.get(name, {}) if isinstance(name, str) else {})
    in_settings = [layer for layer in given if layer.source == "settings"]
    in_overrides = [layer for layer in given if layer.source == "override"]
    merged = merge([preset, service_layer(environ), *in_settings, from_environ, *in_overrides, chosen])
    conversion = Conversion(kind, merged.sources)
    config = conversion.section(kind, merged.values)
    note_sources(config, merged.sources)
    return config, [*issues, *slips, *conversion.issues]


def _mapping(given: object, source: str, issues: list[Issue]) -> Mapping[Any, Any] | None:
    """Return the layer *given* as a mapping; None, with an error unless nothing was given, where it is none."""
    values = plain(given)
    if values is None or isinstance(values, Mapping):
        return values
    name = "The settings are" if source == "settings" else "The overrides are"
    message = f"{name} of type {type(given).__name__}. They must be a dict of sections. Write a dict, or leave it out."
    issues.append(Issue("", message))
    return None


def _environment(argument: str | None, given: Sequence[Layer], environ: Mapping[str, str], *, debug: bool) -> Layer:
    """Return the layer that says where the service runs: code is stronger than the variable."""
    in_code = {layer.source: layer.values["environment"] for layer in given if "environment" in layer.values}
    if "override" in in_code:
        return Layer(source="override", values={"environment": in_code["override"]})
    if argument is not None:
        return Layer(source="argument", values={"environment": argument})
    if "settings" in in_code:
        return Layer(source="settings", values={"environment": in_code["settings"]})
    name = environ.get(ENVIRONMENT, "").strip()
    if name:
        return Layer(source="environment", values={"environment": name}, variables={("environment",): ENVIRONMENT})
    return Layer(
        source="debug" if debug else "default",
        values={"environment": "development" if debug else "production"},
    )

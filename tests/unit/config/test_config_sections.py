"""What a new component has to do for its settings, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import pytest
from msgspec import Meta, field

from perfkit.config.conversion import HasConflicts
from perfkit.config.fields import fields_of, leaves, metas, options, render
from perfkit.config.loader import load
from perfkit.config.performance_config import PerformanceConfig
from perfkit.config.reference import settings_reference
from perfkit.config.sections import HttpSettings
from perfkit.config.sources import config_sources
from perfkit.core.settings import Settings
from perfkit.health.settings import HealthSettings
from perfkit.performance.settings import PerformanceSettings
from perfkit.registry import COMPONENTS
from perfkit.registry import load as load_component

NOT_COMPONENTS = {"dashboard", "store", "http", "access"}


class CacheSettings(Settings, frozen=True):
    """A cache of a later day."""

    enabled: Annotated[bool, Meta(description="Cache.")] = True
    max_size: Annotated[int, Meta(ge=1, description="Entries kept.")] = 10_000
    ttl: Annotated[float, Meta(gt=0, description="Seconds that an entry lives.")] = 60.0


class ConfigWithCache(PerformanceConfig, frozen=True):
    """The config with one section more."""

    cache: CacheSettings = field(default_factory=CacheSettings)


def test_the_sections_are_those_of_the_registered_components() -> None:
    sections = {field.name for field in fields_of(PerformanceConfig) if field.section is not None}
    assert sections - NOT_COMPONENTS == set(COMPONENTS)


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_component_takes_the_settings_of_its_section(name: str) -> None:
    sections = {field.name: field.section for field in fields_of(PerformanceConfig)}
    assert load_component(name).settings_type is sections[name]


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_component_can_be_disabled(name: str) -> None:
    config, issues = load(PerformanceConfig, overrides={name: {"enabled": False}}, environ={})
    assert issues == []
    assert getattr(config, name).enabled is False


def test_a_component_that_joins_needs_its_struct_and_one_field() -> None:
    config, issues = load(
        ConfigWithCache,
        settings={"cache": {"enabled": False}},
        environ={"PERFKIT_CACHE__MAX_SIZE": "5000"},
    )
    assert issues == []
    assert config.cache == CacheSettings(enabled=False, max_size=5000)
    assert config_sources(config)["cache.max_size"] == "environment PERFKIT_CACHE__MAX_SIZE"
    _, (wrong,) = load(ConfigWithCache, settings={"cache": {"max_size": 0}}, environ={})
    assert wrong.message == (
        "cache.max_size is 0. It must be a whole number, at least 1. "
        "Set it to a whole number, or leave it out for 10000."
    )
    _, (endless,) = load(ConfigWithCache, settings={"cache": {"ttl": float("inf")}}, environ={})
    assert endless.path == "cache.ttl", "a number is finite even where its range has no end"
    _, (slip,) = load(ConfigWithCache, environ={"PERFKIT_CACHE__MAXSIZE": "5"})
    assert slip.message.endswith("Rename it to PERFKIT_CACHE__MAX_SIZE.")
    assert "| `cache.max_size` | Entries kept. | a whole number, at least 1 | `10000` |" in settings_reference(
        ConfigWithCache
    )


@pytest.mark.parametrize("settings", [HttpSettings(), HealthSettings(), PerformanceSettings()])
def test_settings_with_rules_about_several_fields_are_asked_for_them(settings: Settings) -> None:
    assert isinstance(settings, HasConflicts)
    assert list(settings.conflicts()) == []


@pytest.mark.parametrize("path", [path for path, _ in leaves(PerformanceConfig)], ids=render)
def test_each_setting_says_what_it_means_and_how_far_it_goes(path: tuple[str, ...]) -> None:
    found = dict(leaves(PerformanceConfig))[path]
    assert found.description.endswith("."), f"{render(path)} has no description"
    limits = [meta for meta in metas(found.type) if (meta.ge, meta.gt) != (None, None)]
    is_number = any(option in (int, float) for option in options(found.type))
    assert bool(limits) == is_number, f"{render(path)} has no range"


def test_the_defaults_are_valid_settings() -> None:
    _, issues = load(PerformanceConfig, environ={})
    assert issues == []


def test_importing_the_settings_loads_msgspec_and_nothing_else_from_outside() -> None:
    program = (
        "import sys; import msgspec; before = set(sys.modules); import perfkit.config; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - sys.stdlib_module_names - {'perfkit', 'msgspec'}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []

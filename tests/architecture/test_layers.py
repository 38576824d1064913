"""Components do not know each other; driven by the registry, so a new one edits nothing here."""

from __future__ import annotations

from functools import cache

import grimp
import pytest

from perfkit.registry import COMPONENTS, load

# What a component may import besides itself: the layers beneath.
BENEATH = ("perfkit.core", "perfkit.store")


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("perfkit", exclude_type_checking_imports=True)


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_imports_only_itself_and_what_is_beneath(name: str) -> None:
    package = f"perfkit.{name}"
    strays = {
        f"{module} -> {imported}"
        for module in {package, *graph().find_descendants(package)}
        for imported in graph().find_modules_directly_imported_by(module)
        if imported != package and not imported.startswith((package + ".", *BENEATH))
    }
    assert not strays


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_components_one_word_is_its_folder_its_name_and_its_settings_section(name: str) -> None:
    from perfkit.config import PerformanceConfig

    component = load(name)
    assert component.name == name
    assert component.__module__.startswith(f"perfkit.{name}.")
    assert name in PerformanceConfig.__struct_fields__
    assert component.settings_type.__module__ == f"perfkit.{name}.settings"
    assert "enabled" in component.settings_type.__struct_fields__

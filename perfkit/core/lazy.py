"""Importing late: public names at their first use, so that a package costs little (PEP 562), and what others import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

__all__ = ["imported", "lazily"]


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of *package*: *homes* says which module each public name comes from."""

    def find(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    return find


def imported(name: str) -> ModuleType | None:
    """Return the module *name* if the app has imported it and its package to their ends, else None.

    Half of one is in `sys.modules` while a thread of the app still imports it: to hook into that fails at random.
    """
    package, module = sys.modules.get(name.partition(".")[0]), sys.modules.get(name)
    return None if _is_half(package) or _is_half(module) else module


def _is_half(module: ModuleType | None) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))

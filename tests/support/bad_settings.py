"""The table of bad settings that the tests of the settings themselves have, for those who hand settings over."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

__all__ = ["BAD"]


def _table() -> dict[str, tuple[dict[Any, Any], str, str]]:
    file = Path(__file__).parents[1] / "unit" / "config" / "test_config_errors.py"
    spec = spec_from_file_location("test_config_errors_as_a_table", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    table: dict[str, tuple[dict[Any, Any], str, str]] = module.BAD
    return table


BAD = _table()
"""Kind → settings, path of the error, words that the message must contain."""

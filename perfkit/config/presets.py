"""The three environments and what each changes of the defaults. The defaults are those of a production service."""

from __future__ import annotations

from typing import Any, Literal

__all__ = ["PRESETS", "Environment"]

Environment = Literal["development", "production", "testing"]

PRESETS: dict[str, dict[str, Any]] = {
    "development": {"access": {"actions": True}, "alerts": {"default_rules": False}},
    "production": {"access": {"actions": False}, "alerts": {"default_rules": True}},
    # Tests run side by side and must not meet in a shared directory.
    "testing": {"access": {"actions": True}, "alerts": {"default_rules": False}, "store": {"mode": "memory"}},
}

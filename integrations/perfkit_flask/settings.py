"""perfkit's settings in Flask's way: keywords in code, above them ``app.config["PERFKIT"]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from perfkit.config.layers import Layer, merge

__all__ = ["KEY", "settings_of"]

KEY = "PERFKIT"
"""The key of `Flask.config` under which the settings lie, as a nested dict."""


def settings_of(app: Flask, keywords: Mapping[str, Any]) -> Any:
    """Return the settings of *app*: *keywords*, and over them its config; what is no dict comes back as it is."""
    configured = app.config.get(KEY) or {}
    if not isinstance(configured, Mapping):
        return configured
    return merge([Layer(source="settings", values=values) for values in (keywords, configured)]).values

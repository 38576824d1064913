"""Where an app comes from, which tells services apart that have one name."""

from __future__ import annotations

import sys

__all__ = ["origin"]

MAX_DEPTH = 20
"""Middlewares that are looked through for the app's own code."""


def origin(app: object) -> str:
    """Return the file of the app's own code: the same in every worker, another in another app."""
    file = ""
    for _ in range(MAX_DEPTH):
        code = getattr(app, "__code__", None)
        file = code.co_filename if code else getattr(sys.modules.get(type(app).__module__), "__file__", None) or ""
        inner = getattr(app, "app", None) or getattr(app, "__wrapped__", None)
        if inner is None or (file and "site-packages" not in file):
            break
        app = inner
    return file

"""``python -m perfkit.http.openapi``: the OpenAPI document of all paths that there can be, by default settings."""

from __future__ import annotations

import sys

from perfkit.config import AccessSettings, HttpSettings, PerformanceConfig
from perfkit.http.openapi.document import encoded

__all__ = ["EVERYTHING"]

EVERYTHING = PerformanceConfig(http=HttpSettings(load_path="/load"), access=AccessSettings(actions=True))
"""The settings that have every path there can be."""

if __name__ == "__main__":
    sys.stdout.buffer.write(encoded(EVERYTHING))

"""The pages under ``/perfkit/``: made on the server, complete without script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.dashboard.assets import Asset, asset, asset_names, asset_url
    from perfkit.dashboard.data import OverviewData, live_interval
    from perfkit.dashboard.headers import ASSET_HEADERS, SECURITY_HEADERS
    from perfkit.dashboard.overview_page import overview

__all__ = [
    "ASSET_HEADERS",
    "SECURITY_HEADERS",
    "Asset",
    "OverviewData",
    "asset",
    "asset_names",
    "asset_url",
    "live_interval",
    "overview",
]

__getattr__ = lazily(
    __name__,
    {
        "ASSET_HEADERS": "perfkit.dashboard.headers",
        "SECURITY_HEADERS": "perfkit.dashboard.headers",
        "Asset": "perfkit.dashboard.assets",
        "OverviewData": "perfkit.dashboard.data",
        "asset": "perfkit.dashboard.assets",
        "asset_names": "perfkit.dashboard.assets",
        "asset_url": "perfkit.dashboard.assets",
        "live_interval": "perfkit.dashboard.data",
        "overview": "perfkit.dashboard.overview_page",
    },
)

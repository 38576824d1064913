"""The pages under ``/perfkit/``: made on the server, complete without script."""

from perfkit.dashboard.assets import Asset, asset, asset_names, asset_url
from perfkit.dashboard.data import OverviewData, live_interval
from perfkit.dashboard.headers import ASSET_HEADERS, SECURITY_HEADERS
from perfkit.dashboard.overview import overview

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

"""The pages under ``/perfkit/``: made on the server, complete without script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.dashboard.actions.audit import Done, act
    from perfkit.dashboard.actions.table import ACTIONS, Action
    from perfkit.dashboard.assets import Asset, asset, asset_names, asset_url
    from perfkit.dashboard.data import OverviewData, live_interval
    from perfkit.dashboard.headers import ASSET_HEADERS, SECURITY_HEADERS
    from perfkit.dashboard.page import Entry, Page
    from perfkit.dashboard.pages import PAGES, page_entry
    from perfkit.dashboard.parameters import Given
    from perfkit.dashboard.rendering import encode, gather, given_of, overview, render

__all__ = [
    "ACTIONS",
    "ASSET_HEADERS",
    "PAGES",
    "SECURITY_HEADERS",
    "Action",
    "Asset",
    "Done",
    "Entry",
    "Given",
    "OverviewData",
    "Page",
    "act",
    "asset",
    "asset_names",
    "asset_url",
    "encode",
    "gather",
    "given_of",
    "live_interval",
    "overview",
    "page_entry",
    "render",
]

__getattr__ = lazily(
    __name__,
    {
        "ACTIONS": "perfkit.dashboard.actions.table",
        "ASSET_HEADERS": "perfkit.dashboard.headers",
        "PAGES": "perfkit.dashboard.pages",
        "SECURITY_HEADERS": "perfkit.dashboard.headers",
        "Action": "perfkit.dashboard.actions.table",
        "Asset": "perfkit.dashboard.assets",
        "Done": "perfkit.dashboard.actions.audit",
        "Entry": "perfkit.dashboard.page",
        "Given": "perfkit.dashboard.parameters",
        "OverviewData": "perfkit.dashboard.data",
        "Page": "perfkit.dashboard.page",
        "act": "perfkit.dashboard.actions.audit",
        "asset": "perfkit.dashboard.assets",
        "asset_names": "perfkit.dashboard.assets",
        "asset_url": "perfkit.dashboard.assets",
        "encode": "perfkit.dashboard.rendering",
        "gather": "perfkit.dashboard.rendering",
        "given_of": "perfkit.dashboard.rendering",
        "live_interval": "perfkit.dashboard.data",
        "overview": "perfkit.dashboard.rendering",
        "page_entry": "perfkit.dashboard.pages",
        "render": "perfkit.dashboard.rendering",
    },
)

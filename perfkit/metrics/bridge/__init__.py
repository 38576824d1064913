"""The bridge to prometheus_client, both ways. That package is imported only where it is used."""

from __future__ import annotations

from perfkit.metrics.bridge.bridge import STANDARD, Bridge

__all__ = ["STANDARD", "Bridge"]

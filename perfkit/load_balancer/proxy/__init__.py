"""The reverse proxy: requests passed on to the servers of a balancer, checked and written anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.load_balancer.proxy.options import ProxyOptions
    from perfkit.load_balancer.proxy.proxy import Proxy

_HOMES = {
    "Proxy": "perfkit.load_balancer.proxy.proxy",
    "ProxyOptions": "perfkit.load_balancer.proxy.options",
}

__all__ = ["Proxy", "ProxyOptions"]

__getattr__ = lazily(__name__, _HOMES)

"""A reverse proxy as an ASGI app, in front of the servers of a balancer.

    app = Proxy(balancer)                       # run it under uvicorn, or
    main.mount("/shop", Proxy(balancer))        # mount it in an app of yours

Only servers of the balancer are ever asked: neither the target of a request nor its Host, nor a redirect, names one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import LoadBalancerError
from perfkit.load_balancer.proxy.exchange import Exchange
from perfkit.load_balancer.proxy.headers import Trust
from perfkit.load_balancer.proxy.options import ProxyOptions
from perfkit.load_balancer.proxy.pool import Pool
from perfkit.load_balancer.proxy.request import Receive, Send
from perfkit.load_balancer.settings import function_of

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["Proxy"]


class Proxy:
    """An ASGI app that passes requests on to the servers of a balancer.

    Attributes:
        balancer: Chooses the servers.
        options: How it behaves.
        trust: Whose forwarding headers are believed.
    """

    def __init__(
        self, balancer: LoadBalancer, *, key: Callable[[Any], Hashable | None] | None = None, **options: Any
    ) -> None:
        """Pass requests on to the servers of *balancer*.

        Args:
            balancer: Chooses the servers. It is not started or stopped here.
            key: Returns the key of a request from its ASGI scope; see `LoadBalancer.acquire`.
            options: The fields of `ProxyOptions`.

        Raises:
            LoadBalancerError: An option cannot be.
        """
        if not callable(getattr(balancer, "acquire", None)):
            raise LoadBalancerError(
                f"A proxy was made of {balancer!r}. It needs a LoadBalancer, which chooses the servers. Make one first."
            )
        if key is not None:
            function_of("The key of a proxy", key)
        self.balancer = balancer
        self.options = ProxyOptions(**options).checked()
        self.trust = Trust(self.options)
        self._key = key
        self._pool: Pool | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one HTTP request, WebSocket or lifespan."""
        kind = scope["type"]
        if kind == "http":
            await Exchange(self, scope, receive, send).run()
        elif kind == "websocket":
            from perfkit.load_balancer.proxy.websocket import Tunnel

            await Tunnel(self, scope, receive, send).run()
        elif kind == "lifespan":
            await self._lifespan(receive, send)

    def key_of(self, scope: Any) -> Hashable | None:
        """Return the key of a request; None without one."""
        return self._key(scope) if self._key is not None else None

    @property
    def pool(self) -> Pool:
        """The connections of the running loop."""
        pool = self._pool
        if pool is None or pool.loop is not asyncio.get_running_loop():
            pool = self._pool = Pool(self.options)
        return pool

    def close(self) -> None:
        """Close idle connections; called in the loop that served."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

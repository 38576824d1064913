"""Whose turn it is for a connection that became free, whatever those do who waited for it."""

from __future__ import annotations

import asyncio

import pytest

from perfkit.load_balancer.proxy.options import ProxyOptions
from perfkit.load_balancer.proxy.pool import Pool
from perfkit.load_balancer.servers import Server, ServerSpec

pytestmark = pytest.mark.anyio


class Silent(asyncio.Protocol):
    """A server that says nothing, until the client goes."""

    def __init__(self, gone: list[object]) -> None:
        self._gone = gone

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.append(exc)


async def test_who_leaves_when_his_turn_has_come_leaves_it_to_the_next() -> None:
    gone: list[object] = []
    listening = await asyncio.get_running_loop().create_server(lambda: Silent(gone), "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    server = Server(ServerSpec(name="s", host=host, port=port))
    pool = Pool(ProxyOptions(max_connections=1, connect_timeout=60.0, keep_alive=0.0))
    held = await pool.take(server)
    first, second = (asyncio.ensure_future(pool.take(server)) for _ in range(2))
    (upstream,) = pool._upstreams.values()
    while len(upstream.waiters) < 2:  # noqa: ASYNC110 - there is nothing else to wait for
        await asyncio.sleep(0)
    pool.give_back(server, held)
    first.cancel()
    connection = await asyncio.wait_for(second, 20.0)
    assert first.cancelled()
    pool.give_back(server, connection)
    assert pool.open_connections == 0
    pool.close()
    while len(gone) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    listening.close()

"""A WebSocket through the proxy: one to the client, one to the server, messages passed on as they come.

The connection counts as a request in flight of its server as long as it is open. What feeds the latency estimates is
the time of the handshake, as how long people stay says nothing of a server. Sources: RFC 6455, sections 4 and 7.4.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import NoServerAvailable
from perfkit.load_balancer.leases import Lease
from perfkit.load_balancer.proxy.exchange import refusal
from perfkit.load_balancer.proxy.faults import ConnectFailed, Refused, UpstreamFault
from perfkit.load_balancer.proxy.headers import outbound_headers, response_headers
from perfkit.load_balancer.proxy.inspection import Headers, framing_of, host_of, target_of
from perfkit.load_balancer.proxy.request import Receive, Send
from perfkit.load_balancer.proxy.socket import HandshakeRefused, Socket
from perfkit.load_balancer.resilience.execution import Plan
from perfkit.load_balancer.resilience.retry import Verdict, judge_status

if TYPE_CHECKING:
    from perfkit.load_balancer.proxy.proxy import Proxy

__all__ = ["Tunnel"]

LOOK = 1.0
"""Seconds between two looks whether the server is being drained."""

GOING_AWAY, BROKEN, TRY_LATER = 1001, 1011, 1013


class Tunnel:
    """One WebSocket through the proxy."""

    def __init__(self, proxy: Proxy, scope: Any, receive: Receive, send: Send) -> None:
        """Serve the WebSocket of *scope*."""
        self._proxy, self._scope, self._receive, self._send = proxy, scope, receive, send
        self._options = proxy.options

    async def run(self) -> None:
        """Open it to a server and pass messages on until one of both ends it."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        try:
            await self._open()
        except Refused as error:
            await self._refuse(error.status, refusal(error.status, error.reason))
        except NoServerAvailable:
            await self._refuse(503, refusal(503, "no server is there to answer"))
        except UpstreamFault as error:
            await self._refuse(error.status, refusal(error.status, error.reason))

    async def _open(self) -> None:
        scope, options = self._scope, self._options
        version = str(scope.get("http_version", "1.1"))
        framing_of(scope["headers"], version, options)
        target = target_of(scope, options)
        client_host = host_of(scope["headers"], version, options)
        cleaned = outbound_headers(scope, client_host, self._proxy.trust, options)
        headers = [(name, value) for name, value in cleaned if not name.startswith(b"sec-websocket-")]
        host = client_host if options.preserve_host else b""
        balancer = self._proxy.balancer
        plan = Plan(balancer, self._proxy.key_of(scope), idempotent=False, retries=balancer.settings.retries)
        following: Lease | None = plan.begin()
        while following is not None:
            lease, following = following, None
            try:
                socket = await Socket.connect(
                    lease.server, target, host, headers, options, subprotocols=tuple(scope.get("subprotocols") or ())
                )
            except ConnectFailed:
                lease.release(success=False)
                following = plan.again(Verdict.NEVER_SENT)
                if following is None:
                    raise
                continue
            except HandshakeRefused as error:
                lease.release(success=judge_status(error.status) is Verdict.GOOD)
                shown, _, _ = response_headers(error.headers, options, has_length=False)
                await self._refuse(error.status, (shown, error.body))
                return
            except UpstreamFault:
                lease.release(success=False)
                raise
            except BaseException:
                lease.cancel()
                raise
            await self._serve(lease, socket)
            return

    async def _serve(self, lease: Lease, socket: Socket) -> None:
        latency = self._proxy.balancer.monotonic() - lease.began
        is_well = True
        try:
            headers, _, _ = response_headers(socket.headers, self._options, has_length=False)
            kept: Headers = [(name, value) for name, value in headers if not name.startswith(b"sec-websocket-")]
            accepted = [(name, value) for name, value in kept if name not in (b"date", b"server")]
            await self._send({"type": "websocket.accept", "subprotocol": socket.subprotocol, "headers": accepted})
            is_well = await self._pass_messages(lease, socket)
        finally:
            socket.abort()
            lease.release(success=is_well, latency=latency)

    async def _pass_messages(self, lease: Lease, socket: Socket) -> bool:
        """Pass messages on both ways; return whether the server did nothing wrong."""
        to_server = asyncio.ensure_future(self._to_server(socket))
        to_client = asyncio.ensure_future(self._to_client(socket))
        try:
            while True:
                done, _ = await asyncio.wait({to_server, to_client}, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    break
                if lease.server.is_draining or lease.server.is_removed:
                    await socket.close(GOING_AWAY, "")
                    await self._close(GOING_AWAY, "")
                    return True
            if to_client in done:
                code, reason = to_client.result()
                await self._close(code, reason)
                return code != BROKEN or socket.was_closed
            to_server.result()
            return True
        except UpstreamFault:
            await self._close(BROKEN, "")
            return False
        finally:
            to_server.cancel()
            to_client.cancel()
            await asyncio.gather(to_server, to_client, return_exceptions=True)

    async def _to_server(self, socket: Socket) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                await socket.close(int(message.get("code") or 1005), str(message.get("reason") or ""))
                return
            text = message.get("text")
            await socket.send(message.get("bytes") or b"" if text is None else text)

    async def _to_client(self, socket: Socket) -> tuple[int, str]:
        async for message in socket:
            kind = "text" if isinstance(message, str) else "bytes"
            await self._send({"type": "websocket.send", kind: message})
        return socket.close_code, socket.close_reason

    async def _close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _refuse(self, status: int, answer: tuple[Headers, bytes]) -> None:
        """Refuse the handshake: with *answer* where the server in front can, else with its own 403."""
        if "websocket.http.response" not in (self._scope.get("extensions") or {}):
            await self._close(TRY_LATER, "")
            return
        headers, body = answer
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body, "more_body": False})

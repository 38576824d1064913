"""One exchange: a request to a server, perhaps to a second one, and its answer to the client as it comes.

Nothing is tried again once a byte went to the client. An answer that breaks off then is not brought to a tidy end: the
exchange raises, so that the server in front closes the connection and the client sees that something is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import DeadlineExceeded, NoServerAvailable
from perfkit.load_balancer.leases import Lease
from perfkit.load_balancer.proxy.connection import Connection
from perfkit.load_balancer.proxy.faults import (
    ClientGone,
    ConnectFailed,
    Refused,
    TooSlow,
    UpstreamBroken,
    UpstreamFault,
)
from perfkit.load_balancer.proxy.headers import response_headers, trailer_headers
from perfkit.load_balancer.proxy.inspection import Headers
from perfkit.load_balancer.proxy.request import Outbound, Receive, Send
from perfkit.load_balancer.proxy.response import NO_BODY_STATUSES, Answer
from perfkit.load_balancer.resilience.deadline import deadline, remaining
from perfkit.load_balancer.resilience.execution import Plan
from perfkit.load_balancer.resilience.retry import Verdict, judge_status

if TYPE_CHECKING:
    from perfkit.load_balancer.proxy.proxy import Proxy

__all__ = ["Exchange", "refusal"]

GATEWAY_STATUSES = frozenset({502, 503, 504})
"""Answers after which another server is asked, where that is allowed."""


class Exchange:
    """One HTTP request through the proxy."""

    __slots__ = (
        "_connection",
        "_is_sent",
        "_is_started",
        "_options",
        "_outbound",
        "_pool",
        "_proxy",
        "_receive",
        "_scope",
        "_send",
        "_side",
    )

    def __init__(self, proxy: Proxy, scope: Any, receive: Receive, send: Send) -> None:
        """Serve the request of *scope*."""
        self._proxy, self._scope, self._receive, self._send = proxy, scope, receive, send
        self._options, self._pool = proxy.options, proxy.pool
        self._is_started = self._is_sent = False
        self._connection: Connection | None = None
        self._side: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Do it; whatever fails before the answer began is answered with a page of few words."""
        try:
            self._outbound = Outbound(self._scope, self._proxy.trust, self._options)
            await self._outbound.read_ahead(self._receive, self._pool.patience)
            key = self._proxy.key_of(self._scope)
            if self._outbound.timeout is None:
                await self._ask(key)
            else:
                with deadline(self._outbound.timeout, monotonic=self._proxy.balancer.monotonic):
                    await self._ask(key)
        except ClientGone:
            return
        except Refused as error:
            await self._fail(error, error.status, error.reason)
        except NoServerAvailable as error:
            await self._fail(error, 503, "no server is there to answer")
        except DeadlineExceeded as error:
            await self._fail(error, 504, "the time for this request is over")
        except UpstreamFault as error:
            await self._fail(error, error.status, error.reason)

    async def _fail(self, error: Exception, status: int, reason: str) -> None:
        if self._is_started:
            raise error
        headers, body = refusal(status, reason)
        if self._scope["method"] == "HEAD":
            body = b""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _ask(self, key: Hashable | None) -> None:
        balancer, outbound = self._proxy.balancer, self._outbound
        plan = Plan(balancer, key, idempotent=outbound.is_replayable, retries=balancer.settings.retries)
        following: Lease | None = plan.begin()
        while following is not None:
            lease, following = following, None
            try:
                answer = await self._head_from(lease)
                if answer.status in GATEWAY_STATUSES:
                    following = plan.again(Verdict.FAILED)
                if following is not None:
                    lease.release(success=False)
                    continue
                await self._deliver(lease, answer)
                return
            except UpstreamFault as error:
                lease.release(success=False)
                verdict = Verdict.NEVER_SENT if isinstance(error, ConnectFailed) else Verdict.FAILED
                following = None if self._is_started else plan.again(verdict)
                if following is None:
                    raise
            except BaseException:
                lease.cancel()
                raise
            finally:
                self._end(lease)

    async def _head_from(self, lease: Lease) -> Answer:
        """Send the request to the server of *lease* and return its answer once the head is there."""
        pool, outbound = self._pool, self._outbound
        fresh = False
        while True:
            connection = self._connection = await pool.take(lease.server, fresh=fresh)
            left = self._left()
            parts = outbound.beginning_for(lease.server, left)
            answer = connection.begin(parts, is_head_request=outbound.method == b"HEAD")
            try:
                await self._send_rest(connection, answer)
                await self._wait_for_head(connection, answer)
                return answer
            except UpstreamBroken as error:
                if fresh or not error.is_stale or not outbound.is_replayable:
                    raise
            self._end(lease)
            fresh = True

    async def _send_rest(self, connection: Connection, answer: Answer) -> None:
        """Have the rest of the body sent beside, or somebody look after the client if the answer takes long."""
        outbound, loop = self._outbound, self._pool.loop
        if not outbound.is_streamed:
            self._is_sent = True
            connection.watch(lambda: self._watch(loop, connection))
            return
        self._is_sent = False
        if outbound.framing.expects_continue:
            try:
                while not (answer.is_continued or answer.has_head):
                    await connection.wait(self._options.continue_timeout)
            except TooSlow:
                pass  # RFC 9110, section 10.1.1: who waits for leave must not wait for ever
            if answer.has_head:
                return
        self._side = loop.create_task(self._pump(connection))

    def _watch(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        self._side = loop.create_task(self._look_after_client(connection))

    async def _look_after_client(self, connection: Connection) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                continue
        except Exception as error:  # noqa: BLE001 - raised again in the exchange itself
            connection.fail(error)
        else:
            connection.fail(ClientGone("the client left"))

    async def _pump(self, connection: Connection) -> None:
        """Send the body as the client sends it, then see whether the client leaves."""
        outbound, patience = self._outbound, self._pool.patience
        try:
            await connection.drain()
            more = True
            while more:
                with patience.wait():
                    piece, more = await outbound.receive_piece(self._receive)
                if piece:
                    await connection.write(outbound.framed(piece))
            if outbound.end:
                await connection.write(outbound.end)
            self._is_sent = True
        except TimeoutError:
            connection.fail(Refused(408, "the body did not come in time"))
        except Exception as error:  # noqa: BLE001 - raised again in the exchange itself
            connection.fail(error)
        else:
            await self._look_after_client(connection)

    async def _wait_for_head(self, connection: Connection, answer: Answer) -> None:
        limit = self._options.response_timeout
        while not answer.has_head:
            # While the body is still on its way the server owes nothing yet; the pump has a bound of its own.
            bound = limit if self._is_sent else max(limit, self._options.idle_timeout)
            await self._wait(connection, bound)
            if answer.interim:
                await self._pass_interim(answer)

    async def _wait(self, connection: Connection, seconds: float) -> None:
        left = self._left()
        await connection.wait(seconds if left is None else min(seconds, left))

    def _left(self) -> float | None:
        return remaining(monotonic=self._proxy.balancer.monotonic)

    async def _pass_interim(self, answer: Answer) -> None:
        interim, answer.interim = answer.interim, []
        if "http.response.early_hint" not in (self._scope.get("extensions") or {}):
            return
        for status, headers in interim:
            links = [value for name, value in headers if name == b"link"]
            if status == 103 and links:
                await self._send({"type": "http.response.early_hint", "links": links})

    async def _deliver(self, lease: Lease, answer: Answer) -> None:
        """Pass *answer* on as it comes and give *lease* back."""
        latency = self._proxy.balancer.monotonic() - lease.began
        status = answer.status
        has_length = answer.has_length and status not in NO_BODY_STATUSES
        headers, report, trailers = response_headers(answer.headers, self._options, has_length=has_length)
        if not self._is_sent:
            headers.append((b"connection", b"close"))
        trailers = trailers and "http.response.trailers" in (self._scope.get("extensions") or {})
        start = {"type": "http.response.start", "status": status, "headers": headers}
        if trailers:
            start["trailers"] = True
        self._is_started = True
        await self._send(start)
        await self._pass_body(answer)
        self._end(lease)
        lease.release(success=judge_status(status) is Verdict.GOOD, latency=latency, report=report)
        if trailers:
            await self._send(
                {"type": "http.response.trailers", "headers": trailer_headers(answer.trailers), "more_trailers": False}
            )

    async def _pass_body(self, answer: Answer) -> None:
        send, connection, patience = self._send, self._connection, self._pool.patience
        assert connection is not None
        while True:
            if answer.chunks or answer.is_complete:
                body, is_last = answer.take(), answer.is_complete
                if is_last:
                    await send({"type": "http.response.body", "body": body, "more_body": False})
                    return
                try:
                    with patience.wait():
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                except TimeoutError:
                    raise ClientGone("the client takes nothing") from None
            else:
                await self._wait(connection, self._options.idle_timeout)

    def _end(self, lease: Lease) -> None:
        """Give the connection back, and end what runs beside."""
        side, self._side = self._side, None
        if side is not None:
            side.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            if not self._is_sent:
                connection.abort()
            self._pool.give_back(lease.server, connection)


def refusal(status: int, reason: str) -> tuple[Headers, bytes]:
    """Return headers and body that say *status* and *reason* in one line."""
    body = f"{status} {HTTPStatus(status).phrase}: {reason}.\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status < 500:
        # What the client sends next cannot be trusted to be where it seems.
        headers.append((b"connection", b"close"))
    return headers, body

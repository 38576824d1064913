"""Transports for httpx: `httpx.Client(transport=balancer.transport())`, and the same for `httpx.AsyncClient`.

The host of a URL is only a name here; where the request goes is the balancer's choice, anew for each try.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import MissingDependencyError
from perfkit.load_balancer.leases import Lease
from perfkit.load_balancer.resilience.hedging import SlowAfter
from perfkit.load_balancer.transports.attempts import Attempts, Held, may_repeat

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["atransport", "transport"]

Key = Callable[[Any], Hashable | None]


def transport(balancer: LoadBalancer, *, inner: Any = None, key: Key | None = None, preserve_host: bool = False) -> Any:
    """Return a transport for `httpx.Client`.

    Args:
        balancer: Chooses the server of each try.
        inner: What sends; an `httpx.HTTPTransport` by default. Give one of your own for TLS or limits.
        key: Returns the key of a request; see `LoadBalancer.acquire`.
        preserve_host: Send the URL's host as Host; otherwise the server's address.

    Raises:
        MissingDependencyError: httpx is not installed.
    """
    httpx = _library()

    class BalancedTransport(_Sync, httpx.BaseTransport):  # type: ignore[misc, name-defined]  # the class is known at run time
        """Sends each request to a server of a balancer."""

    return BalancedTransport(balancer, httpx, inner or httpx.HTTPTransport(), key, preserve_host)


def atransport(
    balancer: LoadBalancer, *, inner: Any = None, key: Key | None = None, preserve_host: bool = False
) -> Any:
    """Return a transport for `httpx.AsyncClient`; with ``load_balancer.hedging`` it hedges what may be done twice.

    The arguments are those of `transport`.
    """
    httpx = _library()

    class AsyncBalancedTransport(_Async, httpx.AsyncBaseTransport):  # type: ignore[misc, name-defined]  # as above
        """Sends each request to a server of a balancer."""

    return AsyncBalancedTransport(balancer, httpx, inner or httpx.AsyncHTTPTransport(), key, preserve_host)


def _library() -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingDependencyError("httpx", extra="httpx", wanted_by="A balanced transport") from None
    return httpx


class _Shared:
    """What both transports know."""

    def __init__(self, balancer: LoadBalancer, httpx: Any, inner: Any, key: Key | None, preserve_host: bool) -> None:
        self._balancer, self._httpx, self._inner = balancer, httpx, inner
        self._key, self._preserve_host = key, preserve_host
        self._slow = SlowAfter()

    def _attempts(self, request: Any) -> tuple[Attempts, bool]:
        has_stream = not isinstance(request.stream, self._httpx.ByteStream)
        repeatable = may_repeat(request.method, request.headers, has_stream=has_stream)
        key = self._key(request) if self._key is not None else None
        return Attempts(self._balancer, key, repeatable=repeatable, slow=self._slow), repeatable

    def _request_to(self, lease: Lease, request: Any, attempts: Attempts) -> Any:
        server = lease.server
        headers = request.headers.copy()
        if not self._preserve_host:
            headers["host"] = server.address
        headers.update(attempts.deadline_headers())
        extensions = dict(request.extensions)
        left = attempts.left()
        if left is not None:
            given = extensions.get("timeout") or {}
            names = ("connect", "read", "write", "pool")
            extensions["timeout"] = {name: _least(given.get(name), left) for name in names}
        url = request.url.copy_with(host=server.host, port=server.port or None)
        return self._httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=extensions)


class _Sync(_Shared):
    def handle_request(self, request: Any) -> Any:
        """Send *request* to a server; to others if it fails, as far as that is allowed."""
        attempts, _ = self._attempts(request)
        lease = attempts.begin()
        while True:
            try:
                response = self._inner.handle_request(self._request_to(lease, request, attempts))
            except BaseException as error:
                following = attempts.failed(lease, error)
                if following is None:
                    raise
                lease = following
                continue
            held = attempts.answered(lease, response.status_code, response.headers)
            if not isinstance(held, Held):
                lease = held
                response.close()
                continue
            response.stream = _stream_types(self._httpx)[0](response.stream, held)
            return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _Async(_Shared):
    async def handle_async_request(self, request: Any) -> Any:
        """Send *request* to a server; to others if it fails, or takes long, as far as that is allowed."""
        attempts, repeatable = self._attempts(request)
        hedges = repeatable and self._balancer.settings.hedging
        lease = attempts.begin()
        while True:
            try:
                if hedges and self._slow.seconds is not None:
                    response, lease = await self._hedged(request, lease, attempts)
                else:
                    response = await self._send(lease, request, attempts)
            except BaseException as error:
                following = attempts.failed(lease, error)
                if following is None:
                    raise
                lease = following
                continue
            held = attempts.answered(lease, response.status_code, response.headers)
            if not isinstance(held, Held):
                lease = held
                await response.aclose()
                continue
            response.stream = _stream_types(self._httpx)[1](response.stream, held)
            return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _send(self, lease: Lease, request: Any, attempts: Attempts) -> Any:
        return await self._inner.handle_async_request(self._request_to(lease, request, attempts))

    async def _hedged(self, request: Any, lease: Lease, attempts: Attempts) -> tuple[Any, Lease]:
        """Return the head that comes first and its lease; the other try is given up, neither good nor bad."""
        tries = {asyncio.ensure_future(self._send(lease, request, attempts)): lease}
        try:
            done, _ = await asyncio.wait(tries, timeout=self._slow.seconds)
            second = None if done else attempts.one_more()
            if second is not None:
                tries[asyncio.ensure_future(self._send(second, request, attempts))] = second
            while True:
                done, _ = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
                task = next(iter(done))
                winner = tries.pop(task)
                error = task.exception()
                if error is None:
                    return task.result(), winner
                if not tries:
                    winner.release(success=False)
                    raise error
                winner.release(success=False)
        finally:
            for task, loser in tries.items():
                loser.cancel()
                task.add_done_callback(_forget)
                task.cancel()


def _forget(task: asyncio.Future[Any]) -> None:
    """Close the answer of a try that came in the very moment it was given up."""
    if not task.cancelled() and task.exception() is None:
        _closing.add(closer := asyncio.ensure_future(task.result().aclose()))
        closer.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()
"""Answers being closed: a loop keeps only weak references to its tasks."""


def _least(given: float | None, left: float) -> float:
    return left if given is None else min(given, left)


@cache
def _stream_types(httpx: Any) -> tuple[Any, Any]:
    """Return the classes of a body that gives a lease back when it has ended, for both worlds; made once."""

    class LeasedStream(httpx.SyncByteStream):  # type: ignore[misc]  # the class is known at run time
        """The body of an answer."""

        def __init__(self, stream: Any, held: Held) -> None:
            self._stream, self._held = stream, held

        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from self._stream
            except Exception:
                self._held.broke()
                raise
            self._held.done()

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._held.done()

    class AsyncLeasedStream(httpx.AsyncByteStream):  # type: ignore[misc]  # as above
        """The body of an answer, in an event loop."""

        def __init__(self, stream: Any, held: Held) -> None:
            self._stream, self._held = stream, held

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for piece in self._stream:
                    yield piece
            except Exception:
                self._held.broke()
                raise
            self._held.done()

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self._held.done()

    return LeasedStream, AsyncLeasedStream

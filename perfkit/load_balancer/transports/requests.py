"""An adapter for requests: ``session.mount("http://shop/", balancer.adapter())``.

The host of a URL is only a name here; where the request goes is the balancer's choice, anew for each try. Proxies of
the environment are not used: only servers of the balancer are ever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from perfkit.core.errors import MissingDependencyError
from perfkit.load_balancer.leases import Lease
from perfkit.load_balancer.transports.attempts import Attempts, Held, may_repeat

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["adapter"]


def adapter(
    balancer: LoadBalancer,
    *,
    key: Callable[[Any], Hashable | None] | None = None,
    preserve_host: bool = False,
    **options: Any,
) -> Any:
    """Return an adapter for a `requests.Session`.

    Args:
        balancer: Chooses the server of each try.
        key: Returns the key of a prepared request; see `LoadBalancer.acquire`.
        preserve_host: Send the URL's host as Host; otherwise the server's address.
        options: Those of `requests.adapters.HTTPAdapter`, such as ``pool_maxsize``.

    Raises:
        MissingDependencyError: requests is not installed.
    """
    try:
        from requests.adapters import HTTPAdapter
    except ImportError:
        raise MissingDependencyError("requests", extra="requests", wanted_by="A balanced adapter") from None

    class BalancedAdapter(HTTPAdapter):
        """Sends each request to a server of a balancer."""

        def send(
            self,
            request: Any,
            stream: bool = False,
            timeout: Any = None,
            verify: Any = True,
            cert: Any = None,
            proxies: Any = None,
        ) -> Any:
            """Send *request* to a server; to others if it fails, as far as that is allowed."""
            has_stream = not (request.body is None or isinstance(request.body, (bytes, str)))
            repeatable = may_repeat(request.method or "GET", request.headers, has_stream=has_stream)
            attempts = Attempts(balancer, key(request) if key is not None else None, repeatable=repeatable)
            lease = attempts.begin()
            while True:
                try:
                    sent = _request_to(lease, request, attempts, preserve_host=preserve_host)
                    response = super().send(
                        sent, stream=True, timeout=_capped(timeout, attempts.left()), verify=verify, cert=cert
                    )
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
                response.raw = LeasedBody(response.raw, held)
                response.request, response.url = request, request.url
                return response

    return BalancedAdapter(**options)


class LeasedBody:
    """The body of an answer that gives its lease back when it has ended; all else is that of urllib3."""

    def __init__(self, raw: Any, held: Held) -> None:
        self._raw, self._held = raw, held

    def __getattr__(self, name: str) -> Any:
        """Be the body of urllib3."""
        return getattr(self._raw, name)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Yield the pieces."""
        try:
            yield from self._raw.stream(*args, **kwargs)
        except Exception:
            self._held.broke()
            raise
        self._held.done()

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        """Return what is read; at its end the lease is given back."""
        try:
            data: bytes = self._raw.read(*args, **kwargs)
        except Exception:
            self._held.broke()
            raise
        if self._raw.closed or not data:
            self._held.done()
        return data

    def close(self) -> None:
        """Close it."""
        self._raw.close()
        self._held.done()

    def release_conn(self) -> None:
        """Give the connection back to its pool."""
        self._raw.release_conn()
        self._held.done()


def _request_to(lease: Lease, request: Any, attempts: Attempts, *, preserve_host: bool) -> Any:
    parts = urlsplit(request.url)
    sent = request.copy()
    sent.url = urlunsplit(parts._replace(netloc=lease.server.address))
    if preserve_host:
        sent.headers.setdefault("Host", parts.netloc.rpartition("@")[2])
    sent.headers.update(attempts.deadline_headers())
    return sent


def _capped(timeout: Any, left: float | None) -> Any:
    """Return *timeout*, in one of the forms that requests has, at most *left* seconds."""
    if left is None:
        return timeout
    if isinstance(timeout, tuple):
        return tuple(left if each is None else min(each, left) for each in timeout)
    return left if timeout is None else min(float(timeout), left)

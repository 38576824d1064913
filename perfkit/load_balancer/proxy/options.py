"""How a proxy behaves: its times, its bounds and whom it believes."""

from __future__ import annotations

import ipaddress
import re
import secrets
import ssl
from typing import Any

import msgspec

from perfkit.core.errors import LoadBalancerError
from perfkit.load_balancer.settings import positive

__all__ = ["ProxyOptions"]


is_token = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}").fullmatch

ABOVE_ZERO = (
    "connect_timeout",
    "response_timeout",
    "idle_timeout",
    "max_connections",
    "max_header_bytes",
    "max_headers",
    "max_target_bytes",
)
ZERO_OR_MORE = ("total_timeout", "continue_timeout", "keep_alive", "max_body_bytes", "replay_bytes", "max_hops")


class ProxyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `Proxy` takes as keywords. Times are seconds, sizes bytes.

    Attributes:
        connect_timeout: Until a connection to a server is made, or one of the pool is free.
        response_timeout: From the request's last byte until the answer's head.
        idle_timeout: Between two pieces of an answer, and for the taking of one piece of a request.
        total_timeout: For the whole exchange; 0 is no bound, as streams may last.
        continue_timeout: That a server may take to answer ``Expect: 100-continue`` before the body is sent anyway.
        keep_alive: That an idle connection is kept; below what servers keep them for (uvicorn: 5 s).
        max_connections: Connections to one server; who comes then waits for `connect_timeout`.
        max_header_bytes, max_headers, max_target_bytes: Bounds of a head, of requests and answers.
        max_body_bytes: Of a request; a larger one is refused with 413.
        replay_bytes: Bodies up to this size are read before they are sent, so that they can be sent again; larger ones
            too, where no more than this is missing after the first piece.
        preserve_host: Send the client's Host; otherwise that of the server, and the client's as X-Forwarded-Host.
        allowed_hosts: Hosts (without port) that are served; empty allows any that is well-formed.
        trusted_proxies: Addresses or networks whose X-Forwarded-*, Forwarded and deadline are believed.
        pseudonym: This proxy's name in ``Via``; a request that carries it already has come round.
        max_hops: Proxies in ``Via`` above which a request goes round as well.
        pass_reports: Pass on what servers tell of their load (``endpoint-load-metrics``), which is for nobody outside:
            only where a balancer of your own stands in front.
        tls: How to speak TLS to the servers; None is plain HTTP.
    """

    connect_timeout: float = 1.0
    response_timeout: float = 60.0
    idle_timeout: float = 60.0
    total_timeout: float = 0.0
    continue_timeout: float = 1.0
    keep_alive: float = 4.0
    max_connections: int = 100
    max_header_bytes: int = 32_768
    max_headers: int = 100
    max_target_bytes: int = 8192
    max_body_bytes: int = 100 * 1024 * 1024
    replay_bytes: int = 65_536
    preserve_host: bool = False
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    pseudonym: str = msgspec.field(default_factory=lambda: f"perfkit-{secrets.token_hex(4)}")
    max_hops: int = 10
    pass_reports: bool = False
    tls: ssl.SSLContext | None = None

    def checked(self) -> ProxyOptions:
        """Return itself.

        Raises:
            LoadBalancerError: A figure cannot be.
        """
        for name in ABOVE_ZERO:
            positive(f"{name} of the proxy", getattr(self, name))
        for name in ZERO_OR_MORE:
            positive(f"{name} of the proxy", getattr(self, name), or_zero=True)
        for name in ("allowed_hosts", "trusted_proxies"):
            texts = getattr(self, name)
            if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
                raise LoadBalancerError(
                    f"{name} of the proxy is {texts!r}. It must be a tuple of texts. Write ({texts!r},) for one."
                )
        if not is_token(str(self.pseudonym).encode("utf-8", "replace")):
            raise LoadBalancerError(
                f"pseudonym of the proxy is {self.pseudonym!r}. It must be a token as in a header: letters, digits, "
                "- . _ and no spaces. Write it so."
            )
        networks_of(self.trusted_proxies)
        return self


def networks_of(texts: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the networks in *texts*."""
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise LoadBalancerError(
            f"trusted_proxies of the proxy holds what is no address: {error}. Addresses and networks are expected. "
            "Write them as 10.0.0.7 or 10.0.0.0/8."
        ) from error

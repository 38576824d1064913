"""The headers that are passed on, and those that are this proxy's own.

What a client names in ``Connection`` is taken out first and our own headers are added last, so that nobody can have
them taken out. Sources: RFC 9110, section 7.6.1 (hop-by-hop) and 7.6.3 (Via); RFC 7239 (Forwarded).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from perfkit.load_balancer.proxy.faults import Refused
from perfkit.load_balancer.proxy.inspection import Headers, is_field_value, is_token
from perfkit.load_balancer.proxy.options import ProxyOptions, networks_of
from perfkit.load_balancer.reports.orca import HEADER, HEADER_JSON
from perfkit.load_balancer.resilience.deadline import HEADER as DEADLINE

__all__ = ["HOP_BY_HOP", "Trust", "outbound_headers", "response_headers"]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
FRAMING = frozenset({b"content-length", b"host", b"expect", b"via"})
"""Written by us, from what was checked."""

KEPT = frozenset({b"authorization", b"cookie", b"content-type", b"content-length", b"host", b"cache-control", b"via"})
"""Headers that ``Connection`` cannot take out: they are for the server."""

TRUST = frozenset({b"forwarded", b"x-real-ip", b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip"})
DEADLINE_HEADER = DEADLINE.encode()
REPORTS = frozenset({HEADER.encode(), HEADER_JSON.encode(), b"endpoint-load-metrics-bin"})
CONTROL = REPORTS | {DEADLINE_HEADER}
NOT_PASSED_BACK = HOP_BY_HOP | CONTROL
DROPPED = HOP_BY_HOP | FRAMING | TRUST | CONTROL


class Trust:
    """Whose word on where a request came from is taken."""

    __slots__ = ("_known", "_networks")

    def __init__(self, options: ProxyOptions) -> None:
        """Trust the proxies of *options*."""
        self._networks = networks_of(options.trusted_proxies)
        self._known: dict[str, bool] = {}

    def __call__(self, peer: str) -> bool:
        """Return whether *peer* is one of the trusted proxies."""
        if not self._networks:
            return False
        known = self._known.get(peer)
        if known is None:
            if len(self._known) >= 1024:
                self._known.clear()
            known = self._known[peer] = self._is_in(peer)
        return known

    def _is_in(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)


def outbound_headers(scope: Any, host: bytes, trust: Trust, options: ProxyOptions) -> Headers:
    """Return the headers for the server, without Host and framing: the client's, cleaned, then our own.

    Raises:
        Refused: The request has come round.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    peer = _peer(scope)
    trusted = trust(peer)
    named = _named_in_connection(headers)
    kept = []
    takes_trailers = has_via = False
    for pair in headers:
        name = pair[0]
        if name in DROPPED:
            if name == b"te":
                takes_trailers = takes_trailers or b"trailers" in pair[1].lower()
            elif name == b"via":
                has_via = True
        elif name not in named and b"_" not in name and not name.startswith(b"x-forwarded-"):
            kept.append(pair)
    if takes_trailers:
        kept.append((b"te", b"trailers"))
    kept.extend(_forwarded(headers if trusted else [], scope, peer, host))
    via = _own_via(str(scope.get("http_version", "1.1")), options.pseudonym)
    kept.append((b"via", _via(headers, via, options) if has_via else via))
    return kept


def response_headers(
    headers: Headers, options: ProxyOptions, *, has_length: bool
) -> tuple[Headers, bytes | None, bool]:
    """Return what goes on of an answer's *headers*, its report of load, and whether it announces trailers.

    What goes on has no hop-by-hop headers, and does not tell how busy the server is.
    """
    named = _named_in_connection(headers)
    report, has_trailer = None, False
    kept = []
    for pair in headers:
        name = pair[0]
        if name in NOT_PASSED_BACK:
            if name in REPORTS:
                report = report if report is not None else pair[1]
            elif name == b"trailer":
                has_trailer = True
            if name in HOP_BY_HOP or not options.pass_reports:
                continue
        if name not in named and (has_length or name != b"content-length"):
            kept.append(pair)
    kept.append((b"via", _own_via("1.1", options.pseudonym)))
    return kept, report, has_trailer


def _named_in_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    for name, _ in headers:
        if name == b"connection":
            break
    else:
        return frozenset()
    values = [value for name, value in headers if name == b"connection"]
    names = {each.strip(b" \t").lower() for value in values for each in value.split(b",")}
    return frozenset(names - KEPT)


def _peer(scope: Any) -> str:
    client = scope.get("client")
    return str(client[0]) if client and client[0] else "unknown"


@lru_cache(maxsize=1024)
def _node(peer: str) -> bytes:
    """Return *peer* as it stands in headers."""
    node = peer.encode("ascii", "replace")
    return node if is_field_value(node) and b"," not in node else b"unknown"


def _forwarded(believed: Headers, scope: Any, peer: str, host: bytes) -> Headers:
    """Return who asked, how and for which host; *believed* are the request's headers where its sender is trusted."""
    scheme = scope.get("scheme", "http")
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    if not believed:
        made = [(b"x-forwarded-for", _node(peer)), (b"x-forwarded-proto", scheme.encode())]
        if host:
            made.append((b"x-forwarded-host", host))
        return made
    told = {name: value for name, value in believed if name.startswith(b"x-forwarded-")}
    chain = [value for name, value in believed if name == b"x-forwarded-for"]
    made = [(b"x-forwarded-for", b", ".join([*chain, _node(peer)]))]
    made.append((b"x-forwarded-proto", told.get(b"x-forwarded-proto", scheme.encode())))
    if host or b"x-forwarded-host" in told:
        made.append((b"x-forwarded-host", told.get(b"x-forwarded-host", host)))
    port = told.get(b"x-forwarded-port")
    if port is not None and port.isdigit():
        made.append((b"x-forwarded-port", port))
    before = [value for name, value in believed if name == b"forwarded"]
    if before:
        node = f'"[{peer}]"' if ":" in peer else peer
        made.append((b"forwarded", b", ".join([*before, f"for={node};proto={scheme}".encode()])))
    return made


@lru_cache(maxsize=64)
def _own_via(version: str, pseudonym: str) -> bytes:
    return f"{version} {pseudonym}".encode()


def _via(headers: Headers, own: bytes, options: ProxyOptions) -> bytes:
    """Return the Via with *own*, this proxy's, at its end."""
    before = [value for name, value in headers if name == b"via"]
    hops = [hop.split() for value in before for hop in value.split(b",")]
    pseudonym = options.pseudonym.encode()
    if len(hops) > options.max_hops or any(pseudonym in hop[1:2] for hop in hops):
        raise Refused(508, "the request has come round")
    return b", ".join([*before, own])


def trailer_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return what of the trailer section may go on: nothing that frames, routes or authorises."""
    forbidden = DROPPED | {b"authorization", b"cookie", b"set-cookie", b"content-type", b"content-encoding"}
    return [(name, value) for name, value in headers if name not in forbidden and is_token(name)]

"""Who is at the other end: is it this very machine, and has it come too often?"""

from __future__ import annotations

import ipaddress
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping

__all__ = [
    "Guesses",
    "PeerWindow",
    "is_foreign_page",
    "is_forwarded",
    "is_local_host",
    "is_loopback",
    "is_of_other_origin",
    "peer_group",
]

WRONG_TOKENS = 10
"""Wrong tokens of one visitor within a minute after which none of it is checked."""

WRONG_TOKENS_OF_A_PROXY = 100
"""The same of all visitors that one proxy names, where the token is short enough to be guessed at all."""

UNGUESSABLE = 32
"""Characters of a token that nobody guesses, however often he tries: those made here have as many, random ones."""

_FORWARDING = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-host",
        "x-original-url",
        "x-envoy-external-address",
        "true-client-ip",
        "cf-connecting-ip",
        "fly-client-ip",
    }
)
_LOCAL_HOST = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[::1\]|(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}localhost)(?::[0-9]{1,5})?",
    re.ASCII | re.IGNORECASE,
)
_FOR = re.compile(r"(?:^|[;,])\s*for=\"?([^;,\"]+)", re.ASCII | re.IGNORECASE)
_LISTS = ("x-forwarded-for", "forwarded", "x-real-ip")
_FROM_HEADER = "peers named by a header"
_LONGEST_HOST = 260
_LONGEST_FORWARDED = 4096
_LONGEST_PEER = 64


def is_loopback(peer: str | None) -> bool:
    """Return True if the address *peer* belongs to this machine alone; a unix socket (None) has no address."""
    address = _parse(peer)
    return address is not None and address.is_loopback


def is_local_host(host: str) -> bool:
    """Return True if the Host header *host* names this machine: the guard against DNS rebinding."""
    return len(host) <= _LONGEST_HOST and _LOCAL_HOST.fullmatch(host) is not None


def is_forwarded(headers: Mapping[str, str]) -> bool:
    """Return True if any header says that a proxy stands between, whatever its value."""
    for name in headers:
        plain = name.lower().replace("_", "-")
        if plain in _FORWARDING or plain.startswith(("x-forwarded", "x-original-forwarded")):
            return True
    return False


def is_foreign_page(headers: Mapping[str, str]) -> bool:
    """Return True if a page of another site asks, through the browser of whoever looks at that page.

    The app may allow any origin to read its answers, and ours pass through the same CORS middleware. A link that is
    followed is no such page: what it opens is shown to a person and read by nobody else.

    Source: W3C, "Fetch Metadata Request Headers". Browsers without them name their ``Origin``.
    """
    origin = headers.get("origin")
    if origin is not None and not is_local_host(origin.partition("://")[2]):
        return True
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


def is_of_other_origin(headers: Mapping[str, str]) -> bool:
    """Return True if a browser says that the script or the element of a page of another origin asks.

    A cookie of the app's own may go along with that; a link that is followed is no such thing.
    """
    return (
        headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        and headers.get("sec-fetch-mode") != "navigate"
    )


def peer_group(peer: str | None) -> str:
    """Return the key under which *peer* is counted: an IPv4 address, an IPv6 /64, or the cut text of anything else.

    One customer's IPv6 line is a /64 at least, so single addresses of it would cost an attacker nothing.
    """
    address = _parse(peer)
    if address is None:
        return (peer or "")[:_LONGEST_PEER]
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback:
        return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def _parse(peer: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not peer or len(peer) > _LONGEST_PEER:
        return None
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class PeerWindow:
    """How often each peer did something over the last seconds: a sliding window. Thread-safe, bounded.

    The peer that was seen longest ago is forgotten first.
    """

    __slots__ = ("_capacity", "_limit", "_lock", "_peers", "_seconds")

    def __init__(self, *, limit: int, seconds: float, capacity: int = 1024) -> None:
        """Allow *limit* times within *seconds* to each of at most *capacity* peers."""
        self._limit, self._seconds, self._capacity = limit, seconds, capacity
        self._peers: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of peers remembered."""
        return len(self._peers)

    def is_full(self, group: str, now: float) -> bool:
        """Return True if *group* used up its times within the window that ends at *now* (monotonic seconds)."""
        with self._lock:
            return self._is_full(self._peers.get(group), now)

    def add(self, group: str, now: float) -> bool:
        """Count one more time of *group* at *now*; return False, counting nothing, if it has none left."""
        with self._lock:
            times = self._peers.get(group)
            if times is None:
                if len(self._peers) >= self._capacity:
                    self._peers.popitem(last=False)
                times = self._peers[group] = deque(maxlen=self._limit)
            self._peers.move_to_end(group)
            if self._is_full(times, now):
                return False
            times.append(now)
            return True

    def _is_full(self, times: deque[float] | None, now: float) -> bool:
        return times is not None and len(times) == self._limit and now - times[0] < self._seconds


class Guesses:
    """The wrong tokens of the last minute, by who brought them. Thread-safe, bounded.

    Behind a proxy all the world has one address, and whoever guesses there would shut out those who know the token. So
    visitors of a peer within the own network are told apart by the address that the proxy has added last, which no
    visitor chooses where the proxy adds one. Where he does choose it, a token that is short enough to be guessed is
    kept by a bound on all visitors of the proxy together; a longer one needs none. A server that takes the peer itself
    from a header (uvicorn with ``--forwarded-allow-ips='*'`` takes what the visitor wrote) has one such bound for all.
    """

    __slots__ = ("_of_proxies", "_wrong")

    def __init__(self, *, is_guessable: bool) -> None:
        """Keep guesses few; *is_guessable* is True where a token has fewer than `UNGUESSABLE` characters."""
        self._wrong = PeerWindow(limit=WRONG_TOKENS, seconds=60.0)
        self._of_proxies = PeerWindow(limit=WRONG_TOKENS_OF_A_PROXY, seconds=60.0) if is_guessable else None

    def are_spent(self, peer: str | None, headers: Mapping[str, str], now: float) -> bool:
        """Return True if no token that comes from *peer* with these *headers* is to be checked at *now*."""
        group, visitor = _visitor(peer, headers)
        if self._of_proxies is not None and visitor != group and self._of_proxies.is_full(group, now):
            return True
        return self._wrong.is_full(visitor, now)

    def add(self, peer: str | None, headers: Mapping[str, str], now: float) -> None:
        """Count a wrong token."""
        group, visitor = _visitor(peer, headers)
        self._wrong.add(visitor, now)
        if self._of_proxies is not None and visitor != group:
            self._of_proxies.add(group, now)


def _visitor(peer: str | None, headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the groups of *peer* and of the visitor behind it; both are one where the peer is no proxy of ours."""
    group, address = peer_group(peer), _parse(peer)
    if peer and any(peer == each for name in _LISTS for each in _listed(headers, name)):
        return _FROM_HEADER, f"{_FROM_HEADER} {group}"
    if peer and (address is None or address.is_global):
        return group, group
    claimed = _claimed(headers)
    return group, f"{group} for {claimed}" if claimed else group


def _claimed(headers: Mapping[str, str]) -> str:
    """Return the group of the address that the nearest proxy says it has the request from; empty if it says none."""
    for name in _LISTS:
        listed = _listed(headers, name)
        if listed:
            return peer_group(listed[-1])
    return ""


def _listed(headers: Mapping[str, str], name: str) -> list[str]:
    """Return the addresses in the header *name*, without ports and brackets, the nearest one last; none if it is empty.

    At most as many as fit into what is looked at, and of these all but the first are whole.
    """
    said = headers.get(name, "")[-_LONGEST_FORWARDED:]
    if not said.strip():
        return []
    return [_bare(each) for each in (_FOR.findall(said) if name == "forwarded" else said.split(","))]


def _bare(address: str) -> str:
    address = address.strip()
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
